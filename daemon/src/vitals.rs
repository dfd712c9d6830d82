//! Whether the loops that a page depends on still come round: checks, rules, alerting, and the sending of messages.
//!
//! `/-/healthy`, systemd's watchdog and heartbeats all ask here, so that they agree.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::alerting::Handle;
use crate::checks::scheduler::Pulse;

/// The loops wake every second; after this long they are stuck. That of rules also stops beating when an evaluation
/// does not end although it was told to.
const STUCK_AFTER: Duration = Duration::from_secs(20);

/// The pulses.
#[derive(Clone)]
pub struct Vitals {
    /// Of the scheduler of checks.
    pub scheduler: Arc<Pulse>,
    /// Of the evaluation of rules.
    pub rules: Arc<Pulse>,
    /// Of alerting and the senders.
    pub alerting: Handle,
}

impl Vitals {
    /// What is stuck, in words; `None` while all is well.
    #[must_use]
    pub fn trouble(&self, now: Instant) -> Option<String> {
        if self.scheduler.age(now) > STUCK_AFTER {
            return Some("the scheduler of checks no longer comes round".to_owned());
        }
        if self.rules.age(now) > STUCK_AFTER {
            return Some("the evaluation of rules no longer comes round".to_owned());
        }
        if self.alerting.pulse_age(now) > STUCK_AFTER {
            return Some("the alerting loop no longer comes round".to_owned());
        }
        let stuck = self.alerting.snapshot().stuck.clone()?;
        Some(format!("the sender of {stuck} no longer comes round"))
    }
}
