//! What the writers write, read by an independent strict reader, by Prometheus' own `promtool`, and by the
//! Prometheus client's parser for Python where it is installed.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests may be blunt")]

mod lines;
mod output;
mod peers;
mod reader;
mod rules;

use breakwatch_sim::conformance;

/// Whether the case is about something neither format of ours has: quoted names, native histograms.
fn beyond(input: &str) -> bool {
    input.contains("{\"")
        || input.contains(" \"") && input.starts_with("# TYPE \"")
        || input.contains("{count:")
}

/// The reader itself is judged by other projects' cases, so that its word counts.
#[test]
fn the_reader_agrees_with_other_projects() {
    let Some(path) = conformance("exposition/cases.jsonl") else { return };
    let cases = std::fs::read_to_string(path).expect("readable");
    let (mut judged, mut wrong) = (0, Vec::new());
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("JSON");
        // Input that is not UTF-8 cannot even become a `str`.
        let Some(input) = case["input"].as_str() else { continue };
        let want_ok = case["want"] == "ok" && case["python"] == "ok";
        if case["want"] == "ok" && (beyond(input) || case["python"] != "ok") {
            continue;
        }
        judged += 1;
        let read = if case["format"] == "om" { reader::openmetrics(input) } else { reader::text(input) };
        if read.is_ok() != want_ok {
            wrong.push(format!("{} want ok={want_ok}: {input:?}: {:?}", case["id"], read.err()));
        }
    }
    assert!(judged > 250, "only {judged} cases");
    assert!(wrong.is_empty(), "{} of {judged}:\n{}", wrong.len(), wrong.join("\n"));
}
