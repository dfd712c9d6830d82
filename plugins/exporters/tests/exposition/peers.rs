//! Other people's readers, where they are installed.

use std::io::Write as _;
use std::process::{Command, Stdio};

use breakwatch_exporters::text::{write_openmetrics, write_text};

use crate::output::sample_families;

/// Runs a program with `input`; `None`, loudly, where it is missing.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<(bool, String)> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} is missing");
        eprintln!("LEFT OUT: {program} is missing; its judgement was not asked");
        return None;
    };
    child.stdin.take().expect("piped").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), said))
}

#[test]
fn promtool_finds_nothing_to_say() {
    let mut families = sample_families();
    // Not ours: a name with a colon is for recording rules, and a family needs a help text.
    families.retain(|family| &*family.name != "odd:value");
    let Some((good, said)) = run("promtool", &["check", "metrics"], &write_text(&families)) else { return };
    assert!(good && said.is_empty(), "{said}");
}

#[test]
fn the_python_client_reads_both_formats() {
    const SCRIPT: &str = "
import sys
try:
    from prometheus_client.parser import text_string_to_metric_families as text
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
except ImportError:
    print('missing'); sys.exit(0)
read = openmetrics if sys.argv[1] == 'om' else text
print(sum(len(family.samples) for family in read(sys.stdin.read())))
";
    for (format, output) in
        [("text", write_text(&sample_families())), ("om", write_openmetrics(&sample_families()))]
    {
        let Some((good, said)) = run("python3", &["-c", SCRIPT, format], &output) else { return };
        if said.trim() == "missing" {
            eprintln!("LEFT OUT: prometheus_client for Python is missing; its judgement was not asked");
            return;
        }
        assert!(good && said.trim() == "20", "{format}: {said}");
    }
}
