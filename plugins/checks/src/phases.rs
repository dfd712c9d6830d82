//! How long each phase of a probe took, written into the record as it happens.
//!
//! The runner drops a probe at its deadline. [`Phases`] holds the record while the probe runs, and its drop writes
//! the time of the phase that was under way: a probe that hung in the TLS handshake for five seconds says so.

use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use breakwatch_model::{Clock, Labels, MetricFamily};
use breakwatch_plugin_api::Recorder;

/// The phases of one run and the record they are written into. Dereferences to the record.
pub(crate) struct Phases<'r> {
    rec: &'r mut Recorder,
    clock: Arc<dyn Clock>,
    names: &'static [&'static str],
    spent: Vec<Duration>,
    family: usize,
    open: Option<(usize, Instant)>,
}

impl<'r> Phases<'r> {
    /// Puts the family `metric{phase}` into the record, every phase at 0.
    pub(crate) fn start(
        rec: &'r mut Recorder,
        clock: &Arc<dyn Clock>,
        metric: &'static str,
        help: &str,
        names: &'static [&'static str],
    ) -> Self {
        let mut family = MetricFamily::gauge(metric, "seconds", help);
        for name in names {
            family.push(Labels::from_pairs([("phase", *name)]), 0.0);
        }
        let at = rec.families.len();
        rec.family(family);
        Self {
            rec,
            clock: Arc::clone(clock),
            names,
            spent: vec![Duration::ZERO; names.len()],
            family: at,
            open: None,
        }
    }

    /// Ends the phase under way and begins another. A phase may be entered several times; its times add up.
    pub(crate) fn enter(&mut self, name: &str) {
        self.leave();
        let index = self.names.iter().position(|known| *known == name);
        debug_assert!(index.is_some(), "unknown phase {name}");
        self.open = index.map(|index| (index, self.clock.monotonic()));
    }

    /// Ends the phase under way.
    pub(crate) fn leave(&mut self) {
        let Some((index, since)) = self.open.take() else { return };
        let took = self.clock.monotonic().saturating_duration_since(since);
        let Some(spent) = self.spent.get_mut(index) else { return };
        *spent += took;
        let seconds = spent.as_secs_f64();
        let family = self.rec.families.get_mut(self.family);
        if let Some(point) = family.and_then(|family| family.points.get_mut(index)) {
            point.value = seconds;
        }
    }

    /// The time spent in one phase so far.
    pub(crate) fn spent(&self, name: &str) -> Duration {
        let index = self.names.iter().position(|known| *known == name);
        index.and_then(|index| self.spent.get(index)).copied().unwrap_or_default()
    }

    /// The time spent in all phases so far.
    pub(crate) fn total(&self) -> Duration {
        self.spent.iter().sum()
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        for (name, spent) in self.names.iter().zip(&self.spent) {
            let separator = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{separator}{name} {:.1} ms", spent.as_secs_f64() * 1000.0);
        }
        text
    }
}

impl Drop for Phases<'_> {
    fn drop(&mut self) {
        if let Some((index, _)) = self.open {
            let name = self.names.get(index).copied().unwrap_or_default();
            self.leave();
            self.rec.fact("stopped in phase", name);
        }
        let phases = self.describe();
        self.rec.fact("phases", phases);
    }
}

impl Deref for Phases<'_> {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        self.rec
    }
}

impl DerefMut for Phases<'_> {
    fn deref_mut(&mut self) -> &mut Recorder {
        self.rec
    }
}

#[cfg(test)]
mod tests {
    use breakwatch_model::Timestamp;
    use breakwatch_sim::SimClock;

    use super::*;

    const NAMES: &[&str] = &["resolve", "connect", "tls"];

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_cut_off_leaves_the_time_of_its_last_phase() {
        let clock: Arc<dyn Clock> = Arc::new(SimClock::new(Timestamp::from_secs(0)));
        let mut rec = Recorder::default();
        let run = async {
            let mut phases = Phases::start(&mut rec, &clock, "x_seconds", "X.", NAMES);
            phases.enter("resolve");
            tokio::time::sleep(Duration::from_millis(20)).await;
            phases.enter("connect");
            std::future::pending::<()>().await;
        };
        assert!(tokio::time::timeout(Duration::from_secs(5), run).await.is_err());
        let values: Vec<f64> = rec.families[0].points.iter().map(|point| point.value).collect();
        assert_eq!(values, [0.02, 4.98, 0.0]);
        assert_eq!(
            rec.evidence.to_string(),
            "stopped in phase=connect, phases=resolve 20.0 ms, connect 4980.0 ms, tls 0.0 ms"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn phases_entered_twice_add_up() {
        let clock: Arc<dyn Clock> = Arc::new(SimClock::new(Timestamp::from_secs(0)));
        let mut rec = Recorder::default();
        let mut phases = Phases::start(&mut rec, &clock, "x_seconds", "X.", NAMES);
        for _ in 0..2 {
            phases.enter("tls");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        phases.leave();
        assert_eq!(phases.spent("tls"), Duration::from_millis(20));
        assert_eq!(phases.total(), Duration::from_millis(20));
        drop(phases);
        assert_eq!(rec.families[0].points[2].value, 0.02);
    }
}
