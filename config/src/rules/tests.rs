//! Patterns against names and a real directory.

use super::*;

#[test]
fn patterns_match_as_a_shell_does() {
    for (pattern, name, expected) in [
        ("*.yml", "a.yml", true),
        ("*.yml", ".a.yml", false),
        (".*.yml", ".a.yml", true),
        ("a?c*", "abcdef", true),
        ("a?c", "ac", false),
        ("*a*b*", "xaybz", true),
        ("*a*b", "abab", true),
        ("*ab", "aab", true),
        ("", "", true),
        ("", "a", false),
        ("**", "ä", true),
    ] {
        assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
    }
}

#[test]
fn files_come_once_in_order_and_missing_ones_are_reported() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["b.yml", "a.yml", "c.txt"] {
        std::fs::write(dir.path().join(name), "groups: []\n").expect("a file");
    }
    let place = Place { file: "m.yml".into(), line: 3, column: 5, path: "rules.files[1]".into() };
    let files =
        ["b.yml", "*.yml", "none.yml", "none/*.yml"].map(|name| (dir.path().join(name), place.clone()));
    let config = RulesConfig { files: files.to_vec(), ..RulesConfig::default() };
    let diagnostics = Diagnostics::new();
    assert_eq!(config.expand(&diagnostics), [dir.path().join("b.yml"), dir.path().join("a.yml")]);
    let found = diagnostics.into_sorted();
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        format!("m.yml:3:5: rules.files[1]: there is no rule file {}/none.yml", dir.path().display())
    );
}
