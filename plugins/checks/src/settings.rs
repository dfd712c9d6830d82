//! The common way from a section to a check.

use breakwatch_plugin_api::{Check, Diagnostics, Node, Section};

/// Opens the section, lets `read` take its keys, reports the unknown ones, and hands the check on only if this
/// section brought no error: mistakes elsewhere in the configuration are not its business.
pub(crate) fn read<C: Check + 'static>(
    node: &Node,
    diagnostics: &Diagnostics,
    read: impl FnOnce(&mut Section<'_>) -> Option<C>,
) -> Option<Box<dyn Check>> {
    let before = diagnostics.error_count();
    let mut section = Section::open(node, diagnostics)?;
    let check = read(&mut section);
    section.finish();
    let check = check?;
    (diagnostics.error_count() == before).then(|| Box::new(check) as Box<dyn Check>)
}
