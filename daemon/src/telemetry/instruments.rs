//! The daemon's own bounded metrics, as OpenTelemetry instruments.
//!
//! The SDK collects them and hands each collection to a small exporter of ours, which turns it into metric
//! families: so `/metrics`, PromQL and OTLP all read the same numbers. Nothing here may carry a label per check or
//! per series: an instrument overflows at 2000 attribute sets. Data about checks and breakers goes through the
//! last-result table instead.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{MetricFamily, Status};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider as _};
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use parking_lot::Mutex;

use super::convert;

/// Upper bounds of duration histograms, in seconds: those the field uses for calls.
pub const DURATION_BOUNDS: [f64; 14] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// How often the SDK collects by itself; every reader of the families asks for a fresh collection anyway.
const COLLECTION_INTERVAL: Duration = Duration::from_secs(60);

/// The daemon's instruments. Cloning is cheap.
#[derive(Clone)]
pub struct Instruments {
    provider: SdkMeterProvider,
    latest: Latest,
    runs: Counter<u64>,
    missed: Counter<u64>,
    run_duration: Histogram<f64>,
    start_delay: Histogram<f64>,
    notifications: Counter<u64>,
    notifications_failed: Counter<u64>,
    notification_latency: Histogram<f64>,
    exported: Counter<u64>,
    export_failed: Counter<u64>,
    export_duration: Histogram<f64>,
    rule_evaluations: Counter<u64>,
    rule_failures: Counter<u64>,
    rule_duration: Histogram<f64>,
    http_requests: Counter<u64>,
    http_duration: Histogram<f64>,
    store_dropped: Counter<u64>,
    retries: Counter<u64>,
    fallbacks: Counter<u64>,
    reloads: Counter<u64>,
}

impl Instruments {
    /// Builds the meter provider and every instrument.
    #[must_use]
    pub fn new(resource: Resource) -> Self {
        Self::exporting(resource, None)
    }

    /// As [`Instruments::new`], with the SDK's own exporter beside ours, every so often.
    #[must_use]
    pub fn exporting(resource: Resource, exporter: Option<(MetricExporter, Duration)>) -> Self {
        let latest = Latest::default();
        let reader = PeriodicReader::builder(latest.clone()).with_interval(COLLECTION_INTERVAL).build();
        let mut builder = SdkMeterProvider::builder().with_resource(resource).with_reader(reader);
        if let Some((exporter, interval)) = exporter {
            builder = builder.with_reader(PeriodicReader::builder(exporter).with_interval(interval).build());
        }
        let provider = builder.build();
        let meter = provider.meter("breakwatch");
        let counter = |name, help| meter.u64_counter(name).with_description(help).build();
        let seconds = |name, help| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(help);
            histogram.with_boundaries(DURATION_BOUNDS.to_vec()).build()
        };
        Self {
            runs: counter("breakwatch_scheduler_runs", "Check runs by kind and status."),
            missed: counter(
                "breakwatch_scheduler_missed_runs",
                "Check runs that did not take place in time.",
            ),
            run_duration: seconds("breakwatch_scheduler_run_duration", "Duration of check runs by kind."),
            start_delay: seconds("breakwatch_scheduler_start_delay", "How late check runs started."),
            notifications: counter("breakwatch_notifications", "Notification attempts by integration."),
            notifications_failed: counter(
                "breakwatch_notifications_failed",
                "Failed notification attempts by integration and reason.",
            ),
            notification_latency: seconds(
                "breakwatch_notification_latency",
                "Duration of notification attempts by integration.",
            ),
            exported: counter("breakwatch_exporter_sent_points", "Points an exporter's peer accepted."),
            export_failed: counter(
                "breakwatch_exporter_failed_points",
                "Points an exporter could not send or its peer refused for good.",
            ),
            export_duration: seconds("breakwatch_exporter_duration", "Duration of export calls."),
            rule_evaluations: counter("breakwatch_rule_evaluations", "Rule evaluations."),
            rule_failures: counter("breakwatch_rule_evaluation_failures", "Rule evaluations that failed."),
            rule_duration: seconds("breakwatch_rule_group_duration", "Duration of rule group iterations."),
            http_requests: counter("breakwatch_http_requests", "HTTP requests by handler and code."),
            http_duration: seconds(
                "breakwatch_http_request_duration",
                "Duration of HTTP requests by handler.",
            ),
            store_dropped: counter(
                "breakwatch_store_dropped_samples",
                "Samples the store did not take, by reason.",
            ),
            retries: counter("breakwatch_retries", "Attempts after a failed one, by what was tried."),
            fallbacks: counter(
                "breakwatch_fallbacks",
                "Times another took over from what did not work, by what that was.",
            ),
            reloads: counter("breakwatch_config_reloads", "Configuration reloads by outcome."),
            provider,
            latest,
        }
    }

    /// A check run ended.
    pub fn run_ended(&self, kind: &str, status: Status, duration: Duration) {
        let kind = KeyValue::new("type", kind.to_owned());
        self.runs.add(1, &[kind.clone(), KeyValue::new("status", status.as_str())]);
        self.run_duration.record(duration.as_secs_f64(), &[kind]);
    }

    /// A check run started this late.
    pub fn run_started(&self, delay: Duration) {
        self.start_delay.record(delay.as_secs_f64(), &[]);
    }

    /// Runs of a check did not take place.
    pub fn runs_missed(&self, kind: &str, count: u64) {
        self.missed.add(count, &[KeyValue::new("type", kind.to_owned())]);
    }

    /// A notification was tried; `failure` is the bounded reason if it did not work.
    pub fn notified(&self, integration: &'static str, failure: Option<&'static str>, duration: Duration) {
        let integration = KeyValue::new("integration", integration);
        self.notifications.add(1, std::slice::from_ref(&integration));
        self.notification_latency.record(duration.as_secs_f64(), std::slice::from_ref(&integration));
        if let Some(reason) = failure {
            self.notifications_failed.add(1, &[integration, KeyValue::new("reason", reason)]);
        }
    }

    /// An export call ended.
    pub fn exported(&self, exporter: &str, sent: u64, failed: u64, duration: Duration) {
        let exporter = KeyValue::new("exporter", exporter.to_owned());
        self.exported.add(sent, std::slice::from_ref(&exporter));
        self.export_failed.add(failed, std::slice::from_ref(&exporter));
        self.export_duration.record(duration.as_secs_f64(), &[exporter]);
    }

    /// A rule group was evaluated.
    pub fn rules_evaluated(&self, rules: u64, failures: u64, duration: Duration) {
        self.rule_evaluations.add(rules, &[]);
        self.rule_failures.add(failures, &[]);
        self.rule_duration.record(duration.as_secs_f64(), &[]);
    }

    /// An HTTP request was answered.
    pub fn http_request(&self, handler: &str, code: u16, duration: Duration) {
        let handler = KeyValue::new("handler", handler.to_owned());
        self.http_requests.add(1, &[handler.clone(), KeyValue::new("code", i64::from(code))]);
        self.http_duration.record(duration.as_secs_f64(), &[handler]);
    }

    /// The store did not take samples.
    pub fn store_dropped(&self, reason: &'static str, count: u64) {
        self.store_dropped.add(count, &[KeyValue::new("reason", reason)]);
    }

    /// Something is tried again after it failed: `kind` is `check`, `notifier` or `exporter`, `of` its type.
    pub fn retried(&self, kind: &'static str, of: &str) {
        self.retries.add(1, &[KeyValue::new("kind", kind), KeyValue::new("type", of.to_owned())]);
    }

    /// Another took over from something that did not work.
    pub fn fell_back(&self, kind: &'static str, of: &str) {
        self.fallbacks.add(1, &[KeyValue::new("kind", kind), KeyValue::new("type", of.to_owned())]);
    }

    /// The configuration was reloaded, or not.
    pub fn reloaded(&self, ok: bool) {
        self.reloads.add(1, &[KeyValue::new("outcome", if ok { "success" } else { "failure" })]);
    }

    /// A fresh collection as metric families. Blocks for the moment the SDK's thread needs.
    #[must_use]
    pub fn collect(&self) -> Vec<MetricFamily> {
        if let Err(error) = self.provider.force_flush() {
            tracing::warn!(%error, "the daemon's own metrics could not be collected");
        }
        self.latest.0.lock().clone()
    }
}

/// Keeps the latest collection of the SDK.
#[derive(Clone, Default)]
struct Latest(Arc<Mutex<Vec<MetricFamily>>>);

impl PushMetricExporter for Latest {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        *self.0.lock() = convert::families(metrics);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruments_come_out_as_families_with_prometheus_names() {
        let instruments = Instruments::new(Resource::builder_empty().build());
        instruments.run_ended("http", Status::Healthy, Duration::from_millis(30));
        instruments.notified("slack", Some("serverError"), Duration::from_secs(2));
        let families = instruments.collect();
        let names: Vec<&str> = families.iter().map(|family| &*family.name).collect();
        assert!(names.contains(&"breakwatch_scheduler_runs_total"), "{names:?}");
        assert!(names.contains(&"breakwatch_scheduler_run_duration_seconds"), "{names:?}");
        let failed = families.iter().find(|f| &*f.name == "breakwatch_notifications_failed_total").unwrap();
        assert_eq!(failed.points[0].labels.to_string(), r#"{integration="slack", reason="serverError"}"#);
        assert_eq!(failed.points[0].value, 1.0);
    }
}
