//! Which results are failures of the dependency.

use crate::Outcome;

/// Judges the result of a call. Closures of `&Result<Response, Error>` are judges too.
pub trait Classify<Response, Error> {
    /// What the result says about the dependency.
    fn classify(&self, result: &Result<Response, Error>) -> Outcome;
}

impl<Response, Error, F: Fn(&Result<Response, Error>) -> Outcome> Classify<Response, Error> for F {
    fn classify(&self, result: &Result<Response, Error>) -> Outcome {
        self(result)
    }
}

/// Every error is a failure, every response a success.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorsFail;

impl<Response, Error> Classify<Response, Error> for ErrorsFail {
    #[inline]
    fn classify(&self, result: &Result<Response, Error>) -> Outcome {
        if result.is_ok() { Outcome::Success } else { Outcome::Failure }
    }
}

/// Every error is a failure, and every response with a status of 500 or above. One of 400 to 499 is the
/// caller's fault, so the service that gave it is well.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerErrorsFail;

impl<Body, Error> Classify<http::Response<Body>, Error> for ServerErrorsFail {
    #[inline]
    fn classify(&self, result: &Result<http::Response<Body>, Error>) -> Outcome {
        match result {
            Ok(response) if response.status().as_u16() < 500 => Outcome::Success,
            Ok(_) | Err(_) => Outcome::Failure,
        }
    }
}
