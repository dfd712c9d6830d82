use super::*;

fn message(text: &str) -> String {
    parse(text).map_or_else(|error| error.to_string(), |expr| format!("parsed: {expr}"))
}

#[test]
fn errors_read_as_prometheus_words_them() {
    for (text, wanted) in [
        ("", "unknown position: parse error: no expression found in input"),
        (" # nothing", "1:1: parse error: no expression found in input"),
        ("foo{", "1:5: parse error: unexpected end of input inside braces"),
        ("foo{a", "1:6: parse error: unexpected end of input inside braces"),
        ("foo{a=}", "1:7: parse error: unexpected \"}\" in label matching, expected string"),
        ("foo{a}", "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator"),
        ("foo{,}", "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""),
        (
            "foo{a=\"b\" c=\"d\"}",
            "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\"",
        ),
        ("foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing closing ): `^(?s:()$`"),
        ("foo[5m", "1:7: parse error: unclosed left bracket"),
        (
            "foo[5m 1m]",
            "1:8: parse error: unexpected duration \"1m\" in subquery or range, expected \":\" or \"]\"",
        ),
        ("foo[0m]", "1:5: parse error: duration must be greater than 0"),
        ("(foo + bar)[5m]", "1:12: parse error: ranges only allowed for vector selectors"),
        ("foo offset 5m[5m]", "1:14: parse error: no offset modifiers allowed before range"),
        ("foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        ("foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"),
        (
            "1 offset 5m",
            "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector \
             selector or a subquery",
        ),
        ("sum(", "1:5: parse error: unclosed left parenthesis"),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        ("sum foo", "1:5: parse error: unexpected identifier \"foo\""),
        (
            "sum by foo (x)",
            "1:8: parse error: unexpected identifier \"foo\" in grouping opts, expected \"(\"",
        ),
        ("sum by (1) (x)", "1:9: parse error: unexpected number \"1\" in grouping opts, expected label"),
        ("sum(x +)", "1:8: parse error: unexpected \")\" in aggregation"),
        (
            "topk(x)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        (
            "sum(x[5m])",
            "1:5: parse error: expected type instant vector in aggregation expression, got range vector",
        ),
        ("nofunc(x)", "1:1: parse error: unknown function with name \"nofunc\""),
        ("abs(x,)", "1:6: parse error: trailing commas not allowed in function call args"),
        (
            "rate(x)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("rate(x[5m], 1)", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 2"),
        ("1 == 2", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("x + bool y", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("x and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"),
        ("x or on(a) group_left y", "1:1: parse error: no grouping allowed for \"or\" operation"),
        (
            "x + on(a) group_left(a) y",
            "1:3: parse error: label \"a\" must not occur in ON and GROUP clause at once",
        ),
        (
            "\"a\" + 1",
            "1:1: parse error: binary expression must contain only scalar and instant vector types",
        ),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("x{__name__=\"y\"}", "1:1: parse error: metric name must not be set twice: \"x\" or \"y\""),
        ("\"abc", "1:1: parse error: unterminated quoted string"),
        ("'\\q'", "1:1: parse error: unknown escape sequence U+0071 'q'"),
        ("x ~ y", "1:3: parse error: unexpected character: '~'"),
        (
            "x\n +\n y{\na=b}",
            "4:3: parse error: unexpected identifier \"b\" in label matching, expected string",
        ),
        ("(x))", "1:5: parse error: unexpected right parenthesis ')'"),
        ("1h1h", "1:1: parse error: not a valid duration string: \"1h1h\""),
        ("1 1", "1:3: parse error: unexpected number \"1\""),
    ] {
        assert_eq!(message(text), wanted, "{text}");
    }
}

#[test]
fn the_canonical_text_is_that_of_prometheus() {
    for (text, wanted) in [
        ("SUM(x) BY (a,\"b c\")", "sum by (a, \"b c\") (x)"),
        ("sum without () (x)", "sum without () (x)"),
        ("sum(x) by ()", "sum(x)"),
        ("-1^2", "-1 ^ 2"),
        ("2^-1", "2 ^ -1"),
        ("a{z=\"1\",b!~'x'}", "a{b!~\"x\",z=\"1\"}"),
        ("{__name__=\"up\"}", "{__name__=\"up\"}"),
        ("{\"my.metric\", a=\"b\"}", "{__name__=\"my.metric\",a=\"b\"}"),
        ("{'quo\"ted'=~\"x\"}", "{\"quo\\\"ted\"=~\"x\"}"),
        ("x[90s] offset -1h @ 1.5", "x[1m30s] @ 1.500 offset -1h"),
        ("x[1h:] @ end()", "x[1h:] @ end()"),
        ("x anchored", "x anchored"),
        ("rate(x[5m] smoothed offset 1m)", "rate(x[5m] smoothed offset 1m)"),
        ("x[step()*2 + 1m]", "x[step() * 2 + 1m]"),
        ("x offset -(1m+2m)", "x offset -(1m + 2m)"),
        ("a + on(x) group_left b", "a + on (x) group_left () b"),
        ("a == bool ignoring(x) fill(0) b", "a == bool ignoring (x) fill (0) b"),
        ("a + fill_right(1) fill_left(-2) b", "a + fill_left (-2) fill_right (1) b"),
        ("1e-7", "0.0000001"),
        ("5m", "5m"),
        ("-Inf", "-Inf"),
        ("label_replace(x, 'a', '$1', `b`, \"(.*)\")", "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)\")"),
    ] {
        assert_eq!(message(text), format!("parsed: {wanted}"), "{text}");
    }
}

#[test]
fn operators_bind_as_in_prometheus() {
    let shape = |text: &str| {
        let expr = parse(text).unwrap();
        let Expr::Binary(top) = &expr else { panic!("{text} is no operation") };
        (top.lhs.to_string(), top.op.to_string(), top.rhs.to_string())
    };
    let of = |a: &str, op: &str, b: &str| (a.to_owned(), op.to_owned(), b.to_owned());
    assert_eq!(shape("a + b * c"), of("a", "+", "b * c"));
    assert_eq!(shape("a * b + c"), of("a * b", "+", "c"));
    assert_eq!(shape("a - b - c"), of("a - b", "-", "c"));
    assert_eq!(shape("a ^ b ^ c"), of("a", "^", "b ^ c"));
    assert_eq!(shape("a or b and c"), of("a", "or", "b and c"));
    assert_eq!(shape("a and b unless c"), of("a and b", "unless", "c"));
    assert_eq!(shape("a > b + c"), of("a", ">", "b + c"));
    assert_eq!(shape("-a * b"), of("-a", "*", "b"));
    assert_eq!(shape("a atan2 b * c"), of("a atan2 b", "*", "c"));
    assert_eq!(message("-a ^ b"), "parsed: -a ^ b");
    assert!(matches!(parse("-a ^ b"), Ok(Expr::Unary(_))));
}

#[test]
fn keywords_can_name_metrics_and_labels() {
    for text in
        ["by", "offset", "and", "sum", "start", "step", "anchored", "smoothed", "fill", "topk{a=\"b\"}"]
    {
        assert_eq!(message(text), format!("parsed: {text}"));
    }
    assert_eq!(message("sum by (sum, on, bool) (by)"), "parsed: sum by (sum, on, bool) (by)");
    assert_eq!(message("fill + fill(1) fill"), "parsed: fill + fill (1) fill");
    for text in ["on", "ignoring", "bool", "group_left", "atan2"] {
        assert!(message(text).starts_with("1:1: parse error: unexpected <"), "{text}");
    }
}

#[test]
fn selectors_for_the_api() {
    let matchers = parse_selector("up{job=\"a\"}").unwrap();
    assert_eq!(
        matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["job=\"a\"", "__name__=\"up\""]
    );
    for bad in ["up[5m]", "up offset 5m", "{}", "{a=\"\"}", "sum(up)", "1", ""] {
        assert!(parse_selector(bad).is_err(), "{bad}");
    }
}

#[test]
fn experimental_syntax_can_be_refused() {
    let options = ParseOptions { experimental: false, ..ParseOptions::default() };
    for (text, wanted) in [
        ("mad_over_time(x[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled"),
        ("x[1m+1m]", "1:3: parse error: experimental duration expression is not enabled"),
        ("x anchored", "1:1: parse error: anchored modifier is experimental and not enabled"),
        ("a + fill(0) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
        (
            "limitk(2, x)",
            "1:1: parse error: limitk() is experimental and must be enabled with \
             --enable-feature=promql-experimental-functions",
        ),
    ] {
        assert_eq!(parse_with(text, &options).unwrap_err().to_string(), wanted);
        assert!(parse(text).is_ok());
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let depth = ParseOptions::DEFAULT_MAX_DEPTH;
    for (open, close) in [("(", ")"), ("-(", ")"), ("abs(", ")"), ("sum(", ")"), ("1^", ""), ("x+(", ")")] {
        let nested = |times: usize| format!("{}x{}", open.repeat(times), close.repeat(times));
        assert!(parse(&nested(depth / 3)).is_ok(), "{open}");
        let error = parse(&nested(20_000)).unwrap_err().to_string();
        assert!(error.contains("nested too deeply"), "{open}: {error}");
    }
    for nested in ["x[1m:1m]", "x[1m+"] {
        let (first, rest) = nested.split_at(1);
        assert!(parse(&format!("{first}{}", rest.repeat(10_000))).is_err());
    }
    let long = "x".repeat(ParseOptions::DEFAULT_MAX_LENGTH + 1);
    assert!(parse(&long).unwrap_err().to_string().contains("at most"));
}

#[test]
fn a_long_chain_of_operators_is_no_depth() {
    let text = format!("1{}", "+1".repeat(20_000));
    let expr = parse(&text).unwrap();
    assert_eq!(expr.to_string().len(), "1".len() + 20_000 * " + 1".len());
    assert_eq!(expr.value_type(), crate::ast::ValueType::Scalar);
    let mixed = format!("x{}", " * 2 + y > bool 1 or z".repeat(2000));
    assert_eq!(parse(&mixed).unwrap().selectors().len(), 4001);
}
