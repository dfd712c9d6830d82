//! What the page shows, as plain data for its templates.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_breaker::State;
use breakwatch_model::{Status, Timestamp};
use breakwatch_plugin_api::format_duration;

use crate::checks::results::History;
use crate::checks::unit::CheckUnit;
use crate::health;
use crate::shared::{Shared, VERSION};

/// The whole page.
pub struct Overview {
    /// Which daemon this is.
    pub instance: String,
    /// Its version.
    pub version: &'static str,
    /// How long it has been running.
    pub uptime: String,
    /// The present time, RFC 3339.
    pub now: String,
    /// The overall status as a CSS class.
    pub overall: &'static str,
    /// The overall status as a sign, for those who do not see colours.
    pub overall_mark: &'static str,
    /// One line that says how things are.
    pub headline: String,
    /// Checks by status.
    pub counts: Vec<Count>,
    /// Breakers in all.
    pub breakers: usize,
    /// Breakers that are open.
    pub breakers_open: usize,
    /// Messages not yet delivered.
    pub outbox: usize,
    /// Alerts that fire.
    pub firing: Vec<FiringAlert>,
    /// Checks, the worst first.
    pub rows: Vec<Row>,
}

/// How many checks have a status.
pub struct Count {
    /// The status.
    pub status: &'static str,
    /// How many.
    pub number: usize,
}

/// An alert that fires.
pub struct FiringAlert {
    /// Its name.
    pub name: String,
    /// Its severity, as a CSS class.
    pub severity: String,
    /// Its other labels.
    pub labels: String,
    /// Its summary.
    pub summary: String,
    /// How long it has been firing.
    pub age: String,
}

/// One check.
pub struct Row {
    /// Its id.
    pub id: String,
    /// What it looks at.
    pub target: String,
    /// Its status.
    pub status: &'static str,
    /// The status as a sign.
    pub mark: &'static str,
    /// Since when.
    pub since: String,
    /// The breaker's state as a CSS class.
    pub breaker: &'static str,
    /// The breaker's state in words.
    pub breaker_word: &'static str,
    /// What the breaker is about to do.
    pub breaker_detail: String,
    /// The last hour.
    pub bars: Vec<Bar>,
    /// The last hour in words.
    pub bars_label: String,
    /// Why it is not healthy, or how long it took.
    pub message: String,
    /// The first facts of the evidence.
    pub facts: String,
}

/// One minute of the last hour. Height tells the status as well as colour does.
pub struct Bar {
    /// CSS class.
    pub class: &'static str,
    /// Left edge.
    pub x: usize,
    /// Upper edge.
    pub y: usize,
    /// Height.
    pub height: usize,
}

/// The page as of now.
#[must_use]
pub fn overview(shared: &Shared) -> Overview {
    let now = shared.clock.now();
    let units = shared.checks();
    let overall = health::assess(&units, now).overall;
    let statuses: Vec<Status> = units.iter().map(|unit| unit.status(now)).collect();
    let number = |status| statuses.iter().filter(|s| **s == status).count();
    let counts: Vec<Count> =
        Status::ALL.iter().map(|status| Count { status: status.as_str(), number: number(*status) }).collect();
    let guards = shared.breakers.list();
    let alerts = shared.alerting.snapshot();
    let mut rows: Vec<(usize, Row)> = units
        .iter()
        .zip(&statuses)
        .map(|(unit, status)| (rank(*status), row(unit, *status, shared)))
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.id.cmp(&b.1.id)));
    Overview {
        instance: shared.instance.clone(),
        version: VERSION,
        uptime: age(shared.clock.monotonic().saturating_duration_since(shared.started)),
        now: now.to_rfc3339(),
        overall: overall.as_str(),
        overall_mark: mark(overall),
        headline: headline(
            number(Status::Unhealthy),
            number(Status::Degraded),
            number(Status::Unknown),
            units.len(),
        ),
        counts,
        breakers: guards.len(),
        breakers_open: guards.iter().filter(|guard| guard.breaker.state() != State::Closed).count(),
        outbox: alerts.outbox,
        firing: alerts.firing.iter().map(|alert| firing(alert, now)).collect(),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    }
}

fn firing(alert: &breakwatch_model::Alert, now: Timestamp) -> FiringAlert {
    let rest = alert.labels.filtered(|name| name != "alertname" && name != "severity");
    let summary = alert.annotations.get("summary").or_else(|| alert.annotations.get("description"));
    FiringAlert {
        name: alert.name().to_owned(),
        severity: alert.labels.value("severity").to_owned(),
        labels: if rest.is_empty() { String::new() } else { rest.to_string() },
        summary: summary.unwrap_or_default().to_owned(),
        age: age(now.since(alert.starts_at)),
    }
}

fn headline(unhealthy: usize, degraded: usize, unknown: usize, total: usize) -> String {
    let checks = |n: usize| if n == 1 { "1 check".to_owned() } else { format!("{n} checks") };
    match (unhealthy, degraded, unknown) {
        _ if total == 0 => "Nothing is being watched".to_owned(),
        (0, 0, 0) => "Everything works".to_owned(),
        (0, 0, n) if n == total => "No results yet".to_owned(),
        (0, 0, n) => format!("{} not measured", checks(n)),
        (0, n, _) => format!("{} degraded", checks(n)),
        (n, _, _) => format!("{} failing", checks(n)),
    }
}

fn rank(status: Status) -> usize {
    match status {
        Status::Unhealthy => 0,
        Status::Degraded => 1,
        Status::Unknown => 2,
        Status::Healthy => 3,
    }
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Healthy => "✓",
        Status::Degraded => "!",
        Status::Unhealthy => "✕",
        Status::Unknown => "?",
    }
}

fn row(unit: &Arc<CheckUnit>, status: Status, shared: &Shared) -> Row {
    let now = shared.clock.now();
    // Asked before the check's own lock is taken: whoever finds root causes looks at every check.
    let cause = shared.observer.root_causes().get(&*unit.name).map(|root| format!("root cause: {root}"));
    let state = unit.state.lock();
    let (since, message, facts) = match &state.last {
        _ if unit.is_paused() => (String::new(), "paused".to_owned(), String::new()),
        None => (String::new(), "has not run yet".to_owned(), String::new()),
        Some(last) => {
            let took = format!("ran {} ago, took {}", age(now.since(last.started_at)), short(last.duration));
            let message = last.failure.as_ref().map_or(took, |failure| failure.message.clone());
            let evidence = last.evidence.0.iter().take(4).map(|(name, value)| format!("{name} {value}"));
            let facts: Vec<String> = cause.into_iter().chain(evidence).collect();
            (format!("for {}", age(now.since(last.since))), message, facts.join(" · "))
        }
    };
    let bars = bars(&state.bars, now, status);
    let bad = bars.iter().filter(|bar| bar.class == Status::Unhealthy.as_str()).count();
    let (breaker, breaker_word, breaker_detail) = breaker(unit, shared);
    Row {
        id: unit.name.to_string(),
        target: unit.target.to_string(),
        status: status.as_str(),
        mark: mark(status),
        since,
        breaker,
        breaker_word,
        breaker_detail,
        bars_label: format!("last hour: {bad} of {} minutes with a failure", History::BARS),
        bars,
        message,
        facts,
    }
}

fn bars(history: &History, now: Timestamp, current: Status) -> Vec<Bar> {
    let shape = |status: Option<Status>| match status {
        None => ("none", 8),
        Some(Status::Healthy) => ("healthy", 12),
        Some(Status::Unknown) => ("unknown", 8),
        Some(Status::Degraded) => ("degraded", 18),
        Some(Status::Unhealthy) => ("unhealthy", 24),
    };
    let bars = history.bars(now, current).into_iter().enumerate();
    bars.map(|(i, status)| {
        let (class, height) = shape(status);
        Bar { class, x: i * 4, y: 24 - height, height }
    })
    .collect()
}

fn breaker(unit: &CheckUnit, shared: &Shared) -> (&'static str, &'static str, String) {
    let stats = unit.guard.breaker.stats(shared.clock.monotonic());
    if stats.held {
        return (stats.state.as_str(), "held", format!("held {} by hand", stats.state));
    }
    match stats.state {
        State::Closed if stats.consecutive_failures == 0 => ("closed", "closed", String::new()),
        State::Closed => ("closed", "closed", format!("{} failures in a row", stats.consecutive_failures)),
        State::HalfOpen => ("half_open", "half-open", format!("{} good probes", stats.probe_successes)),
        State::Open => {
            let next =
                stats.next_probe_in.map_or_else(String::new, |wait| format!("next probe in {}", age(wait)));
            ("open", "open", next)
        }
    }
}

/// An age in its two largest units.
fn age(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min", secs / 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3600),
    }
}

fn short(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
    } else {
        format_duration(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}
