//! The templates every configuration may use without defining them.
//!
//! Those with Alertmanager's names come out as Alertmanager's do, so that a configuration that relies on its defaults
//! keeps its messages; those that begin with `breakwatch.` say more: reason, evidence, runbook and dashboard.

use std::sync::{Arc, LazyLock};

use crate::error::TemplateError;
use crate::func::Functions;
use crate::set::TemplateSet;

/// File name and text of each shipped file; a later one may use the definitions of an earlier.
const FILES: [(&str, &str); 3] = [
    ("default.tmpl", include_str!("../../templates/default.tmpl")),
    ("email.tmpl", include_str!("../../templates/email.tmpl")),
    ("breakwatch.tmpl", include_str!("../../templates/breakwatch.tmpl")),
];

static DEFAULTS: LazyLock<Result<TemplateSet, TemplateError>> = LazyLock::new(|| {
    let mut set = TemplateSet::new(Arc::new(Functions::alertmanager()));
    for (name, text) in FILES {
        set.add(name, text)?;
    }
    Ok(set)
});

/// A set with all default templates, to which a configuration adds its own files.
///
/// # Errors
/// Never with the files that are shipped; a test reads them all.
pub fn default_templates() -> Result<TemplateSet, TemplateError> {
    DEFAULTS.clone()
}
