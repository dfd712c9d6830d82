//! Templates that know each other.
//!
//! A set is filled from several files, as Alertmanager's `templates:` names them; a later definition of a name replaces
//! an earlier one from another file. Reading happens once, running often: a set is shared between threads and a run
//! changes nothing in it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::context::Context;
use crate::error::{Stage, TemplateError};
use crate::exec::{self, Program};
use crate::func::Functions;
use crate::options::{Escaping, MissingKey};
use crate::parse::ast::{Node, Tree};
use crate::parse::parse;
use crate::value::Value;

/// Named templates that may call each other.
#[derive(Clone, Debug)]
pub struct TemplateSet {
    functions: Arc<Functions>,
    missing_key: MissingKey,
    trees: HashMap<Arc<str>, Arc<Tree>>,
}

impl TemplateSet {
    /// An empty set whose templates may call `functions`.
    #[must_use]
    pub fn new(functions: Arc<Functions>) -> Self {
        Self { functions, missing_key: MissingKey::default(), trees: HashMap::new() }
    }

    /// Says what a missing key reads as.
    #[must_use]
    pub fn with_missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// Replaces the functions for what is read and run from now on; those the set's templates call must stay.
    #[must_use]
    pub fn with_functions(mut self, functions: Arc<Functions>) -> Self {
        self.functions = functions;
        self
    }

    /// Adds the templates of a file: those it defines, and under `name` what stands outside of them.
    ///
    /// # Errors
    /// The text is no template, or calls a function that does not exist. The set is then unchanged.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), TemplateError> {
        for (name, tree) in self.read(name, text, &[])? {
            // What is blank, such as the rest of a file of definitions, replaces nothing.
            let blank = tree.root.iter().all(Node::is_blank);
            if !blank || !self.trees.contains_key(&name) {
                self.trees.insert(name, Arc::new(tree));
            }
        }
        Ok(())
    }

    fn read(
        &self,
        name: &str,
        text: &str,
        declared: &[&str],
    ) -> Result<HashMap<Arc<str>, Tree>, TemplateError> {
        parse(&name.into(), text, declared, &|name| self.functions.contains(name))
    }

    /// Reads a text that may call the templates of this set but does not become one of them, such as an option
    /// `title: '{{ template "slack.default.title" . }}'`.
    ///
    /// # Errors
    /// The text is no template, or calls a function that does not exist.
    pub fn parse(&self, name: &str, text: &str) -> Result<Template, TemplateError> {
        self.parse_with(name, text, &[])
    }

    /// Reads a text that has variables beside `$`.
    pub(crate) fn parse_with(
        &self,
        name: &str,
        text: &str,
        declared: &[&str],
    ) -> Result<Template, TemplateError> {
        let trees = self.read(name, text, declared)?.into_iter();
        let own = trees.map(|(name, tree)| (name, Arc::new(tree))).collect();
        Ok(Template { name: name.into(), own, text: text.into() })
    }

    /// Checks that every template a text calls exists, which otherwise shows only when it runs. A text of an option is
    /// checked once all files are added.
    ///
    /// # Errors
    /// The first call of a template that neither the text nor the set defines.
    pub fn check_calls(&self, template: &Template) -> Result<(), TemplateError> {
        let known = |name: &str| template.own.contains_key(name) || self.contains(name);
        template.own.values().try_for_each(|tree| tree.check_calls(&known))
    }

    /// Checks that every template the set's own templates call exists.
    ///
    /// # Errors
    /// The first call, by name of the caller, of a template that does not exist.
    pub fn check_own_calls(&self) -> Result<(), TemplateError> {
        let mut trees: Vec<&Arc<Tree>> = self.trees.values().collect();
        trees.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        trees.into_iter().try_for_each(|tree| tree.check_calls(&|name| self.contains(name)))
    }

    /// The names of the templates, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.trees.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// Whether there is a template of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    /// Runs the template `name`.
    ///
    /// # Errors
    /// There is no such template, it failed on the data, or it ran into a limit.
    pub fn render(
        &self,
        name: &str,
        data: &Value,
        escaping: Escaping,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        let Some(tree) = self.trees.get(name) else {
            let reason = format!("template {} not defined", crate::fmt::quoted(name));
            return Err(TemplateError::unplaced(Stage::Execute, name, reason));
        };
        let lookup = |name: &str| self.trees.get(name).map(|tree| &**tree);
        exec::run(self.program(&lookup, escaping), tree, data, &[], context)
    }

    /// Runs a text that was read with [`TemplateSet::parse`].
    ///
    /// # Errors
    /// It failed on the data or ran into a limit.
    pub fn render_template(
        &self,
        template: &Template,
        data: &Value,
        escaping: Escaping,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        self.render_with(template, data, &[], escaping, context)
    }

    /// Reads a text and runs it at once. An empty text is an empty result.
    ///
    /// # Errors
    /// See [`TemplateSet::parse`] and [`TemplateSet::render`].
    pub fn render_text(
        &self,
        name: &str,
        text: &str,
        data: &Value,
        escaping: Escaping,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        if !text.contains("{{") && escaping == Escaping::None {
            return Ok(text.to_owned());
        }
        self.render_template(&self.parse(name, text)?, data, escaping, context)
    }

    /// Runs a text with variables in scope beside `$`.
    pub(crate) fn render_with(
        &self,
        template: &Template,
        data: &Value,
        variables: &[(Arc<str>, Value)],
        escaping: Escaping,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        let Some(tree) = template.own.get(&template.name) else { return Ok(String::new()) };
        let lookup = |name: &str| template.own.get(name).or_else(|| self.trees.get(name)).map(|tree| &**tree);
        exec::run(self.program(&lookup, escaping), tree, data, variables, context)
    }

    fn program<'t>(
        &'t self,
        lookup: &'t dyn Fn(&str) -> Option<&'t Tree>,
        escaping: Escaping,
    ) -> Program<'t> {
        Program { lookup, functions: &self.functions, missing_key: self.missing_key, escaping }
    }
}

/// A text that was read and can be run with the set it was read by.
#[derive(Clone, Debug)]
pub struct Template {
    name: Arc<str>,
    own: HashMap<Arc<str>, Arc<Tree>>,
    text: Arc<str>,
}

impl Template {
    /// The name given at reading.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
