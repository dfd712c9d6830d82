//! Whether a check is suspended: by a person, by its configuration, or inside a window of a schedule.
//!
//! A paused check does not run, its status is unknown and its time is nobody's down time. A person's word wins over
//! the configuration until the configuration says something else; whoever resumes a check inside a window resumes it
//! for the rest of that window. Windows are those of recurring maintenance.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

use breakwatch_alerts::config::Recurrence;
use breakwatch_model::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// The switch of one check.
#[derive(Debug, Default)]
pub struct PauseSwitch {
    inner: Mutex<Inner>,
    /// What came out, for everybody who only asks.
    paused: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    /// What the configuration says.
    configured: bool,
    /// What holds: the configuration, or what a person said since.
    manual: bool,
    windows: Vec<Recurrence>,
    /// The window that is open.
    open: Option<Window>,
    /// Windows that end no later than this are ignored.
    resumed_until: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Debug)]
struct Window {
    until: Timestamp,
    describe: String,
}

/// What is kept of a switch across restarts; nothing is kept of one that a person has not touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SavedPause {
    /// What a person said.
    #[serde(default)]
    pub paused: bool,
    /// What the configuration said then: once it says something else, that holds.
    #[serde(default)]
    pub configured: bool,
    /// Windows that end no later than this are ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_until: Option<Timestamp>,
}

/// Why a check is paused.
#[derive(Clone, PartialEq, Debug)]
pub enum PausedBy {
    /// A person or the configuration, until somebody resumes it.
    User,
    /// A window that is open.
    Schedule {
        /// When it closes.
        until: Timestamp,
        /// `0 2 * * sun for 2h Europe/Berlin`.
        window: String,
    },
}

impl PauseSwitch {
    /// The switch of a check that is configured as paused or not, as it was saved.
    #[must_use]
    pub fn new(configured: bool, saved: Option<SavedPause>) -> Self {
        let saved = saved.unwrap_or(SavedPause { paused: configured, configured, resumed_until: None });
        let manual = if saved.configured == configured { saved.paused } else { configured };
        let inner = Inner { configured, manual, resumed_until: saved.resumed_until, ..Inner::default() };
        Self { inner: Mutex::new(inner), paused: AtomicBool::new(manual) }
    }

    /// Takes over what a person said to an earlier switch of the same check, unless the configuration has changed.
    pub fn inherit(&self, earlier: &Self) {
        let earlier = earlier.inner.lock().clone();
        let mut inner = self.inner.lock();
        if earlier.configured == inner.configured {
            inner.manual = earlier.manual;
        }
        inner.resumed_until = earlier.resumed_until;
        inner.open = earlier.open;
        self.settle(&inner);
    }

    /// Sets the windows.
    pub fn set_windows(&self, windows: Vec<Recurrence>) {
        self.inner.lock().windows = windows;
    }

    /// Suspends the check until somebody resumes it.
    pub fn pause(&self) {
        let mut inner = self.inner.lock();
        inner.manual = true;
        inner.resumed_until = None;
        self.settle(&inner);
    }

    /// Lets the check run again, also for the rest of a window that is open at `now`.
    pub fn resume(&self, now: Timestamp) {
        let mut inner = self.inner.lock();
        inner.manual = false;
        inner.resumed_until = inner.around(now).map(|window| window.until);
        inner.open = None;
        self.settle(&inner);
    }

    /// Looks whether a window has opened or closed; whether that changed anything.
    pub fn look(&self, now: Timestamp) -> bool {
        let mut inner = self.inner.lock();
        if inner.windows.is_empty() && inner.open.is_none() {
            return false;
        }
        // Inside a window nothing changes before its end, unless the clock was set back.
        inner.open = inner.window(now);
        let before = self.is_paused();
        self.settle(&inner);
        before != self.is_paused()
    }

    /// Whether the check is suspended, as of the last look.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Why the check is suspended, if it is.
    #[must_use]
    pub fn by(&self) -> Option<PausedBy> {
        let inner = self.inner.lock();
        if inner.manual {
            return Some(PausedBy::User);
        }
        let window = inner.open.as_ref()?;
        Some(PausedBy::Schedule { until: window.until, window: window.describe.clone() })
    }

    /// What is to be kept across a restart.
    #[must_use]
    pub fn saved(&self) -> Option<SavedPause> {
        let inner = self.inner.lock();
        let (paused, configured) = (inner.manual, inner.configured);
        let touched = paused != configured || inner.resumed_until.is_some();
        touched.then_some(SavedPause { paused, configured, resumed_until: inner.resumed_until })
    }

    fn settle(&self, inner: &Inner) {
        self.paused.store(inner.manual || inner.open.is_some(), Ordering::Relaxed);
    }
}

impl Inner {
    /// The window that holds at `now`.
    fn window(&self, now: Timestamp) -> Option<Window> {
        self.around(now).filter(|window| self.resumed_until.is_none_or(|resumed| window.until > resumed))
    }

    /// The window around `now`, ignored or not: of several the one that closes last.
    fn around(&self, now: Timestamp) -> Option<Window> {
        let open = self.windows.iter().filter_map(|window| Some((window.window(now)?.1, window)));
        let (until, window) = open.max_by_key(|(until, _)| *until)?;
        Some(Window { until, describe: window.describe() })
    }
}
