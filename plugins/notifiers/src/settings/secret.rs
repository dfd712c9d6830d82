//! A secret written in the configuration or kept in a file of its own.
//!
//! The file is read again on each use, so a rotated token counts from the next message on and no restart is
//! needed. It is read once at load too: a missing file is a mistake in the configuration, not tomorrow's surprise.

use std::path::{Path, PathBuf};

use breakwatch_plugin_api::{Diagnostics, Node, NotifyError, Secret};

/// No token, password or URL is longer; a path to something else is noticed.
const FILE_CAP: usize = 64 * 1024;

/// Where a secret comes from.
#[derive(Clone, Debug)]
pub(crate) enum SecretSource {
    /// The configuration itself.
    Inline(Secret),
    /// A file, read on each use; white space around its text is not part of the secret.
    File(PathBuf),
}

impl SecretSource {
    /// A secret written in the configuration. Plain text there is remarked upon, as everybody who may read the
    /// configuration reads the secret.
    pub(crate) fn inline(node: &Node, key: &str, diagnostics: &Diagnostics) -> Option<Self> {
        let Some(text) = node.as_str().map(str::trim).filter(|text| !text.is_empty()) else {
            diagnostics.error(&node.place, "expected a secret, found nothing that can be one");
            return None;
        };
        if !node.sensitive {
            let message = format!(
                "`{key}` is a secret in plain text: better `{key}_file`, `${{file:…}}` or `${{env:…}}`"
            );
            diagnostics.warning(&node.place, message);
        }
        Some(Self::Inline(Secret::new(text)))
    }

    /// A secret in a file.
    pub(crate) fn file(node: &Node, base_dir: &Path, diagnostics: &Diagnostics) -> Option<Self> {
        let Some(text) = node.as_str().filter(|text| !text.is_empty()) else {
            diagnostics.error(&node.place, format!("expected a file name, found {}", node.describe()));
            return None;
        };
        let path = base_dir.join(text);
        match std::fs::read(&path) {
            Err(error) => {
                diagnostics.error(&node.place, format!("cannot read {}: {error}", path.display()));
                return None;
            }
            Ok(bytes) => {
                if let Err(fault) = secret_text(&bytes) {
                    diagnostics.error(&node.place, format!("{} {fault}", path.display()));
                    return None;
                }
            }
        }
        if readable_by_all(&path) {
            let message = format!("{} is readable by every user of this machine", path.display());
            diagnostics.warning(&node.place, message);
        }
        Some(Self::File(path))
    }

    /// The secret, as it is now.
    ///
    /// # Errors
    /// [`NotifyError::Misconfigured`] when the file cannot be read or holds no text.
    pub(crate) async fn read(&self) -> Result<Secret, NotifyError> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let fault = |why: String| NotifyError::Misconfigured(format!("{} {why}", path.display()));
                let bytes = tokio::fs::read(path).await.map_err(|e| fault(format!("cannot be read: {e}")))?;
                secret_text(&bytes).map(Secret::new).map_err(|why| fault(why.to_owned()))
            }
        }
    }
}

fn secret_text(bytes: &[u8]) -> Result<&str, &'static str> {
    if bytes.len() > FILE_CAP {
        return Err("is too big to be a secret");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is not a text")?.trim();
    if text.is_empty() { Err("is empty") } else { Ok(text) }
}

#[cfg(unix)]
fn readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_all(_: &Path) -> bool {
    false
}
