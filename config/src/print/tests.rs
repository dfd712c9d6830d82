//! What is written reads back the same.

use breakwatch_plugin_api::Diagnostics;

use super::*;

fn read(text: &str) -> Node {
    let diagnostics = Diagnostics::new();
    let node = crate::load_text("t.yml", text, &diagnostics);
    let found: Vec<String> = diagnostics.into_sorted().iter().map(ToString::to_string).collect();
    node.unwrap_or_else(|| panic!("{text:?}: {found:?}"))
}

#[test]
fn block_style_is_stable() {
    let text = "a: 1\nb: \"2\"\nc:\n  d:\n  - x\n  - e: f\n    g: {}\n  -\n    - h\n    - []\ni: |\n  one\n\n  two\n\
                \"j: k\": null\nl: \"\\u0001\"\nm: -5\nn: \"- x\"\no: http://x:1/#y\n";
    let once = to_yaml(&read(text));
    assert_eq!(once, text.replace("\\u0001", "\\U00000001"));
}

#[test]
fn any_text_survives() {
    let mut rng = fastrand::Rng::with_seed(7);
    let alphabet: Vec<char> =
        " \t\n\r:-?#&*!|>'\"%@`,[]{}ab1~<.=é\u{85}\u{feff}\u{7f}\u{2028}\\$".chars().collect();
    for _ in 0..20_000 {
        let length = rng.usize(0..8);
        let text: String = (0..length).map(|_| alphabet[rng.usize(0..alphabet.len())]).collect();
        for quoted in [true, false] {
            let scalar = Node { kind: NodeKind::Scalar { text: text.clone(), quoted }, ..read("") };
            let key = Key { name: text.as_str().into(), place: scalar.place.clone() };
            let list = Node { kind: NodeKind::List(vec![scalar.clone()]), ..read("") };
            let map = Node { kind: NodeKind::Map(vec![(key, list)]), ..read("") };
            let yaml = to_yaml(&map);
            let back = read(&yaml);
            let entries = back.as_map().expect("a mapping");
            assert_eq!(&*entries[0].0.name, text, "{yaml:?}");
            let value = &entries[0].1.as_list().expect("a list")[0];
            let null_word = !quoted && matches!(text.as_str(), "~");
            assert_eq!(value.as_str(), (!null_word).then_some(text.as_str()), "{yaml:?}");
        }
    }
}
