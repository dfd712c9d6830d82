//! Times in parameters.

use breakwatch_model::Timestamp;
use breakwatch_plugin_api::parse_duration;

use super::error::ApiError;

/// A time (seconds or RFC 3339), or a span back from now.
///
/// # Errors
/// What was expected of the parameter `name`.
pub(super) fn moment(name: &str, text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let seconds = || text.parse().ok().filter(|n: &f64| n.is_finite()).map(Timestamp::from_secs_f64);
    let span = || parse_duration(text).map(|span| now - span);
    seconds().or_else(|| Timestamp::parse_rfc3339(text)).or_else(span).ok_or_else(|| {
        ApiError::bad_data(format!("{name} {text:?}: expected seconds, RFC 3339 or a span such as 24h"))
    })
}
