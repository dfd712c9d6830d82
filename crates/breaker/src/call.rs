//! Guarded calls in one line, for programs that need no more: ask, call, record.
//!
//! A future that is dropped half-way, and a call that panics, are cancelled calls: they say nothing about
//! the dependency and give their slot back.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::{Breaker, CallError, Outcome, Permit};

/// `Err` is a failure, `Ok` is a success.
#[inline]
fn errors_fail<T, E>(result: &Result<T, E>) -> Outcome {
    if result.is_ok() { Outcome::Success } else { Outcome::Failure }
}

impl Breaker {
    /// Awaits `future` if the breaker lets it through, and records its result: `Err` is a failure.
    ///
    /// [`Config::call_timeout`](crate::Config::call_timeout) needs a timer to cut a call off; see
    /// [`Breaker::call_with_timer`]. Here a call that outlasted it returns its result and counts as timed out.
    ///
    /// ```
    /// # use breakwatch_breaker::{Breaker, CallError, Preset};
    /// # use std::time::Instant;
    /// # let _ = async {
    /// # async fn fetch() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let breaker = Breaker::new("quotes", Preset::HttpApi, Instant::now())?;
    /// match breaker.call(fetch()).await {
    ///     Ok(quote) => println!("{quote}"),
    ///     Err(CallError::Rejected(rejected)) => println!("not asked: {rejected}"),
    ///     Err(CallError::Failed(error)) => println!("asked in vain: {error}"),
    ///     Err(CallError::Timeout(after)) => println!("no answer within {after:?}"),
    /// }
    /// # Ok::<(), breakwatch_breaker::InvalidConfig>(()) };
    /// ```
    ///
    /// # Errors
    /// That of `future`, or [`CallError::Rejected`]; then `future` was never polled.
    pub async fn call<T, E>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T, CallError<E>> {
        self.call_classified(future, errors_fail).await
    }

    /// As [`Breaker::call`], with an own judgement of results: for errors that are the caller's fault, or for
    /// answers that are failures in good clothes.
    ///
    /// # Errors
    /// As [`Breaker::call`].
    pub async fn call_classified<T, E>(
        &self,
        future: impl Future<Output = Result<T, E>>,
        classify: impl FnOnce(&Result<T, E>) -> Outcome,
    ) -> Result<T, CallError<E>> {
        let (permit, started) = self.start()?;
        let result = future.await;
        self.finish(permit, started, classify(&result));
        result.map_err(CallError::Failed)
    }

    /// As [`Breaker::call`], cut off after [`Config::call_timeout`](crate::Config::call_timeout). `sleep`
    /// makes a timer of whatever runtime is at hand; it is not called without a time-out.
    ///
    /// ```
    /// # use breakwatch_breaker::{Breaker, Config};
    /// # use std::time::{Duration, Instant};
    /// # let _ = async {
    /// # async fn query() -> Result<u32, std::io::Error> { Ok(1) }
    /// let config = Config::builder().call_timeout(Duration::from_secs(2)).build()?;
    /// let breaker = Breaker::new("orders", config, Instant::now())?;
    /// let answer = breaker.call_with_timer(tokio::time::sleep, query()).await;
    /// # Ok::<(), breakwatch_breaker::InvalidConfig>(()) };
    /// ```
    ///
    /// # Errors
    /// As [`Breaker::call`], and [`CallError::Timeout`]; then `future` was dropped.
    pub async fn call_with_timer<T, E, S: Future<Output = ()>>(
        &self,
        sleep: impl FnOnce(Duration) -> S,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        let Some(most) = self.config().call_timeout else { return self.call(future).await };
        let (permit, started) = self.start()?;
        let mut future = pin!(future);
        let mut timer = pin!(sleep(most));
        let ended = poll_fn(|context| {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(Some(result));
            }
            timer.as_mut().poll(context).map(|()| None)
        })
        .await;
        match ended {
            Some(result) => {
                self.finish(permit, started, errors_fail(&result));
                result.map_err(CallError::Failed)
            }
            None => {
                permit.record_with(Outcome::Timeout, now);
                Err(CallError::Timeout(most))
            }
        }
    }

    /// As [`Breaker::call`]; whatever goes wrong is handed to `fallback`, whose answer is given instead.
    ///
    /// ```
    /// # use breakwatch_breaker::{Breaker, Preset};
    /// # use std::time::Instant;
    /// # let _ = async {
    /// # async fn fetch() -> Result<u32, std::io::Error> { Ok(1) }
    /// # let breaker = Breaker::new("rates", Preset::Cache, Instant::now())?;
    /// let last_known = 42;
    /// let rate = breaker.call_with_fallback(fetch(), async |_why| Ok::<_, std::io::Error>(last_known)).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) };
    /// ```
    ///
    /// # Errors
    /// That of `fallback`.
    pub async fn call_with_fallback<T, E, F>(
        &self,
        future: impl Future<Output = Result<T, E>>,
        fallback: impl AsyncFnOnce(CallError<E>) -> Result<T, F>,
    ) -> Result<T, F> {
        match self.call(future).await {
            Ok(value) => Ok(value),
            Err(error) => fallback(error).await,
        }
    }

    /// As [`Breaker::call`], for code that is not async.
    ///
    /// ```
    /// # use breakwatch_breaker::{Breaker, Preset};
    /// # use std::time::Instant;
    /// let breaker = Breaker::new("disk", Preset::Database, Instant::now())?;
    /// let text = breaker.call_blocking(|| std::fs::read_to_string("/etc/hostname"));
    /// # Ok::<(), breakwatch_breaker::InvalidConfig>(())
    /// ```
    ///
    /// # Errors
    /// That of `operation`, or [`CallError::Rejected`]; then `operation` did not run.
    #[inline]
    pub fn call_blocking<T, E>(&self, operation: impl FnOnce() -> Result<T, E>) -> Result<T, CallError<E>> {
        let (permit, started) = self.start()?;
        let result = operation();
        self.finish(permit, started, errors_fail(&result));
        result.map_err(CallError::Failed)
    }

    /// Admits a call; its start is only looked at where a time-out makes it matter.
    #[inline]
    fn start<E>(&self) -> Result<(Permit<'_>, Option<Instant>), CallError<E>> {
        let permit = self.enter(now).map_err(CallError::Rejected)?;
        Ok((permit, self.config().call_timeout.map(|_| now())))
    }

    #[inline]
    fn finish(&self, permit: Permit<'_>, started: Option<Instant>, outcome: Outcome) {
        if let (Some(started), Some(most)) = (started, self.config().call_timeout) {
            let ended = now();
            let late = ended.saturating_duration_since(started) > most;
            permit.record(if late { Outcome::Timeout } else { outcome }, ended);
        } else {
            permit.end(outcome, now);
        }
    }
}

#[cfg(test)]
mod tests;
