//! Parameters of a request: those of the body first, then those of the query string, as Prometheus reads them.

use std::time::Duration;

use axum::RequestExt as _;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};
use breakwatch_model::Timestamp;
use breakwatch_promql::duration::parse_duration;

use crate::http::error::{ApiError, ErrorKind};

/// Names and values in the order given.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let decode = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<Vec<_>>();
        let in_url = decode(request.uri().query().unwrap_or("").as_bytes());
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let form = content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let mut all = Vec::new();
        if request.method() == Method::POST && form {
            let body: Result<axum::body::Bytes, _> = request.extract().await;
            let body = body.map_err(|error| ApiError::new(ErrorKind::TooLarge, error.to_string()))?;
            all = decode(&body);
        }
        all.extend(in_url);
        Ok(Self(all))
    }
}

impl Params {
    /// Parameters as given.
    #[cfg(test)]
    pub(in crate::http) fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The first value of a parameter.
    #[must_use]
    pub(in crate::http) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter.
    pub(in crate::http) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A time: seconds since the epoch or RFC 3339.
    fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        parse_time(text)
            .map(Some)
            .ok_or_else(|| invalid(name, &format!("cannot parse {text:?} to a valid timestamp")))
    }

    /// A time that has a default, with the error Prometheus gives for those.
    ///
    /// # Errors
    /// When it is no time.
    pub(in crate::http) fn time_or(&self, name: &str, default: Timestamp) -> Result<Timestamp, ApiError> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else { return Ok(default) };
        parse_time(text).ok_or_else(|| {
            let reason =
                format!("Invalid time value for '{name}': cannot parse {text:?} to a valid timestamp");
            invalid(name, &reason)
        })
    }

    /// A time that must be given.
    ///
    /// # Errors
    /// When it is missing or no time.
    pub(in crate::http) fn required_time(&self, name: &str) -> Result<Timestamp, ApiError> {
        let missing = || invalid(name, "cannot parse \"\" to a valid timestamp");
        self.time(name)?.ok_or_else(missing)
    }

    /// A duration: seconds or Prometheus' form.
    ///
    /// # Errors
    /// When it is neither.
    pub(in crate::http) fn duration(&self, name: &str) -> Result<Option<Duration>, ApiError> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let invalid = || invalid(name, &format!("cannot parse {text:?} to a valid duration"));
        if let Ok(seconds) = text.parse::<f64>() {
            if seconds < 0.0 {
                return Ok(Some(Duration::ZERO));
            }
            return Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| invalid());
        }
        parse_duration(text).map(Some).map_err(|_| invalid())
    }

    /// A duration that must be given.
    ///
    /// # Errors
    /// When it is missing or no duration.
    pub(in crate::http) fn required_duration(&self, name: &str) -> Result<Duration, ApiError> {
        self.duration(name)?.ok_or_else(|| invalid(name, "cannot parse \"\" to a valid duration"))
    }

    /// A limit on results; 0 means none.
    ///
    /// # Errors
    /// When it is no whole number or negative.
    pub(in crate::http) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit").filter(|text| !text.is_empty()) else { return Ok(0) };
        let wrong = || invalid("limit", &format!("strconv.Atoi: parsing {text:?}: invalid syntax"));
        let number = text.parse::<i64>().map_err(|_| wrong())?;
        usize::try_from(number).map_err(|_| invalid("limit", "limit must be non-negative"))
    }
}

/// The error for a wrong parameter, in Prometheus' words.
pub(in crate::http) fn invalid(name: &str, reason: &str) -> ApiError {
    ApiError::bad_data(format!("invalid parameter {name:?}: {reason}"))
}

fn parse_time(text: &str) -> Option<Timestamp> {
    // Beyond this a time in milliseconds no longer fits.
    const MAX_SECONDS: f64 = 9.0e15;
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds.abs() < MAX_SECONDS => {
            Some(Timestamp::from_secs_f64(seconds))
        }
        Ok(_) => None,
        Err(_) => Timestamp::parse_rfc3339(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn times_and_durations_in_every_form() {
        let given = params(&[("start", "1700000000.1234"), ("end", "2023-11-14T22:13:20Z"), ("step", "15")]);
        assert_eq!(given.required_time("start").unwrap(), Timestamp(1_700_000_000_123));
        assert_eq!(given.required_time("end").unwrap(), Timestamp(1_700_000_000_000));
        assert_eq!(given.required_duration("step").unwrap(), Duration::from_secs(15));
        assert_eq!(params(&[("step", "1m30s")]).required_duration("step").unwrap(), Duration::from_secs(90));
    }

    #[test]
    fn what_is_wrong_is_said_in_prometheus_words() {
        let message = |result: Result<Timestamp, ApiError>| result.unwrap_err().message;
        let expected = r#"invalid parameter "start": cannot parse "soon" to a valid timestamp"#;
        assert_eq!(message(params(&[("start", "soon")]).required_time("start")), expected);
        let limit = params(&[("limit", "-1")]).limit().unwrap_err().message;
        assert_eq!(limit, r#"invalid parameter "limit": limit must be non-negative"#);
        let limit = params(&[("limit", "x")]).limit().unwrap_err().message;
        assert_eq!(limit, r#"invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax"#);
        let time = params(&[("time", "x")]).time_or("time", Timestamp(0)).unwrap_err().message;
        let expected = "Invalid time value for 'time': cannot parse \"x\" to a valid timestamp";
        assert_eq!(time, format!("invalid parameter \"time\": {expected}"));
    }
}
