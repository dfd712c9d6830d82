//! The protocol against what real plugins print.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::range::Range;
use super::*;
use crate::command::Capture;
use crate::text::sanitize;

fn stdout(sample: &Value) -> Vec<u8> {
    if let Some(encoded) = sample["stdout_b64"].as_str() {
        return STANDARD.decode(encoded).unwrap();
    }
    if sample["stdout_gen"].is_string() {
        return [vec![b'A'; 1_048_576], b" | t=1\n".to_vec()].concat();
    }
    sample["stdout"].as_str().unwrap().as_bytes().to_vec()
}

fn shown(perfdata: &Perfdata) -> Value {
    let range = |range: &Option<Range>| range.as_ref().map_or("", |range| range.text.as_str()).to_owned();
    let Perfdata { label, value, unit, warn, crit, min, max } = perfdata;
    serde_json::json!([label, value, unit, range(warn), range(crit), min, max])
}

/// Numbers compare as numbers: the data holds both 1 and 1.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => match (a.as_array(), b.as_array()) {
            (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            _ => a == b,
        },
    }
}

fn status(result: &Result<(), CheckFailure>, rec: &Recorder) -> &'static str {
    match result {
        Ok(()) if rec.degraded.is_some() => "WARNING",
        Ok(()) => "OK",
        Err(failure) if failure.reason == FailureReason::Internal => "UNKNOWN",
        Err(_) => "CRITICAL",
    }
}

#[tokio::test]
async fn every_recorded_output_is_understood() {
    let Some(path) = breakwatch_sim::conformance("nagios/samples.jsonl") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let samples: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(samples.len() >= 40, "{} samples", samples.len());
    for sample in &samples {
        let id = sample["id"].as_str().unwrap();
        let capture = Capture::new(64 * 1024);
        capture.drain(stdout(sample).as_slice()).await;
        let output = sanitize(&capture.look().kept);
        let mut rec = Recorder::default();
        let code = i32::try_from(sample["rc"].as_i64().unwrap()).unwrap();
        let result = judge(code, &output, sample["stderr"].as_str().unwrap_or(""), &mut rec);
        assert_eq!(status(&result, &rec), sample["status"].as_str().unwrap(), "{id}");
        let found: Value = Output::parse(&output).perfdata.iter().map(shown).collect();
        if sample["perfdata"].is_array() {
            assert!(same(&found, &sample["perfdata"]), "{id}: {found} against {}", sample["perfdata"]);
        }
        for text in [format!("{result:?}"), rec.evidence.to_string()] {
            assert!(!text.chars().any(|c| c.is_control()), "{id}: {text:?}");
        }
    }
}

#[test]
fn the_samples_without_a_fixed_answer_are_read_sensibly() {
    let perfdata = |bytes: &[u8]| -> Vec<(String, f64)> {
        Output::parse(&sanitize(bytes)).perfdata.into_iter().map(|data| (data.label, data.value)).collect()
    };
    assert_eq!(perfdata(b"OK | a=1,5s\n"), [("a".to_owned(), 1.5)], "a decimal comma is never 15");
    assert_eq!(perfdata(b"OK\0hidden | t=1\0\n"), [("t".to_owned(), 1.0)]);
    assert_eq!(perfdata(b"CRIT\r\nBcc: victim@example.invalid\r\n\r\nbody | t=1\n"), [("t".to_owned(), 1.0)]);
}

#[test]
fn multi_line_outputs_have_three_parts() {
    let output = Output::parse(
        "DISK OK | /=2643MB;5948\n/ 15272 MB\n/boot 68 MB | /boot=68MB;88\n/home=69357MB /=9\n",
    );
    assert_eq!(output.text, "DISK OK");
    assert_eq!(output.long_text, "/ 15272 MB\n/boot 68 MB");
    let labels: Vec<&str> = output.perfdata.iter().map(|data| data.label.as_str()).collect();
    assert_eq!(labels, ["/", "/boot", "/home"], "a label that comes again is not a second series");
}

#[test]
fn perfdata_becomes_series_in_base_units() {
    let mut rec = Recorder::default();
    judge(0, "OK | t=20ms;100:;~:500;0;1000 'disk used'=50%;80", "", &mut rec).unwrap();
    let series: Vec<String> = rec
        .families
        .iter()
        .flat_map(|family| {
            family.points.iter().map(|point| format!("{} {}", family.series_labels(point), point.value))
        })
        .collect();
    assert_eq!(
        series,
        [
            r#"breakwatch_command_perfdata{label="t", unit="seconds"} 0.02"#,
            r#"breakwatch_command_perfdata{label="disk used", unit="ratio"} 0.5"#,
            r#"breakwatch_command_perfdata_warn{bound="start", label="t", unit="seconds"} 0.1"#,
            r#"breakwatch_command_perfdata_warn{bound="end", label="disk used", unit="ratio"} 0.8"#,
            r#"breakwatch_command_perfdata_crit{bound="end", label="t", unit="seconds"} 0.5"#,
            r#"breakwatch_command_perfdata_min{label="t", unit="seconds"} 0"#,
            r#"breakwatch_command_perfdata_max{label="t", unit="seconds"} 1"#,
        ]
    );
}

#[test]
fn messages_carry_the_plugins_words() {
    let judged = |code, out: &str, err: &str| {
        let mut rec = Recorder::default();
        let failure = judge(code, out, err, &mut rec).err().or(rec.degraded).unwrap();
        failure.to_string()
    };
    assert_eq!(judged(2, "CRITICAL: down | t=1", ""), "CRITICAL: down (status)");
    assert_eq!(judged(1, "", ""), "WARNING (exit code 1), without a word (status)");
    assert_eq!(judged(3, "", "usage: check_x -H host\n"), "usage: check_x -H host (internal)");
    assert_eq!(judged(42, "weird", ""), "exit code 42 is none of Nagios': weird (internal)");
}
