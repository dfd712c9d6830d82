//! The functions of Alertmanager's notification templates, from its documentation.

#![allow(clippy::unwrap_used, reason = "tests may be blunt")]

use std::sync::Arc;

use breakwatch_model::Timestamp;
use breakwatch_template::{Context, Escaping, Functions, TemplateSet, Value};

fn render(text: &str) -> String {
    let set = TemplateSet::new(Arc::new(Functions::alertmanager()));
    let data = Value::map([
        ("at", Value::from(Timestamp(1_700_000_000_120))),
        ("names", Value::strings(["a", "b"])),
        ("text", "  some Text ".into()),
    ]);
    match set.render_text("t", text, &data, Escaping::None, &Context::at(Timestamp(1_700_003_661_120))) {
        Ok(text) => text,
        Err(error) => format!("error: {}", error.reason()),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, want) in cases {
        assert_eq!(render(text), *want, "{text}");
    }
}

#[test]
fn strings() {
    check(&[
        (
            "{{ toUpper .text }}|{{ toLower .text }}|{{ title .text }}|{{ trimSpace .text }}",
            "  SOME TEXT |  some text |  Some Text |some Text",
        ),
        (
            "{{ title \"don't STOP foo_bar foo.bar foo-bar 3com ÉA\" }}",
            "Don't Stop Foo_bar Foo.bar Foo-Bar 3Com Éa",
        ),
        ("{{ toUpper \"ß\" }} {{ toLower \"İ\" }}", "ß i"),
        ("{{ join \",\" .names }} {{ stringSlice \"x\" \"y\" | join \"-\" }}", "a,b x-y"),
        (
            "{{ match \"^s.*t$\" (trimSpace .text) }} {{ reReplaceAll \"(s)(o)\" \"$2$1\" .text }}",
            "true   osme Text ",
        ),
        ("{{ safeHtml \"<b>\" }} {{ safeUrl \"x:y\" }}", "<b> x:y"),
        ("{{ urlUnescape \"a%20b+c%C3%A9\" }}", "a b cé"),
        ("{{ urlUnescape \"a%zz\" }}", "error: error calling urlUnescape: invalid URL escape \"%zz\""),
        ("{{ base64encode \"a?>é\" }} {{ base64decode \"YT8-w6k=\" }}", "YT8-w6k= a?>é"),
        (
            "{{ base64decode \"YQ\" }}",
            "error: error calling base64decode: illegal base64 data at input byte 0",
        ),
        ("{{ join \",\" .text }}", "error: wrong type for value; expected []string; got string"),
    ]);
}

#[test]
fn times() {
    check(&[
        ("{{ .at | date \"2006-01-02T15:04:05.000Z07:00\" }}", "2023-11-14T22:13:20.120Z"),
        ("{{ .at | date \"Mon Jan _2 15:04:05 MST 2006\" }}", "Tue Nov 14 22:13:20 UTC 2023"),
        (
            "{{ .at | date \"Monday, January 2 06 3:04PM .999 pm 002 -0700\" }}",
            "Tuesday, November 14 23 10:13PM .12 pm 318 +0000",
        ),
        (
            "{{ .at | tz \"Europe/Paris\" | date \"15:04 MST -07:00 Z0700\" }} {{ tz \"Asia/Kolkata\" .at }}",
            "23:13 CET +01:00 +0100 2023-11-15 03:43:20.12 +0530 IST",
        ),
        ("{{ tz \"No/Where\" .at }}", "error: error calling tz: unknown time zone No/Where"),
        ("{{ tz \"../etc/passwd\" .at }}", "error: error calling tz: time: invalid location name"),
        (
            "{{ since .at }} {{ since .at | humanizeDuration }} {{ (since .at).Minutes | printf \"%.1f\" }}",
            "1h1m1s 1h 1m 1s 61.0",
        ),
        (
            "{{ now }} {{ (.at.Add 28800e9).Format \"2006-01-02 15:04:05\" }}",
            "2023-11-14 23:14:21.12 +0000 UTC 2023-11-15 06:13:20",
        ),
        (
            "{{ .at.Unix }} {{ .at.UnixMilli }} {{ .at.Weekday }} {{ .at.Month }} {{ .at.YearDay }} {{ .at.Before now }} {{ (now.Sub .at).Seconds }}",
            "1700000000 1700000000120 Tuesday November 318 true 3661",
        ),
        (
            "{{ (.at.AddDate 0 3 15).Format \"2006-01-02\" }} {{ (.at.Truncate 3600000000000).Format \"15:04\" }} {{ (.at.Round 60000000000).Minute }}",
            "2024-02-29 22:00 13",
        ),
        (
            "{{ toDate \"2006-01-02 15:04\" \"2024-02-29 13:14\" }} {{ (toDate \"2006-01-02\" \"x\").IsZero }}",
            "2024-02-29 13:14:00 +0000 UTC true",
        ),
        (
            "{{ mustToDate \"02 Jan 06 15:04 -0700\" \"03 Feb 24 01:02 +0530\" }}",
            "2024-02-03 01:02:00 +0530 +0530",
        ),
        (
            "{{ mustToDate \"2006-01-02\" \"2024-02-30\" }}",
            "error: error calling mustToDate: parsing time \"2024-02-30\": day out of range",
        ),
        (
            "{{ mustToDate \"2006-01-02\" \"2024-2-30\" }}",
            "error: error calling mustToDate: parsing time \"2024-2-30\" as \"2006-01-02\": cannot parse \"2-30\" as \"01\"",
        ),
        (
            "{{ printf \"%#v\" (tz \"Europe/Paris\" .at) }}",
            "time.Date(2023, time.November, 14, 23, 13, 20, 120000000, time.Location(\"Europe/Paris\"))",
        ),
        (
            "{{ mustToDate \"2006\" \"2024x\" }}",
            "error: error calling mustToDate: parsing time \"2024x\": extra text: \"x\"",
        ),
    ]);
}

#[test]
fn structures() {
    check(&[
        (
            "{{ $l := list 1 \"a\" 2.5 }}{{ $l = append $l true }}{{ $l }} {{ toJson $l }} {{ len (list) }}",
            "[1 a 2.5 true] [1,\"a\",2.5,true] 0",
        ),
        (
            "{{ $d := dict \"b\" 2 \"a\" (list 1) }}{{ $d }} {{ $d.a }} {{ toJson $d }} {{ $d.none }}",
            "map[a:[1] b:2] [1] {\"a\":[1],\"b\":2} <no value>",
        ),
        (
            "{{ toJson .names }} {{ toJson .at }} {{ toJson \"<é\\u2028>\" }} {{ toJson nil }}",
            "[\"a\",\"b\"] \"2023-11-14T22:13:20.12Z\" \"\\u003cé\\u2028\\u003e\" null",
        ),
        ("{{ dict \"a\" }}", "error: error calling dict: dict requires an even number of arguments"),
        ("{{ dict 1 2 }}", "error: error calling dict: dict keys must be strings"),
        ("{{ append \"a\" 1 }}", "error: can't handle \"a\" for arg of type []interface {}"),
        ("{{ humanizeDuration 3661 }} {{ humanizeDuration \"0.05\" }}", "1h 1m 1s 50ms"),
    ]);
}
