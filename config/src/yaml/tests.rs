//! Places, paths, styles, anchors, limits, and a storm of broken texts.

use super::*;
use crate::print::to_yaml;

fn read(text: &str) -> (Option<Node>, Vec<String>) {
    let diagnostics = Diagnostics::new();
    let node = load_text("t.yml", text, &diagnostics);
    (node, diagnostics.into_sorted().iter().map(ToString::to_string).collect())
}

fn good(text: &str) -> Node {
    let (node, found) = read(text);
    assert_eq!(found, Vec::<String>::new(), "{text}");
    node.expect("no error means a tree")
}

/// `path line:column` of every key and value, in order.
fn places(node: &Node, out: &mut Vec<String>) {
    out.push(format!("{} {}:{}", node.place.path, node.place.line, node.place.column));
    for item in node.as_list().unwrap_or_default() {
        places(item, out);
    }
    for (key, value) in node.as_map().unwrap_or_default() {
        out.push(format!("key {} {}:{}", key.place.path, key.place.line, key.place.column));
        places(value, out);
    }
}

#[test]
fn everything_knows_its_place() {
    let mut found = Vec::new();
    places(&good("ä: 1\nb:\n  - c: \"x\"\n  - [d,  e]\nf: |\n  text\ng:\n"), &mut found);
    assert_eq!(
        found,
        [
            " 1:1",
            "key ä 1:1",
            "ä 1:4",
            "key b 2:1",
            "b 3:3",
            "b[0] 3:5",
            "key b[0].c 3:5",
            "b[0].c 3:8",
            "b[1] 4:5",
            "b[1][0] 4:6",
            "b[1][1] 4:10",
            "key f 5:1",
            "f 6:3",
            "key g 7:1",
            "g 7:1",
        ]
    );
}

#[test]
fn scalars_keep_text_and_style() {
    let node =
        good("a: 1.10\nb: \"1.10\"\nc: ~\nd: '~'\ne: true\nf: 'true'\ng: >\n  x\n  y\nh: !!str 5\ni: x y\n");
    let kind = |key| node.get(key).map(|n| n.kind.clone()).expect("written");
    let scalar = |text: &str, quoted| NodeKind::Scalar { text: text.to_owned(), quoted };
    assert_eq!(kind("a"), scalar("1.10", false));
    assert_eq!(kind("b"), scalar("1.10", true));
    assert_eq!(kind("c"), NodeKind::Null);
    assert_eq!(kind("d"), scalar("~", true));
    assert_eq!(node.get("e").and_then(Node::as_bool), Some(true));
    assert_eq!(node.get("f").and_then(Node::as_bool), None);
    assert_eq!(kind("g"), scalar("x y\n", true));
    assert_eq!(kind("h"), scalar("5", true));
    assert_eq!(kind("i"), scalar("x y", false));
}

#[test]
fn aliases_and_merges_stand_at_their_new_path_and_their_old_line() {
    let node = good("base: &b {x: 1, y: [2]}\none:\n  <<: *b\n  x: 3\ntwo: *b\nthree: {<<: [*b, {z: 4}]}\n");
    assert_eq!(
        to_yaml(&node),
        "base:\n  x: 1\n  y:\n  - 2\none:\n  x: 3\n  y:\n  - 2\ntwo:\n  x: 1\n  y:\n  - 2\nthree:\n  x: 1\n  y:\n  - 2\n  z: 4\n"
    );
    let y = node.get("one").and_then(|one| one.get("y")).expect("merged in");
    let item = &y.as_list().expect("a list")[0];
    assert_eq!((&*item.place.path, item.place.line, item.place.column), ("one.y[0]", 1, 21));
    assert_eq!(node.get("two").and_then(|two| two.get("x")).map(|x| &*x.place.path), Some("two.x"));
}

#[test]
fn only_the_first_document_counts_and_an_empty_one_is_null() {
    assert!(good("").is_null() && good("# only a comment\n").is_null() && good("---\n").is_null());
    let (node, found) = read("a: 1\n---\nb: [\n");
    assert_eq!(node.map(|n| to_yaml(&n)).as_deref(), Some("a: 1\n"));
    assert_eq!(found, ["t.yml:2:1: warning: only the first document of a file is read"]);
}

#[test]
fn windows_files_read_the_same() {
    let node = good("\u{feff}a: 1\r\nb:\r\n  c: |\r\n    x\r\n    y\r\n");
    assert_eq!(to_yaml(&node), "a: 1\nb:\n  c: |\n    x\n    y\n");
    let (_, found) = read("\u{feff}a: 1\r\n\tb: 2\r\n");
    assert_eq!(found, ["t.yml:2:1: a tab is used for indentation (YAML takes only spaces)"]);
}

#[test]
fn errors_before_do_not_hide_a_good_file() {
    let diagnostics = Diagnostics::new();
    assert!(load_text("a.yml", "a: [", &diagnostics).is_none());
    assert!(load_text("b.yml", "a: 1", &diagnostics).is_some());
}

#[test]
fn size_is_bounded_however_it_is_reached() {
    let huge = "a".repeat(MAX_BYTES + 1);
    assert_eq!(read(&huge).1, ["t.yml:1:1: the file is larger than 16 MiB"]);
    let many = format!("[{}]", "a,".repeat(1_000_001));
    assert!(read(&many).1[0].ends_with("more than 1000000 values in one file"));
    // A long text shared many times.
    let text = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1_000_000), "*a, ".repeat(20));
    assert!(read(&text).1[0].ends_with("expand to more than 8388608 bytes"));
    // Aliases that nest deeper than any text could.
    let mut deep = "a0: &a0 [1]\n".to_owned();
    for level in 1..40 {
        deep.push_str(&format!("a{level}: &a{level} [[*a{}]]\n", level - 1));
    }
    assert!(read(&deep).1[0].ends_with("nested deeper than 64 levels"), "{:?}", read(&deep).1);
    // Long keys over many levels: paths would cost their product.
    let mut keys = String::new();
    for level in 0..50 {
        keys.push_str(&format!("{}{}:\n", " ".repeat(level), "k".repeat(900)));
    }
    keys.push_str(&format!("{}[{}]\n", " ".repeat(50), "1, ".repeat(1000)));
    let mut longest = 0;
    let mut node = &good(&keys);
    while let Some((key, value)) = node.as_map().and_then(<[_]>::first) {
        longest = longest.max(key.place.path.len());
        node = value;
    }
    assert!(longest < 2000, "{longest}");
}

/// Pieces of YAML put together at random, and good files with characters changed: whatever comes out, reading
/// ends, never panics, reports errors with a place inside the text, and what was readable prints and reads back.
#[test]
fn broken_texts_never_break_the_reader() {
    const PIECES: [&str; 46] = [
        "a", "key", ": ", ":", "\n", "\n", "\n  ", "\n    ", " ", "- ", "-", "? ", "[", "]", "{", "}", ", ",
        ",", "\"", "'", "|", ">", "|-\n", "&a ", "*a", "!t ", "!!str ", "#", " #c", "%", "@", "`", "\t",
        "---", "\n---\n", "...", "<<: ", "~", "${env:X}", "$$", "\\", "\\x4", "é", "\u{feff}", "\u{0}",
        "\r\n",
    ];
    const GOOD: &str =
        "a: &x {b: [1, \"two\", 'three'], c: |\n    text\n  }\nd:\n- *x\n- <<: *x\n  e: f # g\n";
    let mut rng = fastrand::Rng::with_seed(0x5eed);
    for round in 0..30_000 {
        let text: String = if round % 2 == 0 {
            (0..rng.usize(0..24)).map(|_| PIECES[rng.usize(0..PIECES.len())]).collect()
        } else {
            let mut chars: Vec<char> = GOOD.chars().collect();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(0..chars.len());
                let piece: Vec<char> = PIECES[rng.usize(0..PIECES.len())].chars().collect();
                chars.splice(at..(at + rng.usize(0..3)).min(chars.len()), piece);
            }
            chars.into_iter().collect()
        };
        check_one(&text);
    }
}

fn check_one(text: &str) {
    let (node, found) = read(text);
    let lines =
        text.split('\n').count() + text.matches('\r').count() + text.matches(['\u{85}', '\u{2028}']).count();
    for finding in &found {
        let line: usize = finding.split(':').nth(1).and_then(|line| line.parse().ok()).expect("a line");
        assert!((1..=lines + 1).contains(&line), "{text:?}: {finding}");
    }
    match node {
        None => assert!(!found.is_empty(), "{text:?} was refused without a word"),
        Some(node) => {
            let printed = to_yaml(&node);
            let (again, errors) = read(&printed);
            assert_eq!(errors, Vec::<String>::new(), "{text:?}\n{printed:?}");
            assert_eq!(again.map(|node| to_yaml(&node)), Some(printed.clone()), "{text:?}");
        }
    }
}
