//! Talks to systemd: READY, STATUS, RELOADING, STOPPING and the watchdog. Says nothing where systemd is not.

use std::time::Duration;

use sd_notify::NotifyState;

/// Where `$NOTIFY_SOCKET` is not set every call does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Systemd;

impl Systemd {
    /// The daemon serves.
    pub fn ready(self) {
        self.send(&[NotifyState::Ready]);
    }

    /// The daemon reads its configuration again; [`Systemd::ready`] ends this.
    pub fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(_) => self.send(&[NotifyState::Reloading]),
        }
    }

    /// The daemon goes down.
    pub fn stopping(self) {
        self.send(&[NotifyState::Stopping]);
    }

    /// One line for `systemctl status`.
    pub fn status(self, text: &str) {
        self.send(&[NotifyState::Status(text)]);
    }

    /// The daemon's loops come round.
    pub fn alive(self) {
        self.send(&[NotifyState::Watchdog]);
    }

    /// How often [`Systemd::alive`] must be called: half the time after which systemd gives the daemon up.
    #[must_use]
    pub fn watchdog_interval(self) -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|limit| limit / 2)
    }

    fn send(self, states: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(states) {
            tracing::debug!(%error, "systemd could not be told");
        }
    }
}
