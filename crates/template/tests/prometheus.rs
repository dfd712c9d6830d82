//! Labels and annotations of rules as Prometheus expands them, from its documentation.

#![allow(clippy::unwrap_used, reason = "tests may be blunt")]

use breakwatch_model::{Labels, Timestamp};
use breakwatch_template::{Context, QuerySample, RuleData, RuleTemplate, expand_rule_text};

fn labels() -> Labels {
    Labels::from_pairs([("alertname", "A"), ("instance", "localhost:3000"), ("job", "api")])
}

fn samples(query: &str) -> Result<Vec<QuerySample>, String> {
    let sample = |instance: &'static str, value| QuerySample {
        labels: Labels::from_pairs([("__name__", "metric"), ("instance", instance)]),
        value,
    };
    match query {
        "metric" => Ok(vec![sample("b", 11.0), sample("a", 21.0)]),
        "none" => Ok(Vec::new()),
        _ => Err(format!("parse error: {query}")),
    }
}

fn expand(text: &str, value: f64) -> String {
    let context = Context {
        external_url: "http://bw.example:9475/prefix",
        query: Some(&samples),
        ..Context::at(Timestamp(1_700_000_000_123))
    };
    let external = Labels::from_pairs([("region", "eu")]);
    match expand_rule_text("A", text, &labels(), &external, value, &context) {
        Ok(text) => text,
        Err(error) => format!("error: {}", error.reason()),
    }
}

fn check(cases: &[(&str, f64, &str)]) {
    for (text, value, want) in cases {
        assert_eq!(expand(text, *value), *want, "{text}");
    }
}

#[test]
fn labels_and_values() {
    check(&[
        ("no template }}", 0.0, "no template }}"),
        (
            "{{ $labels.instance }} of {{ $labels.job }} is at {{ $value }}",
            1e6,
            "localhost:3000 of api is at 1e+06",
        ),
        (
            "{{ .Labels.job }} {{ .Value }} {{ $externalLabels.region }} {{ .ExternalLabels.region }}",
            0.5,
            "api 0.5 eu eu",
        ),
        (
            "{{ $externalURL }} {{ .ExternalURL }} {{ externalURL }} {{ pathPrefix }}",
            0.0,
            "http://bw.example:9475/prefix http://bw.example:9475/prefix http://bw.example:9475/prefix /prefix",
        ),
        // A missing label is empty, not <no value>.
        ("[{{ $labels.missing }}] {{ $labels.a.b }}", 0.0, "error: can't evaluate field b in type string"),
        ("[{{ $labels.missing }}]{{ if $labels.missing }}x{{ end }}", 0.0, "[]"),
        (
            "{{ $.labels.service }}",
            0.0,
            "error: can't evaluate field labels in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }",
        ),
        ("{{ printf \"%.1f\" $value }}% {{ $value | printf \"%.2f%%\" }}", 93.14, "93.1% 93.14%"),
        ("{{ if gt $value 0.9 }}high{{ else }}ok{{ end }}", 0.95, "high"),
        (
            "{{ $value | humanizePercentage }} {{ with $labels.job }}{{ . | toUpper }}{{ end }}",
            0.1234567,
            "12.35% API",
        ),
    ]);
}

#[test]
fn humanize() {
    check(&[
        ("{{ humanize $value }}", 1_234_567.0, "1.235M"),
        ("{{ humanize $value }}", -1234.5, "-1.234k"),
        ("{{ humanize $value }}", 0.0, "0"),
        ("{{ humanize $value }}", 0.000_012_34, "12.34u"),
        ("{{ humanize $value }}", 999.96, "1000"),
        ("{{ humanize \"nan\" }} {{ humanize \"+Inf\" }} {{ humanize \"-Inf\" }}", 0.0, "NaN +Inf -Inf"),
        ("{{ humanize1024 $value }}", 1_048_576.0, "1Mi"),
        ("{{ humanize1024 $value }}", 1500.0, "1.465ki"),
        ("{{ humanizeDuration $value }}", 899.99, "14m 59s"),
        ("{{ humanizeDuration $value }}", 86_400.0, "1d 0h 0m 0s"),
        ("{{ humanizeDuration $value }}", -3661.0, "-1h 1m 1s"),
        (
            "{{ humanizeDuration $value }} {{ humanizeDuration 0 }} {{ humanizeDuration 59.999 }}",
            0.1234,
            "123.4ms 0s 60s",
        ),
        ("{{ humanizePercentage \"0.1234567\" }}", 0.0, "12.35%"),
        ("{{ humanizeTimestamp $value }}", 1_435_065_584.128, "2015-06-23 13:19:44.128 +0000 UTC"),
        (
            "{{ humanize \"x\" }}",
            0.0,
            "error: error calling humanize: strconv.ParseFloat: parsing \"x\": invalid syntax",
        ),
        ("{{ humanize true }}", 0.0, "error: error calling humanize: can't convert bool to float"),
        (
            "{{ humanizeTimestamp 1e30 }}",
            0.0,
            "error: error calling humanizeTimestamp: 1e+30 cannot be represented as a nanoseconds timestamp since it overflows int64",
        ),
    ]);
}

#[test]
fn times() {
    check(&[
        (
            "{{ (toTime $value).Format \"2006-01-02 15:04\" }} {{ (toTime $value).Year }}",
            1_435_065_584.0,
            "2015-06-23 13:19 2015",
        ),
        ("{{ toDuration 3661.5 }} {{ (toDuration 90).Minutes }}", 0.0, "1h1m1.5s 1.5"),
        ("{{ now | printf \"%.3f\" }} {{ (now | toTime).UTC.Hour }}", 0.0, "1700000000.123 22"),
        (
            "{{ parseDuration \"1h30m\" }} {{ parseDuration \"-1d\" }} {{ parseDuration \"0\" }}",
            0.0,
            "5400 -86400 0",
        ),
        (
            "{{ parseDuration \"1m1h\" }}",
            0.0,
            "error: error calling parseDuration: not a valid duration string: \"1m1h\"",
        ),
        (
            "{{ parseDuration \"1x\" }}",
            0.0,
            "error: error calling parseDuration: unknown unit \"x\" in duration \"1x\"",
        ),
        ("{{ parseDuration \"\" }}", 0.0, "error: error calling parseDuration: empty duration string"),
        ("{{ parseDuration \"300y\" }}", 0.0, "error: error calling parseDuration: duration out of range"),
    ]);
}

#[test]
fn queries() {
    check(&[
        ("{{ query \"metric\" | first | value }}", 0.0, "11"),
        ("{{ query \"metric\" | sortByLabel \"instance\" | first | label \"instance\" }}", 0.0, "a"),
        ("{{ range query \"metric\" }}{{ .Labels.instance }}={{ .Value }} {{ end }}", 0.0, "b=11 a=21 "),
        ("{{ with query \"none\" }}some{{ else }}none{{ end }} {{ len (query \"none\") }}", 0.0, "none 0"),
        ("{{ query \"metric\" | first | strvalue }}|", 0.0, "|"),
        ("{{ (index (query \"metric\") 1).Labels.instance }}", 0.0, "a"),
        (
            "{{ query \"none\" | first }}",
            0.0,
            "error: error calling first: first() called on vector with no elements",
        ),
        ("{{ query \"sum(\" }}", 0.0, "error: error calling query: parse error: sum("),
        ("{{ query $value }}", 1.0, "error: wrong type for value; expected string; got float64"),
    ]);
}

#[test]
fn strings_and_links() {
    check(&[
        (
            "{{ title \"aa bB CC don't\" }} {{ toUpper \"aé\" }} {{ toLower \"AÉ\" }}",
            0.0,
            "Aa BB CC Don't AÉ aé",
        ),
        (
            "{{ match \"a+\" $labels.job }} {{ reReplaceAll \"localhost:(.*)\" \"my.domain:$1\" $labels.instance }}",
            0.0,
            "true my.domain:3000",
        ),
        (
            "{{ graphLink \"sum(up) by (job)\" }} {{ tableLink \"up\" }}",
            0.0,
            "/graph?g0.expr=sum%28up%29+by+%28job%29&g0.tab=0 /graph?g0.expr=up&g0.tab=1",
        ),
        (
            "{{ stripPort $labels.instance }} {{ stripDomain \"db.example.org:80\" }} {{ urlQueryEscape \"a b&c\" }}",
            0.0,
            "localhost db:80 a+b%26c",
        ),
        (
            "{{ define \"x\" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template \"x\" (args $labels.job $value) }}",
            2.0,
            "api-2",
        ),
        ("{{ safeHtml \"<b>\" }}", 0.0, "<b>"),
        (
            "{{ reReplaceAll \"(\" \"\" \"a\" }}",
            0.0,
            "error: error calling reReplaceAll: error parsing regexp: missing closing ): `(`",
        ),
    ]);
}

#[test]
fn unknown_names_are_errors_at_load() {
    for (text, want, column) in [
        ("{{ $label.foo }}", "template: __alert_A:1: undefined variable \"$label\"", 4),
        ("ab {{ nofunc $value }}", "template: __alert_A:1: function \"nofunc\" not defined", 7),
        // Consoles have it, rules do not.
        ("{{ tmpl \"x\" . }}", "template: __alert_A:1: function \"tmpl\" not defined", 4),
    ] {
        let error = RuleTemplate::parse("A", text).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.column()), (want, column));
    }
}

/// The annotation then holds the error, positions counted behind Prometheus' prelude of 112 bytes.
#[test]
fn an_error_takes_the_place_of_the_text() {
    let template = RuleTemplate::parse("A", "{{ .Nope }}").unwrap();
    let data = RuleData::new(&labels(), &Labels::empty(), "", 1.0.into());
    let (text, error) = template.expand_or_error(&data, &Context::at(Timestamp(0)));
    assert!(text.starts_with(
        "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing \"__alert_A\" at \
         <.Nope>: can't evaluate field Nope in type struct { Labels"
    ), "{text}");
    assert_eq!(error.unwrap().column(), 4);
}
