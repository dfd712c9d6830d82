//! Files, `conf.d` and their order, on a real disk.

use super::*;
use crate::print::to_yaml;

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(directory_of(&path)).expect("a directory");
    std::fs::write(&path, text).expect("a file");
    path
}

fn load(dir: &Path, paths: &[PathBuf]) -> Result<String, Vec<String>> {
    let diagnostics = Diagnostics::new();
    let node = load_merged(paths, &|_| None, &diagnostics);
    let prefix = format!("{}/", dir.display());
    let found: Vec<String> =
        diagnostics.into_sorted().iter().map(|d| d.to_string().replace(&prefix, "")).collect();
    match node {
        Some(node) if found.is_empty() => Ok(to_yaml(&node)),
        _ => Err(found),
    }
}

#[test]
fn later_files_and_drop_ins_are_laid_over_earlier_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let main = write(dir, "main.yml", "defaults: {interval: 30s}\nchecks: {memory: {}}\n");
    write(dir, "conf.d/20-b.yaml", "defaults: {timeout: 2s}\n");
    write(dir, "conf.d/10-a.yml", "defaults: {timeout: 1s}\nchecks: {cpu: {}}\n");
    write(dir, "conf.d/.hidden.yml", "nonsense: [\n");
    write(dir, "conf.d/notes.txt", "nonsense: [\n");
    let local = write(dir, "local.yml", "defaults: {interval: 10s}\nchecks: {memory: {swap: 1}}\n");
    assert_eq!(
        load(dir, &[main, local]),
        Ok("defaults:\n  interval: 10s\n  timeout: 2s\nchecks:\n  memory:\n    swap: 1\n  cpu: {}\n"
            .to_owned())
    );
}

#[test]
fn a_component_twice_in_conf_d_is_an_error_with_both_places() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let main = write(dir, "main.yml", "checks:\n  memory: {}\n");
    write(dir, "conf.d/a.yml", "checks:\n  memory: {}\n  http/a: {}\n");
    write(dir, "conf.d/b.yml", "checks: {http/a: {}}\n");
    let found = load(dir, &[main]).expect_err("defined twice");
    assert_eq!(
        found.iter().map(|f| f.replace(&format!("{}/", dir.display()), "")).collect::<Vec<_>>(),
        [
            "conf.d/a.yml:2:3: checks.memory: `memory` is already defined at main.yml:2:3 (give it another name)",
            "conf.d/b.yml:1:10: checks.http/a: `http/a` is already defined at conf.d/a.yml:3:3 (give it another name)",
        ]
    );
}

#[test]
fn unreadable_files_are_all_reported() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let list = write(dir, "list.yml", "- a\n");
    let binary = dir.join("binary.yml");
    std::fs::write(&binary, b"a: 1\nb: \xff\n").expect("a file");
    let found = load(dir, &[list, binary, dir.join("none.yml"), dir.to_owned()]).expect_err("none is usable");
    assert_eq!(
        found.iter().map(|f| f.replace(&dir.display().to_string(), "DIR")).collect::<Vec<_>>(),
        [
            "DIR:1:1: this is a directory, not a file",
            "binary.yml:2:1: the file is not UTF-8 text",
            "list.yml:1:1: expected a mapping, found a list",
            "none.yml:1:1: cannot read the file: No such file or directory (os error 2)",
        ]
    );
}

#[test]
fn secrets_written_where_everybody_can_read_them_are_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let main = write(dir, "main.yml", "checks:\n  http/a: {url: 'https://u:p@h/', password: x}\n");
    std::fs::set_permissions(&main, std::fs::Permissions::from_mode(0o644)).expect("own file");
    let found = load(dir, std::slice::from_ref(&main)).expect_err("warned");
    assert_eq!(found.len(), 2);
    assert!(
        found[0].starts_with("main.yml:2:17: warning: checks.http/a.url: a secret in a file that everybody")
    );
    std::fs::set_permissions(&main, std::fs::Permissions::from_mode(0o640)).expect("own file");
    assert!(load(dir, &[main]).is_ok());
}
