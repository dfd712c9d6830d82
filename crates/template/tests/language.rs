//! Go's template language, case by case, from its documentation.

#![allow(clippy::unwrap_used, reason = "tests may be blunt")]

#[path = "oracle/data.rs"]
mod data;

use std::sync::Arc;

use breakwatch_model::Timestamp;
use breakwatch_template::{Context, Escaping, MissingKey, Stage, TemplateError, TemplateSet};

fn render_with(text: &str, missing: MissingKey) -> Result<String, TemplateError> {
    let set = TemplateSet::new(Arc::new(data::functions())).with_missing_key(missing);
    let context = Context::at(Timestamp::from_secs(0));
    set.render_template(&set.parse("t", text)?, &data::data(), Escaping::None, &context)
}

fn render(text: &str) -> Result<String, TemplateError> {
    render_with(text, MissingKey::Zero)
}

fn check(cases: &[(&str, &str)]) {
    for (text, want) in cases {
        match render(text) {
            Ok(got) => assert_eq!(got, *want, "{text}"),
            Err(error) => assert_eq!(format!("error: {error}"), *want, "{text}"),
        }
    }
}

#[test]
fn text_comments_and_trimming() {
    check(&[
        ("", ""),
        ("plain {x} }}", "plain {x} }}"),
        ("{{23 -}} < {{- 45}}", "23<45"),
        ("a {{- /* note */ -}} b", "ab"),
        ("a {{/* {{.Int}} */}} b", "a  b"),
        ("a\n\t{{- 1 -}}\r\n b", "a1b"),
        ("{{-3}}", "-3"),
        ("{{- -3 -}}", "-3"),
        ("é{{\"ü\"}}世", "éü世"),
        ("{{\"a\\tb\\u00e9\\x41\"}} {{`raw\\n`}} {{'x'}}", "a\tbéA raw\\n 120"),
        ("{{print 1\n2}}", "1 2"),
    ]);
}

#[test]
fn variables_and_scopes() {
    check(&[
        ("{{$x := 1}}{{$x}}", "1"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
        ("{{with $x := .Pair}}{{$x.Name}}{{.Value}}{{$.Int}}{{end}}", "nv42"),
        ("{{$x := .Strings}}{{range $x}}{{$x = .}}{{end}}{{$x}}", "c d"),
        ("{{$i := 0}}{{$e := 0}}{{range $i, $e = .Strings}}{{end}}{{$i}}{{$e}}", "2c d"),
        ("{{$x}}", "error: template: t:1: undefined variable \"$x\""),
        ("{{if true}}{{$x := 1}}{{end}}{{$x}}", "error: template: t:1: undefined variable \"$x\""),
        ("{{$x := $x}}", "error: template: t:1:8: executing \"t\" at <$x>: undefined variable: $x"),
    ]);
}

#[test]
fn branches() {
    check(&[
        ("{{if .True}}a{{else}}b{{end}}", "a"),
        ("{{if .Empty}}a{{else if .Zero}}b{{else if 1}}c{{else}}d{{end}}", "c"),
        ("{{with .Pair}}{{.Name}}{{else}}no{{end}}", "n"),
        ("{{with .Empty}}a{{else with .Pairs}}{{len .}}{{else}}c{{end}}", "2"),
        ("{{with $y := .Empty}}a{{else}}{{$y}}b{{end}}", "b"),
        ("{{if .None}}a{{end}}{{if .Nil}}b{{end}}{{if 0.0}}c{{end}}{{if .Pair}}d{{end}}", "d"),
        ("{{if .True}}a", "error: template: t:1: unexpected EOF"),
        ("{{end}}", "error: template: t:1: unexpected {{end}}"),
        ("{{if .True}}a{{else}}b{{else}}c{{end}}", "error: template: t:1: expected end; found {{else}}"),
        ("{{if}}a{{end}}", "error: template: t:1: missing value for if"),
        ("{{with .Int}}{{else if .Int}}{{end}}", "error: template: t:1: unexpected <if> in input"),
    ]);
}

#[test]
fn ranges() {
    check(&[
        ("{{range .Strings}}<{{.}}>{{end}}", "<a><b><c d>"),
        ("{{range $i, $e := .Strings}}{{$i}}={{$e}};{{end}}", "0=a;1=b;2=c d;"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "alertname=Down;instance=db:9100;job=api;"),
        ("{{range .Map}}{{.}};{{end}}", "1;two;[z];"),
        ("{{range 3}}{{.}}{{end}}{{range $n := 2}}{{$n}}{{end}}", "01201"),
        (
            "{{range .None}}a{{else}}none{{end}}{{range .Nil}}a{{else}}nil{{end}}{{range 0}}{{else}}0{{end}}",
            "nonenil0",
        ),
        ("{{range $i, $e := .Strings}}{{if eq $i 1}}{{continue}}{{end}}{{.}}{{end}}", "ac d"),
        ("{{range .Strings}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}!", "a!"),
        ("{{range .Strings}}{{range 2}}{{if .}}{{break}}{{end}}x{{end}}{{.}}{{end}}", "xaxbxc d"),
        ("{{break}}", "error: template: t:1: {{break}} outside {{range}}"),
        (
            "{{range .Int}}{{define \"x\"}}{{end}}{{end}}",
            "error: template: t:1: unexpected <define> in command",
        ),
        (
            "{{range $a, $b := 3}}{{end}}",
            "error: template: t:1:18: executing \"t\" at <3>: can't use 3 to iterate over more than one variable",
        ),
        (
            "{{range .Float}}{{end}}",
            "error: template: t:1:8: executing \"t\" at <.Float>: range can't iterate over 3.25",
        ),
        ("{{range $a, $b, $c := .Map}}{{end}}", "error: template: t:1: too many declarations in range"),
    ]);
}

#[test]
fn templates_and_blocks() {
    check(&[
        ("{{define \"x\"}}[{{.}}]{{end}}{{template \"x\" .Int}}{{template \"x\"}}", "[42][<no value>]"),
        ("{{block \"x\" .Pair}}{{.Name}}{{end}}", "n"),
        ("{{define \"x\"}}{{$}}{{end}}{{$y := 1}}{{template \"x\" $y}}", "1"),
        ("{{define `x`}}a{{end}}{{template `x`}}", "a"),
        (
            "{{template \"none\"}}",
            "error: template: t:1:11: executing \"t\" at <{{template \"none\"}}>: template \"none\" not defined",
        ),
        (
            "{{define \"x\"}}\n  {{.Nope}}{{end}}{{template \"x\" .Pair}}",
            "error: template: t:2:4: executing \"x\" at <.Nope>: can't evaluate field Nope in type main.Pair",
        ),
        (
            "{{define \"x\"}}a{{end}}{{define \"x\"}}b{{end}}",
            "error: template: t:1: template: multiple definition of template \"x\"",
        ),
        ("{{template .Int}}", "error: template: t:1: unexpected \".Int\" in template clause"),
    ]);
}

#[test]
fn pipelines_and_operands() {
    check(&[
        ("{{\"output\" | printf \"%s\" | printf \"%q\"}}", "\"output\""),
        ("{{printf \"%d %s\" 1 (print \"a\" | printf \"%s%s\" \"b\")}}", "1 ba"),
        ("{{(index .Pairs 1).Name}}{{(.Pair).Value}}", "bv"),
        ("{{.KV.Get \"x\"}}{{\"y\" | .KV.Get}}{{.KV.Size}}{{.KV.x}}", "1221"),
        ("{{.Labels.nothing}}|{{.Map.nothing}}|{{.Nil}}|{{.Nil.a.b}}", "|<no value>|<no value>|<no value>"),
        ("{{call .KV.Join \"a\" .Str}}", "ahéllo <b>&\"'"),
        ("{{half 1e3}} {{twice 3}} {{count \"a\" \"b\" | printf \"%d\"}}", "500 6 2"),
        ("{{nil}}", "error: template: t:1:2: executing \"t\" at <nil>: nil is not a command"),
        ("{{1 | 2}}", "error: template: t:1: non executable command in pipeline stage 2"),
        ("{{nofunc 1}}", "error: template: t:1: function \"nofunc\" not defined"),
        ("{{1 2}}", "error: template: t:1:2: executing \"t\" at <1>: can't give argument to non-function 1"),
        (
            "{{.Int.x}}",
            "error: template: t:1:6: executing \"t\" at <.Int.x>: can't evaluate field x in type int",
        ),
        ("{{1.x}}", "error: template: t:1: bad number syntax: \"1.x\""),
        (
            "{{half \"x\"}}",
            "error: template: t:1:7: executing \"t\" at <\"x\">: expected integer; found \"x\"",
        ),
        ("{{upper 1}}", "error: template: t:1:8: executing \"t\" at <1>: expected string; found 1"),
        (
            "{{upper .Int}}",
            "error: template: t:1:8: executing \"t\" at <.Int>: wrong type for value; expected string; got int",
        ),
        (
            "{{upper}}",
            "error: template: t:1:2: executing \"t\" at <upper>: wrong number of args for upper: want 1 got 0",
        ),
        ("{{upper nil}}", "error: template: t:1:8: executing \"t\" at <nil>: cannot assign nil to string"),
        (
            "{{printf}}",
            "error: template: t:1:2: executing \"t\" at <printf>: wrong number of args for printf: want at least 1 got 0",
        ),
        (
            "{{call nil}}",
            "error: template: t:1:2: executing \"t\" at <call nil>: error calling call: call of nil",
        ),
        (
            "{{call .Int}}",
            "error: template: t:1:2: executing \"t\" at <call .Int>: error calling call: non-function .Int of type int",
        ),
    ]);
}

#[test]
fn logic_stops_early_and_comparison_wants_like_kinds() {
    check(&[
        ("{{and 1 0 (index .Strings 99)}}", "0"),
        ("{{or 0 \"x\" (index .Strings 99)}}", "x"),
        ("{{and 1 2}} {{or 0 \"\"}} {{not 0}} {{not .Nil}}", "2  true true"),
        (
            "{{eq 1 2 3 1}} {{eq \"a\" \"b\"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 2.5}}",
            "true false true true true true false",
        ),
        (
            "{{eq .Nil nil}} {{eq .Pair .Pair}} {{eq .Safe \"<i>safe</i>\"}} {{eq true true}}",
            "true true true true",
        ),
        (
            "{{eq .Float 3}}",
            "error: template: t:1:2: executing \"t\" at <eq .Float 3>: error calling eq: incompatible types for comparison: float64 and int",
        ),
        (
            "{{gt .Float 3}}",
            "error: template: t:1:2: executing \"t\" at <gt .Float 3>: error calling gt: incompatible types for comparison: float64 and int",
        ),
        (
            "{{lt true false}}",
            "error: template: t:1:2: executing \"t\" at <lt true false>: error calling lt: invalid type for comparison",
        ),
        (
            "{{eq 1}}",
            "error: template: t:1:2: executing \"t\" at <eq 1>: error calling eq: missing argument for comparison",
        ),
        (
            "{{eq .Strings .Strings}}",
            "error: template: t:1:2: executing \"t\" at <eq .Strings .Strings>: error calling eq: non-comparable type [a b c d]: []string",
        ),
    ]);
}

#[test]
fn len_index_and_slice() {
    check(&[
        ("{{len .Str}} {{len .Strings}} {{len .Labels}} {{len \"é\"}}", "13 3 3 2"),
        (
            "{{index .Strings 1}} {{index .Labels \"job\"}} {{index .Mixed 4 0}} {{index \"abc\" 1}}",
            "b api y 98",
        ),
        ("{{index .Labels \"no\"}}|{{index .Map \"no\"}}", "|<no value>"),
        (
            "{{slice .Strings 1}} {{slice .Strings 0 2}} {{slice \"abcdef\" 2 4}} {{slice .Strings 0 1 2}}",
            "[b c d] [a b] cd [a]",
        ),
        ("{{slice \"é\" 0 1}}", "\u{fffd}"),
        (
            "{{index .Strings 4}}",
            "error: template: t:1:2: executing \"t\" at <index .Strings 4>: error calling index: index out of range: 4",
        ),
        (
            "{{index .Strings \"a\"}}",
            "error: template: t:1:2: executing \"t\" at <index .Strings \"a\">: error calling index: cannot index slice/array with type string",
        ),
        (
            "{{index .Labels 1}}",
            "error: template: t:1:2: executing \"t\" at <index .Labels 1>: error calling index: value has type int; should be string",
        ),
        (
            "{{slice .Strings 2 1}}",
            "error: template: t:1:2: executing \"t\" at <slice .Strings 2 1>: error calling slice: invalid slice index: 2 > 1",
        ),
        (
            "{{slice \"abc\" 0 1 2}}",
            "error: template: t:1:2: executing \"t\" at <slice \"abc\" 0 1 2>: error calling slice: cannot 3-index slice a string",
        ),
        (
            "{{len 3}}",
            "error: template: t:1:2: executing \"t\" at <len 3>: error calling len: len of type int",
        ),
    ]);
}

#[test]
fn printing() {
    check(&[
        (
            "{{.Strings}} {{.Labels}} {{.Map}} {{.Pair}} {{.Pairs}} {{.Mixed}}",
            "[a b c d] map[alertname:Down instance:db:9100 job:api] map[a:1 b:two c:[z]] {n v} [{a 1} {b 2}] [1 x 2.5 true [y]]",
        ),
        (
            "{{.Big}} {{.Tiny}} {{.Float}} {{100000.0}} {{1e6}} {{1e20}} {{0.0001}} {{0.00001}}",
            "1.234567e+06 1.25e-05 3.25 100000 1e+06 1e+20 0.0001 1e-05",
        ),
        ("{{.Dur}} {{.KV.Time}}", "1.5µs 2023-11-14 22:13:20.12 +0000 UTC"),
        ("{{print 1 2 \"a\" \"b\" 3 4}}|{{println \"a\" 1}}", "1 2ab3 4|a 1\n"),
        (
            "{{html .Str}} {{js \"it's\\n\"}} {{urlquery .Link}}",
            "héllo &lt;b&gt;&amp;&#34;&#39; it\\'s\\u000A https%3A%2F%2Fx.org%2Fa+b%3Fq%3D1%26r%3D%C3%A9",
        ),
    ]);
}

#[test]
fn printf_verbs() {
    check(&[
        (
            "{{printf \"%d|%5d|%-5d|%05d|%+d|%x|%X|%#x|%o|%b|%c|%q|%U\" 42 42 42 42 42 42 42 42 42 42 42 42 42}}",
            "42|   42|42   |00042|+42|2a|2A|0x2a|52|101010|*|'*'|U+002A",
        ),
        (
            "{{printf \"%f|%.2f|%8.3f|%-8.1f|%e|%g|%G|%.3g|%+.1f|%06.1f\" 3.14159 3.14159 3.14159 3.14159 3.14159 3.14159 1e-10 1234567.0 2.5 -2.5}}",
            "3.141590|3.14|   3.142|3.1     |3.141590e+00|3.14159|1E-10|1.23e+06|+2.5|-002.5",
        ),
        (
            "{{printf \"%s|%10s|%-10s|%.2s|%q|%x|% x|%#q\" \"héllo\" \"a\" \"b\" \"héllo\" \"a\\\"b\" \"hi\" \"hi\" \"hi\"}}",
            "héllo|         a|b         |hé|\"a\\\"b\"|6869|68 69|`hi`",
        ),
        (
            "{{printf \"%t %v %T %T %%\" true .Strings .Labels 1.5}}",
            "true [a b c d] map[string]string float64 %",
        ),
        (
            "{{printf \"%#v %#v %+v\" .Strings .Pair .Pair}}",
            "[]string{\"a\", \"b\", \"c d\"} main.Pair{Name:\"n\", Value:\"v\"} {Name:n Value:v}",
        ),
        ("{{printf \"%*d|%-*d|%.*f\" 5 42 4 7 2 3.14159}}", "   42|7   |3.14"),
        ("{{printf \"%[2]d %[1]d\" 1 2}}", "2 1"),
        (
            "{{printf \"%d\" \"x\"}} {{printf \"%s\" 1}} {{printf \"%d\" 1.5}}",
            "%!d(string=x) %!s(int=1) %!d(float64=1.5)",
        ),
        (
            "{{printf \"%d\"}} {{printf \"a\" 1 \"b\"}} {{printf \"%\"}} {{printf \"%[5]d\" 1}} {{printf \"%z\" 1}}",
            "%!d(MISSING) a%!(EXTRA int=1, string=b) %!(NOVERB) %!d(BADINDEX) %!z(int=1)",
        ),
        (
            "{{printf \"%d %s\" .Strings .Mixed}}",
            "[%!d(string=a) %!d(string=b) %!d(string=c d)] [%!s(int=1) x %!s(float64=2.5) %!s(bool=true) [y]]",
        ),
        ("{{printf \"%v %d %s\" nil nil nil}}", "<nil> %!d(<nil>) %!s(<nil>)"),
        ("{{printf \"%.2f%%\" 99.5}}", "99.50%"),
    ]);
}

#[test]
fn what_a_missing_key_is() {
    let text = "{{.Labels.nothing}}|{{.Map.nothing}}";
    assert_eq!(render_with(text, MissingKey::Invalid).unwrap(), "<no value>|<no value>");
    assert_eq!(render_with(text, MissingKey::Zero).unwrap(), "|<no value>");
    let error = render_with(text, MissingKey::Error).unwrap_err();
    assert_eq!(error.reason(), "map has no entry for key \"nothing\"");
}

#[test]
fn errors_say_where() {
    for (text, stage, line, column, reason) in [
        ("ab\nüü {{.Nope}}", Stage::Execute, 2, 6, "can't evaluate field Nope in type main.Data"),
        ("\n\n{{if .Int}}", Stage::Parse, 3, 12, "unexpected EOF"),
        ("a\n{{.Int | nofunc}}", Stage::Parse, 2, 10, "function \"nofunc\" not defined"),
        ("{{\"abc}}", Stage::Parse, 1, 3, "unterminated quoted string"),
        ("{{/* a", Stage::Parse, 1, 3, "unclosed comment"),
        ("{{.Int\n\n", Stage::Parse, 3, 1, "unclosed action started at t:1"),
        ("{{(1}}", Stage::Parse, 1, 5, "unclosed left paren"),
        ("{{1)}}", Stage::Parse, 1, 4, "unexpected right paren"),
        ("{{$x ? 1}}", Stage::Parse, 1, 3, "undefined variable \"$x\""),
        ("{{1 € 2}}", Stage::Parse, 1, 5, "unrecognized character in action: U+20AC '€'"),
        ("{{0x}}", Stage::Parse, 1, 3, "illegal number syntax: \"0x\""),
        ("{{1i}}", Stage::Parse, 1, 3, "complex numbers are not supported: \"1i\""),
    ] {
        let error = render(text).unwrap_err();
        let got = (error.stage(), error.line(), error.column(), error.reason());
        assert_eq!(got, (stage, line, column, reason), "{text}");
    }
}

#[test]
fn numbers_at_the_edge() {
    check(&[
        ("{{printf \"%*d\" -9223372036854775808 1}}", "%!(BADWIDTH)1"),
        (
            "{{printf \"%d %x %U\" -9223372036854775808 -9223372036854775808 -1}}",
            "-9223372036854775808 -8000000000000000 U+FFFFFFFFFFFFFFFF",
        ),
        (
            "{{index .Strings -9223372036854775808}}",
            "error: template: t:1:2: executing \"t\" at <index .Strings -9223372036854775808>: error calling index: index out of range: -9223372036854775808",
        ),
        (
            "{{(.KV.Time.AddDate 9223372036854775807 9223372036854775807 9223372036854775807).Year}}",
            "error: template: t:1:6: executing \"t\" at <.KV.Time.AddDate>: error calling AddDate: time is outside of the calendar",
        ),
        ("{{(.KV.Time.Add 9223372036854775807).Year}} {{(.KV.Time.Sub .KV.Time).Abs}}", "2316 0s"),
        ("{{range -9223372036854775808}}x{{else}}none{{end}}", "none"),
    ]);
}

#[test]
fn sets_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<TemplateSet>();
    shared::<breakwatch_template::RuleTemplate>();
    shared::<breakwatch_template::Value>();
}

#[test]
fn a_later_file_replaces_definitions() {
    let mut set = TemplateSet::new(Arc::new(data::functions()));
    set.add("a.tmpl", "{{define \"x\"}}1{{end}}{{define \"y\"}}{{template \"x\"}}{{end}}").unwrap();
    set.add("b.tmpl", "{{define \"x\"}}2{{end}}{{define \"y\"}} {{end}}").unwrap();
    assert!(set.add("c.tmpl", "{{define \"x\"}}3{{end}}{{nofunc}}").is_err());
    let context = Context::at(Timestamp::from_secs(0));
    assert_eq!(set.render("y", &data::data(), Escaping::None, &context).unwrap(), "2");
    assert_eq!(set.names(), ["a.tmpl", "b.tmpl", "x", "y"]);
    let own = set.parse("t", "{{define \"x\"}}own{{end}}{{template \"x\"}}{{template \"y\"}}").unwrap();
    assert_eq!(set.render_template(&own, &data::data(), Escaping::None, &context).unwrap(), "ownown");
    let error = set.render("none", &data::data(), Escaping::None, &context).unwrap_err();
    assert_eq!(error.to_string(), "template: none: template \"none\" not defined");
}

#[test]
fn calls_of_templates_that_do_not_exist_are_found_at_load() {
    let mut set = TemplateSet::new(Arc::new(data::functions()));
    set.add("a.tmpl", "{{define \"x\"}}{{if 1}}{{else}}{{range 2}}{{template \"y\"}}{{end}}{{end}}{{end}}")
        .unwrap();
    let error = set.check_own_calls().unwrap_err();
    assert_eq!((error.reason(), error.line(), error.column()), ("template \"y\" not defined", 1, 53));
    set.add("b.tmpl", "{{define \"y\"}}{{end}}").unwrap();
    assert_eq!(set.check_own_calls(), Ok(()));
    let text = set
        .parse("t", "{{define \"own\"}}{{end}}{{template \"own\"}}{{template \"x\"}}{{block \"b\" .}}{{end}}")
        .unwrap();
    assert_eq!(set.check_calls(&text), Ok(()));
    let text = set.parse("t", "\n{{template \"none\" .}}").unwrap();
    assert_eq!(
        set.check_calls(&text).unwrap_err().to_string(),
        "template: t:2:11: executing \"t\" at <{{template \"none\" .}}>: template \"none\" not defined"
    );
}
