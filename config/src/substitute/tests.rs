//! Substitution against a made-up environment and real files.

use super::*;

fn environment(name: &str) -> Option<String> {
    match name {
        "USER_NAME" => Some("ada".to_owned()),
        "EMPTY" => Some(String::new()),
        "ODD" => Some("a: [b] ${env:USER_NAME}".to_owned()),
        _ => None,
    }
}

fn expand_in(dir: &Path, text: &str) -> (Node, Vec<String>) {
    let diagnostics = Diagnostics::new();
    let node = crate::load_text("t.yml", text, &diagnostics).expect("readable test input");
    let node = substitute(node, dir, &environment, &diagnostics);
    (node, diagnostics.into_sorted().iter().map(ToString::to_string).collect())
}

fn value(text: &str) -> (Option<String>, bool) {
    let (node, errors) = expand_in(Path::new("."), &format!("v: {text}\n"));
    assert_eq!(errors, Vec::<String>::new());
    let node = node.get("v").expect("the key is there");
    (node.as_str().map(str::to_owned), node.sensitive)
}

fn error(text: &str) -> String {
    let (_, errors) = expand_in(Path::new("."), &format!("v: {text}\n"));
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().next().unwrap_or_default()
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn variables_are_put_in_and_marked() {
    assert_eq!(value("${env:USER_NAME}"), (text("ada"), true));
    assert_eq!(value("\"x-${env:USER_NAME}-${env:USER_NAME}\""), (text("x-ada-ada"), true));
    assert_eq!(
        value("${env:ODD}"),
        (text("a: [b] ${env:USER_NAME}"), true),
        "outside text is never read again"
    );
}

#[test]
fn a_default_stands_in_and_is_not_a_secret() {
    assert_eq!(value("${env:NONE:-http://x:1/}"), (text("http://x:1/"), false));
    assert_eq!(value("${env:EMPTY:-x}"), (text("x"), false));
    assert_eq!(value("${env:NONE:-${env:USER_NAME}}"), (text("ada"), true));
    assert_eq!(value("'${env:NONE:-}'"), (text(""), false));
}

#[test]
fn nothing_written_plain_is_null() {
    assert_eq!(value("${env:NONE:-}"), (None, false));
    assert_eq!(value("${env:EMPTY}"), (None, false));
}

#[test]
fn dollars_that_mean_nothing_stay() {
    assert_eq!(value("'^ok$'"), (text("^ok$"), false));
    assert_eq!(value("$$5 $x $"), (text("$5 $x $"), false));
    assert_eq!(value("$${env:USER_NAME}"), (text("${env:USER_NAME}"), false));
}

#[test]
fn mistakes_have_their_place() {
    assert_eq!(
        error("${env:NONE}"),
        "t.yml:1:4: v: the environment variable NONE is not set (a default is written `${env:NONE:-default}`)"
    );
    assert_eq!(error("'${env:A'"), "t.yml:1:4: v: `${` without its `}` (write `$$` for a `$`)");
    assert!(error("${HOME}").contains("`${HOME}` is not known"));
    assert!(error("${env:A-B}").contains("\"A-B\" is not the name of an environment variable"));
    let deep = "${env:N:-".repeat(12) + &"}".repeat(12);
    assert!(error(&deep).contains("nested deeper than 8 levels"));
    let (_, errors) = expand_in(Path::new("."), "'${env:A}': 1\n");
    assert_eq!(errors, ["t.yml:1:1: ${env:A}: `${…}` works in values, not in keys"]);
}

#[test]
fn files_are_read_beside_the_configuration() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("dsn");
    std::fs::write(&path, "postgres://u:p@h/d\n\n").expect("a file");
    restrict(&path, 0o600);
    let (node, errors) = expand_in(dir.path(), "v: ${file:dsn}\n");
    assert_eq!(errors, Vec::<String>::new());
    let node = node.get("v").expect("the key is there");
    assert_eq!((node.as_str(), node.sensitive), (Some("postgres://u:p@h/d"), true));

    restrict(&path, 0o644);
    let (_, warnings) = expand_in(dir.path(), "v: ${file:dsn}\n");
    assert!(warnings[0].contains("warning: v: everybody on this machine can read"), "{warnings:?}");

    let (_, errors) = expand_in(dir.path(), "v: ${file:none}\nw: ${file:.}\n");
    assert!(errors[0].starts_with("t.yml:1:4: v: cannot read "), "{errors:?}");
    assert!(errors[1].ends_with("not a file"), "{errors:?}");
}

fn restrict(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("own file");
}
