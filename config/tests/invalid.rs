//! One file per mistake a user can make, with the exact findings expected: line, column, words and help.
//!
//! `UPDATE_GOLDEN=1` writes the expectations anew; read the difference before committing it.

#![allow(clippy::expect_used, clippy::panic, reason = "tests may be blunt")]

mod common;

use common::{load, root, yaml_files};

#[test]
fn every_mistake_is_found_at_its_place() {
    let dir = root().join("testdata/invalid");
    let files = yaml_files(&dir);
    assert!(files.len() >= 50, "only {} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let (config, found) = load(&dir, std::slice::from_ref(&file));
        assert!(config.is_none(), "{} was accepted", file.display());
        let expected_file = file.with_extension("err");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&expected_file, &found).expect("writable");
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        if expected != found {
            wrong.push(format!("{}\nexpected:\n{expected}found:\n{found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
