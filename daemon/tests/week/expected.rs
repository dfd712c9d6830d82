//! What must be told, worked out from the script with nothing but a pencil: who is told of what, and between which
//! moments. Nothing of the engine is used here.
//!
//! A breaker opens at the third failing run in a row and closes at the second good probe. So, for an outage from `a` to
//! `b` of a check that runs every `I` seconds:
//!
//! - told between `a + 2I` and `a + 3I`, and the group's first wait (30 s) later;
//! - told again every twelve hours after, at a look at the group (every five minutes);
//! - its end is told after `b` plus at most the longest open time (300 s), the wait before the second probe (5 s) and the
//!   group's wait (30 s).

use super::Told;
use super::estate::{FAST, INTERVAL, ISOLATED, OPS_AWAY, SHOPS, Second, WEEK, at};

/// The route's `group_wait`.
const WAIT: Second = 30;
/// The route's `group_interval`.
const LOOK: Second = 300;
/// The route's `repeat_interval`.
const REPEAT: Second = 12 * 3600;
/// The longest open time of a check's breaker, and of a notifier's.
const OPEN: Second = 300;
/// The wait before the second probe.
const PROBE: Second = 5;
/// After a root cause a dependant's failure may still be the root's for this long.
const SETTLE: Second = 60;
/// Canaries are asked every five seconds while cut off; two answers at least ten seconds apart end it.
const CONFIRM: Second = 20;
/// For timers and grids that round up.
const SLACK: Second = 5;

/// One thing that is told.
#[derive(Clone, Debug)]
pub struct Expected {
    receiver: &'static str,
    subject: String,
    firing: bool,
    /// Not before, not after.
    between: (Second, Second),
    affected: usize,
    /// Whether the message says that it comes late; `None` where that hangs on the moment the receiver is tried again.
    late: Option<bool>,
    /// May also be left out: a newer state may have taken its place before it could be delivered.
    optional: bool,
}

/// Everything that is told in a week.
pub fn week() -> Vec<Expected> {
    let mut all = Vec::new();
    all.extend(outage("http/site-001", INTERVAL, (at(0, 9, 0), at(0, 9, 50))));
    all.extend(outage("http/site-003", INTERVAL, (at(0, 15, 0), at(1, 16, 0))));
    all.extend(database());
    for cycle in 0..3 {
        all.extend(outage("http/flapper", FAST, (at(1, 12, 20 * cycle), at(1, 12, 20 * cycle + 10))));
    }
    // Nineteen batch jobs fail and recover inside the maintenance window; the twentieth is told of when it closes.
    all.push(fires("command/batch-00", (at(2, 4, 0), at(2, 4, 0) + LOOK)));
    all.push(ends("command/batch-00", at(2, 6, 0)));
    all.extend(isolation());
    all.extend(outage("icmp/canary-a", FAST, (at(4, 8, 0), at(4, 9, 0))));
    for member in 0..6 {
        all.extend(outage(&format!("tcp/pool-{member}"), INTERVAL, (at(4, 20, 0), at(4, 21, 0))));
    }
    // The group fails once the sixth of its ten members was found failing, and works once one of them is back.
    let (from, to) = (at(4, 20, 0), at(4, 21, 0));
    all.push(fires("group/pool", (from + 2 * FAST + WAIT, from + INTERVAL + 3 * FAST + WAIT)));
    all.push(Expected { between: (to, to + 2 * (OPEN + PROBE) + WAIT), ..ends("group/pool", to) });
    all.extend(outage("http/site-012", INTERVAL, (at(5, 12, 0), at(5, 14, 0))));
    all.extend(ops_away());
    all.extend(outage("http/site-015", INTERVAL, (at(6, 20, 0), at(6, 22, 0))));
    all
}

/// The database takes the API and forty-nine shops along: one message names all fifty. Once it is back the shop with its
/// own trouble is told of, and no other.
fn database() -> Vec<Expected> {
    let (from, to) = (at(1, 3, 0), at(1, 5, 0));
    let mut all = outage("database/main", FAST, (from, to));
    for told in &mut all {
        (told.receiver, told.affected) = ("pager", SHOPS + 1);
    }
    let looked_at = OPEN + PROBE + SETTLE + INTERVAL.max(OPEN);
    all.push(fires("http/shop-07", (to + SETTLE, to + looked_at + LOOK)));
    all.push(ends("http/shop-07", at(1, 8, 0)));
    all
}

/// Cut off for an hour and a half: whatever is told comes when the link is back.
fn isolation() -> Vec<Expected> {
    let back = ISOLATED.1;
    // A receiver's own breaker may be open for its longest time still.
    let soon = (back, back + OPEN + WAIT);
    let begun_before = outage("http/site-004", INTERVAL, (at(3, 9, 0), at(3, 10, 45)));
    let mut all: Vec<Expected> = begun_before.into_iter().filter(|told| told.firing).collect();
    let seen = back + CONFIRM + OPEN + PROBE + WAIT;
    all.push(Expected { between: (back, seen + OPEN), late: None, ..ends("http/site-004", back) });
    // A failure in the minute before the canaries had noticed counts as the first of three.
    all.push(fires("http/site-005", (back + INTERVAL, back + CONFIRM + 3 * INTERVAL + WAIT)));
    all.push(ends("http/site-005", at(3, 13, 0)));
    let isolated = Expected { receiver: "pager", late: Some(true), ..fires("MonitorIsolated", soon) };
    all.push(Expected { optional: true, ..isolated.clone() });
    let over = (back + 10, back + CONFIRM + OPEN + WAIT);
    all.push(Expected { firing: false, between: over, late: None, ..isolated });
    all.push(Expected { late: Some(true), ..fires("disk/root", soon) });
    let to = at(3, 13, 0);
    all.push(Expected { between: (to, to + OPEN + 2 * FAST + WAIT), ..ends("disk/root", to) });
    all
}

/// The receiver is away for an hour: the outage that lasts is told late, and of the one that is over one message tells.
fn ops_away() -> Vec<Expected> {
    let soon = (OPS_AWAY.1, OPS_AWAY.1 + OPEN + WAIT);
    vec![
        Expected { late: Some(true), ..fires("http/site-013", soon) },
        ends("http/site-013", at(6, 8, 0)),
        Expected { late: Some(true), between: soon, ..ends("http/site-014", OPS_AWAY.1) },
    ]
}

/// What is told of an outage that nothing else touches.
fn outage(subject: &str, interval: Second, (from, to): (Second, Second)) -> Vec<Expected> {
    let first = (from + 2 * interval + WAIT, from + 3 * interval + WAIT);
    let again = (1..).map(|n| n * REPEAT).take_while(|later| first.1 + later < to);
    let again = again.map(|later| fires(subject, (first.0 + later, first.1 + later + LOOK)));
    [fires(subject, first)].into_iter().chain(again).chain([ends(subject, to)]).collect()
}

fn fires(subject: &str, between: (Second, Second)) -> Expected {
    let (subject, receiver) = (subject.to_owned(), "ops");
    Expected { receiver, subject, firing: true, between, affected: 0, late: Some(false), optional: false }
}

fn ends(subject: &str, to: Second) -> Expected {
    Expected { firing: false, ..fires(subject, (to, to + OPEN + PROBE + WAIT)) }
}

impl Expected {
    fn is(&self, told: &Told, week: u64) -> bool {
        let (from, to) = (self.between.0 + week * WEEK, self.between.1 + week * WEEK + SLACK);
        let affected = if self.affected == 0 { String::new() } else { self.affected.to_string() };
        told.receiver == self.receiver
            && told.subject() == self.subject
            && told.firing == self.firing
            && (from..=to).contains(&told.at)
            && told.affected == affected
            && self.late.is_none_or(|late| told.late == late)
    }
}

/// Compares what was told in so many weeks with what must be: each expected thing once, nothing else. Differences in
/// words.
pub fn differences(told: &[Told], weeks: u64) -> Vec<String> {
    let mut open: Vec<(u64, Expected)> =
        (0..weeks).flat_map(|week| self::week().into_iter().map(move |one| (week, one))).collect();
    let mut differences = Vec::new();
    for one in told {
        if let Some(labels) = wrong_labels(one) {
            differences.push(format!("wrong labels: {one}; expected {labels}"));
        }
        match open.iter().position(|(week, expected)| expected.is(one, *week)) {
            Some(found) => drop(open.swap_remove(found)),
            None => differences.push(format!("not expected: {one}")),
        }
    }
    let missing = open.iter().filter(|(_, expected)| !expected.optional);
    differences.extend(missing.map(|(week, expected)| format!("missing in week {week}: {expected:?}")));
    differences
}

/// The labels an alert must have, if it has others.
fn wrong_labels(told: &Told) -> Option<String> {
    let subject = told.subject();
    let (kind, name) = subject.split_once('/').unwrap_or((subject, ""));
    let severity = match subject {
        "MonitorIsolated" | "database/main" => "critical",
        "http/site-015" => "info",
        _ => "warning",
    };
    let team = match name.split_once('-') {
        Some(("site", _)) => r#", team="web""#,
        Some(("batch", _)) => r#", team="batch""#,
        _ => "",
    };
    let members = || (0..10).map(|i| format!("tcp/pool-{i}")).collect::<Vec<_>>().join(", ");
    let target = if kind == "group" { members() } else { "host.example".to_owned() };
    let expected = if subject == "MonitorIsolated" {
        format!(r#"{{alertname="{subject}", severity="{severity}"}}"#)
    } else {
        format!(
            r#"{{alertname="CircuitBreakerOpen", check="{subject}", severity="{severity}", target="{target}"{team}, type="{kind}"}}"#
        )
    };
    (told.labels.to_string() != expected).then_some(expected)
}
