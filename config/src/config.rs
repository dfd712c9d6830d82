//! The whole configuration, typed. Immutable: a reload builds another and compares.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use breakwatch_plugin_api::{ComponentId, Diagnostics, Node, Section};

use crate::alerting::AlertingConfig;
use crate::bulkheads::BulkheadsConfig;
use crate::check::{self, CheckConfig};
use crate::components::{self, ExporterConfig, ReceiverConfig};
use crate::defaults::Defaults;
use crate::dependencies;
use crate::embedded;
use crate::load::load_merged;
use crate::rules::RulesConfig;
use crate::server::ServerConfig;
use crate::store::StoreConfig;
use crate::substitute::Environment;
use crate::tables::Tables;
use crate::telemetry::TelemetryConfig;

/// Everything the daemon was told.
pub struct Config {
    /// What applies where a check says nothing.
    pub defaults: Defaults,
    /// Checks and groups by id.
    pub checks: BTreeMap<ComponentId, CheckConfig>,
    /// How many runs may be under way at once, by kind of check and by host.
    pub bulkheads: BulkheadsConfig,
    /// Rule files and how they are evaluated.
    pub rules: RulesConfig,
    /// The Alertmanager configuration; its owner reads the node.
    pub alerting: AlertingConfig,
    /// Exporters by id; their owner reads the node again with its real resource.
    pub exporters: BTreeMap<ComponentId, ExporterConfig>,
    /// Receivers of foreign data by id; their owner reads the node.
    pub receivers: BTreeMap<ComponentId, ReceiverConfig>,
    /// Where history and state are kept, and for how long.
    pub store: StoreConfig,
    /// The listener.
    pub server: ServerConfig,
    /// The daemon's own logs, spans and metrics.
    pub telemetry: TelemetryConfig,
    /// The files it was read from, drop-ins left out; empty for the embedded one.
    pub files: Vec<PathBuf>,
    /// The merged tree, with secrets: print it only by [`crate::print_config`].
    pub(crate) node: Node,
}

impl Config {
    /// Reads and merges configuration files; without any, the embedded default. Every mistake is in
    /// `diagnostics`; `None` if there was an error.
    #[must_use]
    pub fn load(
        paths: &[PathBuf],
        tables: &Tables<'_>,
        environment: Environment<'_>,
        diagnostics: &Diagnostics,
    ) -> Option<Self> {
        if paths.is_empty() {
            return Self::embedded(ServerConfig::default().listen, tables, diagnostics);
        }
        let node = load_merged(paths, environment, diagnostics)?;
        let mut config = Self::read(node, tables, diagnostics)?;
        config.files = paths.to_vec();
        Some(config)
    }

    /// The embedded default of a daemon that listens on this address: it watches the host, and itself there.
    #[must_use]
    pub fn embedded(listen: SocketAddr, tables: &Tables<'_>, diagnostics: &Diagnostics) -> Option<Self> {
        let node = embedded::load(listen, tables, diagnostics)?;
        let mut config = Self::read(node, tables, diagnostics)?;
        config.server.listen = listen;
        Some(config)
    }

    /// Types a merged tree. Every mistake is in `diagnostics`; `None` if an error was found, then or before.
    #[must_use]
    pub fn read(node: Node, tables: &Tables<'_>, diagnostics: &Diagnostics) -> Option<Self> {
        let mut config = Self::read_sections(&node, tables, diagnostics)?;
        dependencies::check(&config.checks, diagnostics);
        if !diagnostics.has_errors() {
            dependencies::leave_out_disabled(&mut config.checks, diagnostics);
        }
        (!diagnostics.has_errors()).then(|| Self { node, ..config })
    }

    /// Reads section by section; with mistakes the result is good only for finding more of them.
    fn read_sections(node: &Node, tables: &Tables<'_>, diagnostics: &Diagnostics) -> Option<Self> {
        let mut root = Section::open(node, diagnostics)?;
        let defaults = Defaults::read(root.section("defaults"));
        let checks = check::read_all(root.get("checks"), &defaults, tables.checks, diagnostics);
        let config = Self {
            bulkheads: BulkheadsConfig::read(root.get("bulkheads"), tables.checks, diagnostics),
            rules: RulesConfig::read(root.section("rules")),
            alerting: AlertingConfig::read(root.get("alerting"), diagnostics),
            exporters: components::read_exporters(root.get("exporters"), tables.exporters, diagnostics),
            receivers: components::read_receivers(root.get("receivers"), tables.receivers, diagnostics),
            store: StoreConfig::read(root.section("store")),
            server: ServerConfig::read(root.section("server")),
            telemetry: TelemetryConfig::read(root.section("telemetry")),
            files: Vec::new(),
            node: Node::empty_map(node.place.clone()),
            defaults,
            checks,
        };
        root.finish();
        Some(config)
    }
}
