//! The Alertmanager configuration: inline under `alerting`, or a file of its own.

use std::path::PathBuf;

use breakwatch_plugin_api::{Diagnostics, Node};

use crate::files::{base_dir, directory_of, resolve};
use crate::load::load_file;

/// Where alerts go. The tree is in Alertmanager's form and is read by its owner.
#[derive(Clone, Debug, Default)]
pub struct AlertingConfig {
    /// The configuration; `None` if nothing is configured.
    pub node: Option<Node>,
    /// The file it was read from, if it is one of its own.
    pub file: Option<PathBuf>,
    /// The directory relative paths in it (`api_url_file`, `templates`) are relative to.
    pub base_dir: PathBuf,
}

impl AlertingConfig {
    pub(crate) fn read(node: Option<&Node>, diagnostics: &Diagnostics) -> Self {
        let Some(node) = node else { return Self::default() };
        let Some(reference) = node.get("config_file") else {
            return Self { node: Some(node.clone()), file: None, base_dir: base_dir(&node.place) };
        };
        for (key, _) in
            node.as_map().unwrap_or_default().iter().filter(|(key, _)| &*key.name != "config_file")
        {
            diagnostics.error(
                &key.place,
                format!(
                    "`{}` cannot stand beside `config_file`: the file is the whole configuration",
                    key.name
                ),
            );
        }
        let Some(path) = reference.as_str() else {
            diagnostics.error(&reference.place, format!("expected a path, found {}", reference.describe()));
            return Self::default();
        };
        let file = resolve(path, &reference.place);
        if !file.is_file() {
            diagnostics.error(&reference.place, format!("there is no file {}", file.display()));
            return Self::default();
        }
        // Alertmanager knows no substitution, so an existing file means what it says.
        let node = load_file(&file, diagnostics);
        Self { node, base_dir: directory_of(&file), file: Some(file) }
    }
}
