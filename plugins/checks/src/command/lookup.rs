//! Finding the program.
//!
//! Whoever can write the file decides what the daemon runs. A program that everyone may write, or that lies in a
//! directory where everyone may replace it, is refused.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use breakwatch_plugin_api::BuildContext;
use nix::unistd::{AccessFlags, access};

/// Writable by everyone.
const WORLD_WRITABLE: u32 = 0o002;
/// Only owners may replace what lies in the directory.
const STICKY: u32 = 0o1000;

/// Why a name means no program that can be run.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Unusable {
    /// It is not there: it may be tomorrow.
    Missing(String),
    /// It must not or cannot be run as it is.
    Refused(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

/// The program a name means.
///
/// # Errors
/// Why there is none that can be run.
pub(crate) fn find(name: &str, context: &BuildContext) -> Result<PathBuf, Unusable> {
    if name.is_empty() || name.contains('\0') {
        return Err(Unusable::Refused("the name of a program is empty".to_owned()));
    }
    let path =
        if name.contains('/') { context.base_dir.join(name) } else { search(name, &context.command_path)? };
    inspect(&path)?;
    Ok(path)
}

fn search(name: &str, directories: &[PathBuf]) -> Result<PathBuf, Unusable> {
    let candidates = directories.iter().map(|directory| directory.join(name));
    candidates.into_iter().find(|candidate| candidate.is_file()).ok_or_else(|| {
        let searched: Vec<String> = directories.iter().map(|dir| dir.display().to_string()).collect();
        Unusable::Missing(format!("no program {name:?} in {}", searched.join(":")))
    })
}

fn inspect(path: &Path) -> Result<(), Unusable> {
    let meta = std::fs::metadata(path).map_err(|error| {
        let why = format!("{}: {}", path.display(), crate::net::failure::describe(&error));
        if error.kind() == io::ErrorKind::NotFound { Unusable::Missing(why) } else { Unusable::Refused(why) }
    })?;
    judge(path, &meta).map_err(Unusable::Refused)
}

fn judge(path: &Path, meta: &Metadata) -> Result<(), String> {
    let shown = path.display();
    if !meta.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    // As root everything may be executed that anyone may execute; access(2) knows.
    if access(path, AccessFlags::X_OK).is_err() {
        return Err(format!("{shown} is not executable"));
    }
    if meta.mode() & WORLD_WRITABLE != 0 {
        return Err(format!("{shown} can be written by every user (chmod o-w)"));
    }
    // What a link points to must lie safe, too.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match real.parent() {
        Some(directory) if std::fs::metadata(directory).is_ok_and(|meta| is_open(&meta)) => {
            Err(format!("{shown} can be replaced by every user: {} is open to all", directory.display()))
        }
        _ => Ok(()),
    }
}

fn is_open(directory: &Metadata) -> bool {
    directory.mode() & WORLD_WRITABLE != 0 && directory.mode() & STICKY == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::context;

    fn script(dir: &Path, name: &str, mode: u32) -> String {
        let path = dir.join(name);
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn names_are_searched_and_paths_are_taken() {
        assert_eq!(find("sh", &context()).unwrap().file_name().unwrap(), "sh");
        assert_eq!(find("/bin/sh", &context()).unwrap(), Path::new("/bin/sh"));
        assert_eq!(
            find("no-such-program", &context()).unwrap_err().to_string(),
            "no program \"no-such-program\" in /usr/bin:/bin:/usr/sbin:/sbin"
        );
        assert_eq!(
            find("/no/such", &context()).unwrap_err().to_string(),
            "/no/such: no such file or directory"
        );
        assert_eq!(find("/etc", &context()).unwrap_err().to_string(), "/etc is not a file");
        assert!(find("", &context()).is_err());
        let missing = |name| matches!(find(name, &context()), Err(Unusable::Missing(_)));
        assert!(missing("no-such-program") && missing("/no/such") && !missing("/etc") && !missing(""));
    }

    #[test]
    fn only_what_is_safe_to_run_is_run() {
        let dir = tempfile::tempdir().unwrap();
        assert!(find(&script(dir.path(), "good", 0o755), &context()).is_ok());
        let plain = script(dir.path(), "plain", 0o644);
        assert_eq!(find(&plain, &context()).unwrap_err().to_string(), format!("{plain} is not executable"));
        let open = script(dir.path(), "open", 0o757);
        assert!(find(&open, &context()).unwrap_err().to_string().contains("can be written by every user"));
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let good = dir.path().join("good").display().to_string();
        assert!(find(&good, &context()).unwrap_err().to_string().contains("can be replaced by every user"));
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(find(&good, &context()).is_ok(), "a sticky directory is as safe as /tmp");
    }

    #[test]
    fn relative_paths_start_at_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        script(dir.path(), "here", 0o700);
        let mut context = context();
        context.base_dir = dir.path().to_owned();
        assert_eq!(find("./here", &context).unwrap(), dir.path().join("./here"));
    }
}
