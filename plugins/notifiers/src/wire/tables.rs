//! The table of integrations is what documentation and the configuration's key check read: it must tell the truth.

use std::collections::BTreeSet;

use breakwatch_plugin_api::Diagnostics;

use super::{NOT_BUILT, NOTIFIERS};
use crate::testing::{context, map, text};

#[test]
fn kinds_are_named_once_and_as_alertmanager_names_them() {
    let mut seen = BTreeSet::new();
    for entry in NOTIFIERS {
        assert!(seen.insert(entry.key), "{} twice", entry.key);
        assert_eq!(entry.section, format!("{}_configs", entry.key));
        assert!(!entry.summary.is_empty() && entry.fields.iter().all(|field| !field.help.is_empty()));
    }
    assert!(NOT_BUILT.iter().all(|kind| seen.insert(kind)), "built and not built");
}

#[test]
fn documented_settings_are_exactly_those_that_are_read() {
    for entry in NOTIFIERS {
        let diagnostics = Diagnostics::new();
        // An unknown key far from all others makes the reader list those it knows.
        (entry.parse)(&map(vec![("zzzzzzzzzzzzzzzz", text("x"))]), &context(), &diagnostics);
        let findings = diagnostics.into_sorted();
        let help = findings.iter().find_map(|finding| finding.help.as_deref()?.strip_prefix("known keys: "));
        let mut known: BTreeSet<&str> = help.expect(entry.key).split(", ").collect();
        // The router's key, the same for every integration.
        assert!(known.remove("transitions"), "{} must let it pass", entry.key);
        let mut documented: BTreeSet<&str> = entry.fields.iter().map(|field| field.name).collect();
        if matches!(entry.key, "heartbeat") {
            documented.insert("send_resolved"); // Refused when true, and so not advertised.
        }
        if entry.key == "pagerduty" {
            documented.extend(["service_key", "service_key_file"]); // Known by name, to say what to use instead.
        }
        assert_eq!(known, documented, "{}", entry.key);
    }
}

#[test]
fn resolves_are_sent_as_alertmanager_sends_them() {
    let quiet: Vec<&str> = NOTIFIERS
        .iter()
        .filter(|entry| entry.fields.iter().any(|f| f.name == "send_resolved" && f.default == "false"))
        .map(|entry| entry.key)
        .collect();
    assert_eq!(quiet, ["slack", "email"]);
}
