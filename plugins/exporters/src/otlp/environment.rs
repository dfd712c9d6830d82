//! The standard `OTEL_EXPORTER_OTLP_*` variables, for what the configuration leaves open. The variable of the
//! signal (`…_METRICS_…`) comes before the general one.

use std::time::Duration;

use percent_encoding::percent_decode_str;

/// Looks up a variable.
pub(super) type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// The variables that were set, as text.
#[derive(Debug, Default, PartialEq)]
pub(super) struct FromEnvironment {
    /// The base address.
    pub(super) endpoint: Option<String>,
    /// The full address for metrics.
    pub(super) metrics_endpoint: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) compression: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) insecure: Option<bool>,
    pub(super) ca_file: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key_file: Option<String>,
}

impl FromEnvironment {
    pub(super) fn read(variables: Variables<'_>) -> Self {
        // A variable that is set to nothing counts as not set (OpenTelemetry's rule for all of them).
        let get = |name: &str| variables(name).filter(|value| !value.trim().is_empty());
        let general = |name: &str| get(&format!("OTEL_EXPORTER_OTLP_{name}"));
        let either =
            |name: &str| get(&format!("OTEL_EXPORTER_OTLP_METRICS_{name}")).or_else(|| general(name));
        Self {
            endpoint: general("ENDPOINT"),
            metrics_endpoint: get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
            protocol: either("PROTOCOL"),
            headers: either("HEADERS").map(|text| read_headers(&text)).unwrap_or_default(),
            compression: either("COMPRESSION"),
            timeout: either("TIMEOUT").and_then(|text| text.parse().ok()).map(Duration::from_millis),
            insecure: either("INSECURE").map(|text| text.eq_ignore_ascii_case("true")),
            ca_file: either("CERTIFICATE"),
            cert_file: either("CLIENT_CERTIFICATE"),
            key_file: either("CLIENT_KEY"),
        }
    }
}

/// `name=value,name=value`, percent-encoded as in a W3C baggage.
fn read_headers(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).filter(|(name, _)| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signals_variable_comes_first() {
        let variables = |name: &str| {
            let value = match name {
                "OTEL_EXPORTER_OTLP_ENDPOINT" => "http://a:4318",
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" => "http://b:4318/x",
                "OTEL_EXPORTER_OTLP_HEADERS" => "api-key=a%20b, x = y ,nonsense",
                "OTEL_EXPORTER_OTLP_TIMEOUT" => "1500",
                "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT" => " ",
                "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION" => "none",
                "OTEL_EXPORTER_OTLP_COMPRESSION" => "gzip",
                "OTEL_EXPORTER_OTLP_INSECURE" => "True",
                _ => return None,
            };
            Some(value.to_owned())
        };
        assert_eq!(
            FromEnvironment::read(&variables),
            FromEnvironment {
                endpoint: Some("http://a:4318".to_owned()),
                metrics_endpoint: Some("http://b:4318/x".to_owned()),
                headers: vec![("api-key".to_owned(), "a b".to_owned()), ("x".to_owned(), "y".to_owned())],
                compression: Some("none".to_owned()),
                timeout: Some(Duration::from_millis(1500)),
                insecure: Some(true),
                ..FromEnvironment::default()
            }
        );
    }
}
