//! Rule files as the configuration names them, and those shipped with the daemon.

use std::path::Path;

use breakwatch_alerts::SHIPPED_RULES;
use breakwatch_alerts::rules::{Defaults, RuleConfig, RuleFile};
use breakwatch_config::RulesConfig;
use breakwatch_model::Labels;
use breakwatch_plugin_api::Diagnostics;
use breakwatch_promql::Engine;

/// Every rule file, checked, with what applies to groups that say nothing.
#[derive(Default)]
pub struct RuleFiles {
    /// The files.
    pub files: Vec<RuleFile>,
    /// Settings for groups that do not say otherwise.
    pub defaults: Defaults,
    /// `$externalLabels`.
    pub external_labels: Labels,
}

impl RuleFiles {
    /// Reads the files; mistakes go to `diagnostics`.
    #[must_use]
    pub fn read(config: &RulesConfig, diagnostics: &Diagnostics) -> Self {
        let engine = Engine::default();
        let mut files = Vec::new();
        if config.shipped {
            for (name, text) in SHIPPED_RULES {
                let node = breakwatch_config::load_text(name, text, diagnostics);
                files.extend(node.and_then(|node| RuleFile::read(name, &node, &engine, diagnostics)));
            }
        }
        for path in config.expand(diagnostics) {
            files.extend(read_file(&path, &engine, diagnostics));
        }
        let defaults = Defaults { interval: config.evaluation_interval, ..Defaults::default() };
        Self { files, defaults, external_labels: config.external_labels.clone() }
    }

    /// How many rules there are.
    #[must_use]
    pub fn count(&self) -> usize {
        let groups = self.files.iter().flat_map(|file| &file.groups);
        groups.map(|group| group.rules.iter().map(|_: &RuleConfig| 1).sum::<usize>()).sum()
    }
}

fn read_file(path: &Path, engine: &Engine, diagnostics: &Diagnostics) -> Option<RuleFile> {
    let node = breakwatch_config::load_file(path, diagnostics)?;
    RuleFile::read(&path.display().to_string(), &node, engine, diagnostics)
}
