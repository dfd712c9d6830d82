//! Restarts: nothing is forgotten, and down time is no evidence.

use super::sim::Sim;

const RULES: &str = "
groups:
  - name: g
    rules:
      - { alert: Down, expr: up == 0, for: 2m }
      - { alert: Now, expr: up == 0 }
      - { alert: Absent, expr: absent(up) }
";

#[test]
fn a_short_for_goes_on_where_it_stopped() {
    let mut sim = Sim::new(RULES);
    sim.load("up{job=\"a\"} 0x12");
    sim.run(0.0, 90.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} pending"#, r#"Now{job="a"} firing"#]);
    sim.lines();
    // Down for a minute: 90 s of the two minutes have passed, not 150.
    sim.restart(90.0, 150.0);
    sim.sample(151.0, "up{job=\"a\"}", 0.0);
    sim.run(152.0, 152.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} pending"#, r#"Now{job="a"} firing"#]);
    sim.run(182.0, 182.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} firing"#, r#"Now{job="a"} firing"#]);
}

#[test]
fn without_fresh_samples_nothing_ends_and_nothing_begins() {
    let mut sim = Sim::new(RULES);
    sim.load("up{job=\"a\"} 0x15");
    sim.run(0.0, 150.0);
    sim.lines();
    // So long down that the old samples are out of sight.
    sim.restart(150.0, 1000.0);
    sim.run(1001.0, 1100.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} firing"#, r#"Now{job="a"} firing"#, "Absent{} pending"]);
    // Another job's sample says nothing about this one's alerts, but `up` is not absent any more.
    sim.sample(1110.0, "up{job=\"b\"}", 1.0);
    sim.run(1120.0, 1120.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} firing"#, r#"Now{job="a"} firing"#]);
    // Its own sample ends them at once.
    sim.sample(1130.0, "up{job=\"a\"}", 1.0);
    sim.run(1140.0, 1140.0);
    assert_eq!(sim.states(), [""; 0]);
    assert_eq!(
        sim.lines().into_iter().filter(|line| line.contains("over")).collect::<Vec<_>>(),
        ["1140 Down over", "1140 Now over"]
    );
}

#[test]
fn what_stays_silent_ends_when_the_grace_is_over() {
    let mut sim = Sim::new(RULES);
    sim.load("up{job=\"a\"} 0x15");
    sim.run(0.0, 150.0);
    sim.restart(150.0, 1000.0);
    sim.run(1001.0, 1300.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} firing"#, r#"Now{job="a"} firing"#, "Absent{} pending"]);
    sim.run(1301.0, 1301.0);
    assert_eq!(sim.states(), ["Absent{} firing"]);
}

#[test]
fn a_firing_alert_that_still_fires_goes_on_and_keeps_its_start() {
    let mut sim = Sim::new(RULES);
    sim.load("up{job=\"a\"} 0x15");
    sim.run(0.0, 150.0);
    sim.lines();
    sim.restart(150.0, 200.0);
    sim.sample(201.0, "up{job=\"a\"}", 0.0);
    sim.evaluate(202.0);
    let starts: Vec<String> = sim.sent.iter().map(|(_, alert)| alert.starts_at.to_rfc3339()).collect();
    assert_eq!(starts, ["2024-01-01T00:02:00.000Z", "2024-01-01T00:00:00.000Z"]);
}

#[test]
fn many_restarts_change_nothing() {
    let mut calm = Sim::new(RULES);
    let mut shaken = Sim::new(RULES);
    for sim in [&calm, &shaken] {
        sim.load("up{job=\"a\"} 1x9 0x40 1x40");
        sim.load("up{job=\"b\"} 1x20 0x5 1x100");
    }
    let mut seconds = 0.0;
    while seconds <= 890.0 {
        calm.evaluate(seconds);
        shaken.evaluate(seconds);
        assert_eq!(calm.states(), shaken.states(), "{seconds}");
        shaken.restart(seconds, seconds);
        seconds += 10.0;
    }
    let firsts = |sim: &mut Sim| {
        let mut lines: Vec<String> =
            sim.lines().iter().filter_map(|l| Some(l.split_once(' ')?.1.to_owned())).collect();
        lines.dedup();
        lines.len()
    };
    assert!(firsts(&mut calm) > 4 && firsts(&mut shaken) > 4);
}

#[test]
fn records_of_rules_that_are_gone_are_dropped() {
    let mut sim = Sim::new(RULES);
    sim.load("up{job=\"a\"} 0x15");
    sim.run(0.0, 150.0);
    assert_eq!(sim.records.len(), 2);
    sim.records.insert("rule/rules.yml\ng\nGone\n0\n0123456789abcdef".into(), b"{}".to_vec());
    sim.records.insert("alert/0123456789abcdef".into(), b"{}".to_vec());
    sim.records.values_mut().next().unwrap().truncate(3);
    sim.restart(150.0, 151.0);
    assert!(sim.records.keys().all(|key| !key.contains("Gone")));
    assert!(sim.records.contains_key("alert/0123456789abcdef"), "the dispatcher's own records stay");
}

#[test]
fn a_clock_that_is_set_ends_nothing_and_makes_no_condition_older() {
    let mut sim = Sim::new(RULES);
    sim.load("up{job=\"a\"} 0x6");
    sim.run(0.0, 60.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} pending"#, r#"Now{job="a"} firing"#]);
    sim.lines();
    (&sim.groups).into_iter().for_each(|group| group.clock_jumped(3_600_000, crate::testing::at(3660.0)));
    sim.run(3665.0, 3665.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} pending"#, r#"Now{job="a"} firing"#, "Absent{} pending"]);
    // A minute of the two had passed before, not an hour.
    sim.sample(3670.0, "up{job=\"a\"}", 0.0);
    sim.run(3695.0, 3695.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} pending"#, r#"Now{job="a"} firing"#]);
    sim.sample(3720.0, "up{job=\"a\"}", 0.0);
    sim.run(3725.0, 3725.0);
    assert_eq!(sim.states(), [r#"Down{job="a"} firing"#, r#"Now{job="a"} firing"#]);
}
