//! Calls that are tried again: after waits that grow to a cap, with jitter, and not against an open breaker.
//!
//! Retries belong inside the breaker's sight. Each attempt is a call of its own: it asks for a permit and counts, so
//! that a dependency that is down opens the breaker, and the open breaker ends the retries of everybody at once.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use crate::backoff::Rng;
use crate::{Breaker, CallError};

/// How often a call is made at most, and how long the waits between are. What makes no sense is taken as the nearest
/// that does: no attempt as one, a multiplier below 1 as 1, a jitter outside 0 to 1 as its bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The wait after the first failure.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// What each further failure multiplies the wait by.
    pub multiplier: f64,
    /// The share of a wait that is taken off at random, so that callers do not come back together.
    pub jitter: f64,
}

impl Default for Retry {
    /// Three attempts, 100 ms and 200 ms apart, up to a tenth of that taken off.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial: Duration::from_millis(100),
            max: Duration::from_secs(30),
            multiplier: 2.0,
            jitter: 0.1,
        }
    }
}

impl Retry {
    /// The wait after this many failed attempts (from 1), or nothing if there is no further one. `random` is a number
    /// of 0 to 1.
    #[must_use]
    pub fn wait(&self, failed: u32, random: f64) -> Option<Duration> {
        if failed >= self.max_attempts {
            return None;
        }
        let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        // `max` takes the bound where the multiplier is no number.
        let grown = self.initial.as_secs_f64() * self.multiplier.max(1.0).powi(exponent);
        let longest = grown.min(self.max.as_secs_f64());
        let taken_off = share(self.jitter) * share(random);
        Some(Duration::try_from_secs_f64(longest * (1.0 - taken_off)).unwrap_or(self.max))
    }
}

/// A number of 0 to 1, whatever is given.
fn share(number: f64) -> f64 {
    if number > 0.0 { number.min(1.0) } else { 0.0 }
}

impl Breaker {
    /// As [`Breaker::call`], tried again as `retry` says. `sleep` makes a timer of whatever runtime is at hand; `seed`
    /// decides the jitter. An open breaker ends it at once: what is given then is the error of the last attempt that
    /// was made.
    ///
    /// ```
    /// # use breakwatch_breaker::{Breaker, Preset, Retry};
    /// # use std::time::Instant;
    /// # let _ = async {
    /// # async fn fetch() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let breaker = Breaker::new("quotes", Preset::HttpApi, Instant::now())?;
    /// let quote = breaker.call_with_retry(&Retry::default(), 7, tokio::time::sleep, fetch).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) };
    /// ```
    ///
    /// # Errors
    /// That of the last attempt, or [`CallError::Rejected`] if there was none.
    pub async fn call_with_retry<T, E, F, S>(
        &self,
        retry: &Retry,
        seed: u64,
        mut sleep: impl FnMut(Duration) -> S,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
        S: Future<Output = ()>,
    {
        let mut rng = Rng::new(seed);
        let (mut failed, mut last) = (0, None);
        loop {
            let error = match self.call(attempt()).await {
                Ok(value) => return Ok(value),
                Err(CallError::Rejected(rejected)) => {
                    return Err(last.unwrap_or(CallError::Rejected(rejected)));
                }
                Err(error) => error,
            };
            failed += 1;
            let Some(wait) = retry.wait(failed, rng.fraction()) else { return Err(error) };
            last = Some(error);
            sleep(wait).await;
        }
    }
}
