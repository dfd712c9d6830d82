//! `degraded: { latency: 500ms, certificate_days: 21 }` and its `unhealthy:` twin: limits named by what they
//! limit, for kinds whose target is judged by more than one number.

use std::time::Duration;

use breakwatch_model::FailureReason;
use breakwatch_plugin_api::{Field, Levels, Recorder, Section, Unit};

/// The limits of a network check.
#[derive(Default, Debug)]
pub(crate) struct Limits {
    /// From the first lookup to the last byte, in seconds.
    latency: Option<Levels>,
    /// Days until the certificate expires.
    certificate_days: Option<Levels>,
}

/// The settings, for kinds that see a certificate.
pub(crate) const FIELDS: [Field; 2] = [
    Field {
        name: "degraded",
        kind: "mapping",
        default: "",
        help: "When the target counts as degraded: `latency` (the whole run takes this long or longer), \
               `certificate_days` (the certificate expires in so many days or fewer).",
    },
    Field {
        name: "unhealthy",
        kind: "mapping",
        default: "",
        help: "When the target counts as unhealthy: `latency`, `certificate_days`.",
    },
];

/// The settings, for kinds without certificates.
pub(crate) const LATENCY_FIELDS: [Field; 2] = [
    Field {
        name: "degraded",
        kind: "mapping",
        default: "",
        help: "When the target counts as degraded: `latency` (the whole run takes this long or longer).",
    },
    Field {
        name: "unhealthy",
        kind: "mapping",
        default: "",
        help: "When the target counts as unhealthy: `latency`.",
    },
];

impl Limits {
    /// Reads `degraded` and `unhealthy`; `certificates` says whether the kind sees any.
    pub(crate) fn read(section: &mut Section<'_>, certificates: bool) -> Self {
        let (degraded_latency, degraded_days) = read_one(section, "degraded", certificates);
        let (unhealthy_latency, unhealthy_days) = read_one(section, "unhealthy", certificates);
        let limits = Self {
            latency: levels(Unit::Seconds, degraded_latency, unhealthy_latency),
            certificate_days: levels(Unit::Number, degraded_days, unhealthy_days),
        };
        for levels in [&limits.latency, &limits.certificate_days].into_iter().flatten() {
            let (Some(degraded), Some(unhealthy)) = (levels.degraded, levels.unhealthy) else { continue };
            if if levels.below { degraded < unhealthy } else { degraded > unhealthy } {
                let what = if levels.below { "certificate_days" } else { "latency" };
                section.error_at(
                    "degraded",
                    format!("`{what}` lies beyond that of `unhealthy`: degraded could never be seen"),
                );
            }
        }
        limits
    }

    /// Whether a limit on the certificate is set.
    pub(crate) fn wants_certificate(&self) -> bool {
        self.certificate_days.is_some()
    }

    /// Judges how long the run took.
    pub(crate) fn judge_latency(&self, rec: &mut Recorder, took: Duration) {
        if let Some(levels) = &self.latency {
            rec.judge("latency", FailureReason::Latency, took.as_secs_f64(), levels);
        }
    }

    /// Judges the days the certificate has left.
    pub(crate) fn judge_certificate(&self, rec: &mut Recorder, days: f64) {
        if let Some(levels) = &self.certificate_days {
            rec.judge("certificate_days", FailureReason::Certificate, days, levels);
        }
    }
}

fn read_one(section: &mut Section<'_>, key: &'static str, certificates: bool) -> (Option<f64>, Option<f64>) {
    let Some(mut inner) = section.section(key) else { return (None, None) };
    let latency = inner.duration("latency").map(|latency| latency.as_secs_f64());
    let days = if certificates { inner.number("certificate_days") } else { None };
    inner.finish();
    (latency, days)
}

fn levels(unit: Unit, degraded: Option<f64>, unhealthy: Option<f64>) -> Option<Levels> {
    (degraded.is_some() || unhealthy.is_some()).then_some(Levels {
        unit,
        degraded,
        unhealthy,
        // Fewer days are worse, more seconds are.
        below: unit == Unit::Number,
        recover: 0.0,
    })
}
