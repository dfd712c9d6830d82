//! What a rule file may say, and what is said about one that may not.

use breakwatch_plugin_api::Diagnostics;
use breakwatch_promql::{Engine, EngineOptions};

use super::sim::file;
use crate::rules::{RuleConfig, RuleFile, duplicates};
use crate::testing::{findings, node};

fn errors(text: &str) -> Vec<String> {
    let diagnostics = Diagnostics::new();
    let engine = Engine::new(EngineOptions::default());
    let file = RuleFile::read("rules.yml", &node(text), &engine, &diagnostics);
    assert_eq!(file.is_none(), diagnostics.has_errors());
    findings(diagnostics)
}

#[test]
fn every_field_is_read() {
    let file = file(
        "
groups:
  - name: g
    interval: 15s
    query_offset: 5s
    limit: 10
    labels: { a: group, b: group }
    rules:
      - alert: A
        expr: up == 0
        for: 1m
        keep_firing_for: 2m
        labels: { b: rule }
        annotations: { summary: 'x {{ $value | humanize }}' }
      - { record: 'job:x:sum', expr: 1, labels: { c: d } }
",
    );
    let group = &file.groups[0];
    assert_eq!(
        (group.interval.unwrap().as_secs(), group.query_offset.unwrap().as_secs(), group.limit),
        (15, 5, 10)
    );
    let RuleConfig::Alert(rule) = &group.rules[0] else { panic!() };
    assert_eq!((rule.hold.as_secs(), rule.keep_firing_for.as_secs()), (60, 120));
    assert_eq!(group.rules[0].labels().to_string(), r#"{a="group", b="rule"}"#);
    assert_eq!(group.rules[1].labels().to_string(), r#"{a="group", b="group", c="d"}"#);
    assert_eq!(duplicates(&file), []);
}

#[test]
fn mistakes_are_named_at_their_place() {
    for (text, expected) in [
        ("groups: [ { name: '' } ]", "test.yml:1:19: groups[0].name: Groupname must not be empty"),
        ("groups: [ { name: a }, { name: a } ]", "groupname: \"a\" is repeated in the same file"),
        (
            "groups: [ { name: a, rules: [ { alert: x, record: y, expr: 1 } ] } ]",
            "only one of 'record' and 'alert' must be set",
        ),
        (
            "groups: [ { name: a, rules: [ { expr: 1 } ] } ]",
            "group \"a\", rule 1, \"\": one of 'record' or 'alert' must be set",
        ),
        ("groups: [ { name: a, rules: [ { alert: x } ] } ]", "field 'expr' must be set in rule"),
        (
            "groups: [ { name: a, rules: [ { record: x, expr: 1, for: 1m } ] } ]",
            "invalid field 'for' in recording rule",
        ),
        (
            "groups: [ { name: a, rules: [ { record: x, expr: 1, annotations: {a: b} } ] } ]",
            "invalid field 'annotations' in recording rule",
        ),
        (
            "groups: [ { name: a, rules: [ { record: 'x{a=\"b\"}', expr: 1 } ] } ]",
            "braces present in the recording rule name",
        ),
        (
            "groups: [ { name: a, rules: [ { alert: x, expr: 'test +' } ] } ]",
            "could not parse expression: 1:7: parse error",
        ),
        (
            "groups: [ { name: a, rules: [ { alert: x, expr: 1, annotation: {a: b} } ] } ]",
            "unknown key `annotation` (did you mean `annotations`?)",
        ),
        (
            "groups: [ { name: a, rules: [ { alert: x, expr: 1, labels: {__name__: b} } ] } ]",
            "invalid label name: __name__",
        ),
        (
            "groups: [ { name: a, rules: [ { alert: x, expr: 1, annotations: {s: '{{ $label.x }}'} } ] } ]",
            "annotation \"s\"",
        ),
        (
            "groups: [ { name: a, rules: [ { alert: x, expr: 1, annotations: {s: '{{ nope 1 }}'} } ] } ]",
            "nope",
        ),
        ("groups: [ { name: a, interval: soon } ]", "expected a duration"),
        ("groups: [ { name: a, limit: many } ]", "expected a whole number"),
        ("rules: []", "unknown key `rules`"),
    ] {
        let found = errors(text).join("\n");
        assert!(found.contains(expected) && found.starts_with("test.yml:1:"), "{text}\n{found}");
    }
    assert_eq!(errors("{}"), [""; 0]);
    assert_eq!(errors("groups: []"), [""; 0]);
}

#[test]
fn duplicates_are_found() {
    let file = file(
        "
groups:
  - { name: a, rules: [ { alert: x, expr: 1, labels: {l: v} }, { record: x, expr: 1 } ] }
  - { name: b, rules: [ { alert: x, expr: 2, labels: {l: v} } ] }
",
    );
    let found = duplicates(&file);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].places.len()), ("x", 2));
}
