//! The configuration: text to a positioned tree, the tree to a typed [`Config`], every mistake at its place.
//!
//! In this order, each step knowing nothing of the next:
//! 1. [`load_text`]: YAML to a [`Node`](breakwatch_plugin_api::Node) tree with places (`yaml`);
//! 2. [`substitute()`]: `${env:…}` and `${file:…}` in its values;
//! 3. [`load_merged`]: several files and their `conf.d`, laid over each other;
//! 4. [`Config::read`]: the tree to types, with the plugins' own readers for their own sections;
//! 5. [`print_config`]: back to text for people, with the defaults that apply and without secrets.
//!
//! Reading goes on after a mistake, so that one run finds them all. No plugin is known here: the tables of
//! kinds are an argument. No YAML crate is known elsewhere.

mod alerting;
mod breaker;
mod bulkheads;
mod check;
mod components;
mod config;
mod defaults;
mod dependencies;
mod effective;
mod embedded;
mod files;
mod load;
mod merge;
mod print;
mod probing;
mod redact;
mod rules;
mod server;
mod store;
mod substitute;
mod tables;
mod telemetry;
mod values;
mod yaml;

pub use alerting::AlertingConfig;
pub use breaker::{BreakerSettings, BreakerWindow};
pub use bulkheads::{BulkheadLimits, BulkheadsConfig};
pub use check::group::{Group, MinHealthy};
pub use check::{COMMON_FIELDS, CheckConfig, CheckKind};
pub use components::{ExporterConfig, ReceiverConfig};
pub use config::Config;
pub use defaults::Defaults;
pub use effective::{print_check, print_config};
pub use load::{DROP_IN_DIR, load_file, load_merged};
pub use probing::ProbeWhenOpen;
pub use redact::redact;
pub use rules::{RulesConfig, expand_patterns};
pub use server::{AuthConfig, Password, Role, ServerConfig, TlsFiles, Token, User};
pub use store::StoreConfig;
pub use substitute::{Environment, process_environment, substitute};
pub use tables::Tables;
pub use telemetry::{LogFormat, LogLevel, OtlpProtocol, TelemetryConfig, TelemetryOtlp};
pub use yaml::load_text;
