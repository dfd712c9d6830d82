//! A late group asks rules side by side, and nobody can tell.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::sim::Sim;

/// Chains of rules that read each other between many that do not.
fn rules() -> String {
    let mut text = "groups:\n  - name: g\n    rules:\n".to_owned();
    for number in 0..40 {
        let _ = writeln!(text, "      - {{ record: 'r{number}', expr: 'x{{n=\"{number}\"}} + 1' }}");
        let _ = writeln!(text, "      - {{ alert: 'A{number}', expr: 'x{{n=\"{number}\"}} > 3', for: 1m }}");
        if number % 10 == 9 {
            let _ = writeln!(text, "      - {{ record: 's{number}', expr: 'r{number} * 2' }}");
            let _ =
                writeln!(text, "      - {{ record: 't{number}', expr: 's{number} + on() r{}' }}", number - 1);
            let _ = writeln!(
                text,
                "      - {{ record: 'sum', expr: 'count(ALERTS)', labels: {{ n: '{number}' }} }}"
            );
        }
    }
    text
}

/// What is left to see of an evaluation.
#[derive(PartialEq, Debug)]
struct Traces {
    series: Vec<String>,
    sent: Vec<String>,
    records: BTreeMap<String, Vec<u8>>,
    states: Vec<String>,
}

fn run(late: bool) -> Traces {
    let mut sim = Sim::new(&rules());
    sim.late = late;
    for number in 0..40 {
        sim.load(&format!("x{{n=\"{number}\"}} {}+1x{} {number}x40", number % 5, number % 7));
    }
    sim.run(0.0, 300.0);
    let series = sim.query("{__name__=~\"r.*|s.*|t.*|ALERTS.*\"}", 300.0);
    Traces { series, sent: sim.lines(), records: sim.records.clone(), states: sim.states() }
}

#[test]
fn a_late_group_gives_what_a_quick_one_gives() {
    let (quick, late) = (run(false), run(true));
    assert_eq!(quick, late);
    assert!(quick.sent.len() > 20 && quick.series.iter().any(|line| line.starts_with("t39")), "{quick:?}");
}
