//! Random templates against Go itself: the same text on the same data must give the same output or the same error.
//!
//! Needs Go 1.26 or later (earlier ones lack `else with` or escape an empty value differently); without it the test says
//! loudly what was left out, and fails only if `BREAKWATCH_ORACLE=required`. `BREAKWATCH_ORACLE_CASES` sets how many
//! templates are tried, `BREAKWATCH_ORACLE_SEED` which.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may be blunt")]

mod oracle {
    pub(crate) mod data;
    pub(crate) mod generate;
}

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use breakwatch_model::Timestamp;
use breakwatch_template::{Context, Escaping, MissingKey, TemplateSet};
use oracle::{data, generate};

struct Case {
    text: String,
    html: bool,
    missing: MissingKey,
}

impl Case {
    fn request(&self) -> String {
        let missing = match self.missing {
            MissingKey::Invalid => "default",
            MissingKey::Zero => "zero",
            MissingKey::Error => "error",
        };
        serde_json::json!({ "text": self.text, "html": self.html, "missing": missing }).to_string()
    }

    fn ours(&self) -> Result<String, String> {
        let set = TemplateSet::new(Arc::new(data::functions())).with_missing_key(self.missing);
        let template = set.parse("t", &self.text).map_err(|error| error.to_string())?;
        let escaping = if self.html { Escaping::Html } else { Escaping::None };
        let context = Context::at(Timestamp::from_secs(0));
        set.render_template(&template, &data::data(), escaping, &context).map_err(|error| error.to_string())
    }
}

/// The least minor version of Go 1 whose templates are the ones compared with.
const GO_MINOR: u32 = 26;

fn has_go() -> bool {
    let Ok(output) = Command::new("go").args(["env", "GOVERSION"]).output() else { return false };
    let version = String::from_utf8_lossy(&output.stdout);
    let minor = version.trim().strip_prefix("go1.").and_then(|rest| rest.split('.').next()?.parse().ok());
    minor.is_some_and(|minor: u32| minor >= GO_MINOR)
}

/// What Go makes of the cases; `None` without Go.
fn theirs(cases: &[Case]) -> Option<Vec<Result<String, String>>> {
    if !has_go() {
        return None;
    }
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/main.go");
    let mut go = Command::new("go");
    if std::env::var_os("HOME").is_none() && std::env::var_os("GOCACHE").is_none() {
        go.env("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go-cache"));
    }
    let mut go = go
        .args(["run", program])
        .env("GOFLAGS", "-mod=mod")
        .env("GO111MODULE", "off")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let requests: String = cases.iter().map(|case| case.request() + "\n").collect();
    let mut stdin = go.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(requests.as_bytes()));
    let output = go.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the oracle failed");
    let answer = |line: &str| {
        let answer: serde_json::Value = serde_json::from_str(line).unwrap();
        let error = answer["error"].as_str().unwrap().to_owned();
        if error.is_empty() { Ok(answer["out"].as_str().unwrap().to_owned()) } else { Err(error) }
    };
    Some(String::from_utf8(output.stdout).unwrap().lines().map(answer).collect())
}

fn compare(cases: &[Case]) {
    let Some(theirs) = theirs(cases) else {
        let required = std::env::var("BREAKWATCH_ORACLE").is_ok_and(|v| v == "required");
        assert!(!required, "go is needed for the comparison with Go's templates");
        println!(
            "LEFT OUT: no Go 1.{GO_MINOR} or later here, {} templates were not compared with Go's",
            cases.len()
        );
        return;
    };
    assert_eq!(theirs.len(), cases.len());
    let mut differences = 0;
    for (case, want) in cases.iter().zip(&theirs) {
        let got = case.ours();
        // Go finds what cannot be escaped before it runs anything and words that in its own way.
        let both_refuse = case.html && got.is_err() && want.is_err();
        if !both_refuse && alike(&got) != alike(want) && !is_known(&got, want) {
            differences += 1;
            if differences <= 5 {
                println!("--- {:?} html={}\n go: {want:?}\nour: {got:?}", case.text, case.html);
            }
        }
    }
    let rendered = theirs.iter().filter(|want| want.is_ok()).count();
    println!("{} templates compared, {rendered} rendered, {differences} differ", cases.len());
    assert_eq!(differences, 0);
}

/// What may differ in a message: Go names the type a value was held by (`interface {}`) where ours names the value's own,
/// and ours cuts long values.
fn alike(result: &Result<String, String>) -> Result<String, String> {
    const COMPARED: usize = 400;
    result.clone().map_err(|error| {
        let error = match error.rsplit_once(" in type ") {
            Some((before, _)) => before.to_owned(),
            None => error.replace("len of nil pointer", "reflect: call of reflect.Value.Type on zero Value"),
        };
        let error = match error.strip_suffix("; got interface {}") {
            Some(nil) => nil.replace("wrong type for value;", "invalid value;"),
            None => error,
        };
        error.chars().take(COMPARED).collect()
    })
}

/// A nil that Go holds by an interface has no fields there; here it is like any other missing value, whose fields are
/// missing too. And a time under a verb that is none for strings shows Go's inside of it.
fn is_known(got: &Result<String, String>, want: &Result<String, String>) -> bool {
    want.as_ref().is_err_and(|error| error.contains("nil pointer evaluating interface {}"))
        || got.as_ref().is_ok_and(|text| text.contains("(time.Time"))
}

fn cases(default: usize) -> (usize, fastrand::Rng) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let count = number("BREAKWATCH_ORACLE_CASES").and_then(|count| usize::try_from(count).ok());
    (count.unwrap_or(default), fastrand::Rng::with_seed(number("BREAKWATCH_ORACLE_SEED").unwrap_or(1)))
}

#[test]
fn random_templates_come_out_as_in_go() {
    let (count, mut rng) = cases(2000);
    let cases: Vec<Case> = (0..count)
        .map(|_| {
            let missing = if rng.bool() { MissingKey::Zero } else { MissingKey::Invalid };
            Case { text: generate::template(&mut rng), html: false, missing }
        })
        .collect();
    compare(&cases);
}

#[test]
fn random_pages_are_escaped_as_in_go() {
    let (count, mut rng) = cases(1000);
    let page =
        |rng: &mut fastrand::Rng| Case { text: generate::page(rng), html: true, missing: MissingKey::Zero };
    let cases: Vec<Case> = (0..count).map(|_| page(&mut rng)).collect();
    compare(&cases);
}
