//! Labels and annotations of alerting rules.
//!
//! Prometheus puts a prelude of variables before each text; here they are simply in scope, so that error positions point
//! into the user's own text. Only [`RuleTemplate::expand_or_error`], whose result is an annotation people compare with
//! Prometheus', counts columns as if the prelude were there.

use std::sync::{Arc, LazyLock};

use breakwatch_model::Labels;

use crate::context::Context;
use crate::error::TemplateError;
use crate::func::Functions;
use crate::options::Escaping;
use crate::set::{Template, TemplateSet};
use crate::value::{Element, Type, Value};

/// What Prometheus puts before every text.
const PRELUDE: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// The variables of the prelude, in its order.
const VARIABLES: [&str; 4] = ["$labels", "$externalLabels", "$externalURL", "$value"];

static SET: LazyLock<TemplateSet> = LazyLock::new(|| TemplateSet::new(Arc::new(Functions::prometheus())));

/// The data of a rule's texts has no name in Go, so messages spell it out.
static DATA: Type = Type::plain(
    "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }",
    Element::Any,
);

/// A label or annotation of a rule, read once.
#[derive(Clone, Debug)]
pub struct RuleTemplate {
    text: Arc<str>,
    /// `None` for a text without actions, which is most labels.
    template: Option<Template>,
}

impl RuleTemplate {
    /// Reads a text of the alert `alert`.
    ///
    /// # Errors
    /// The text is no template, or uses an unknown function or variable.
    pub fn parse(alert: &str, text: &str) -> Result<Self, TemplateError> {
        let template = if text.contains("{{") {
            Some(SET.parse_with(&format!("__alert_{alert}"), text, &VARIABLES)?)
        } else {
            None
        };
        Ok(Self { text: text.into(), template })
    }

    /// The text as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text for one alert.
    ///
    /// # Errors
    /// It failed on the data or ran into a limit.
    pub fn expand(&self, data: &RuleData, context: &Context<'_>) -> Result<String, TemplateError> {
        match &self.template {
            None => Ok((*self.text).to_owned()),
            Some(template) => SET.render_with(template, &data.data, &data.variables, Escaping::None, context),
        }
    }

    /// The text for one alert; if that fails, the error in its place as Prometheus shows it, beside the error itself.
    pub fn expand_or_error(&self, data: &RuleData, context: &Context<'_>) -> (String, Option<TemplateError>) {
        match self.expand(data, context) {
            Ok(text) => (text, None),
            Err(error) => {
                let name = self.template.as_ref().map_or("", Template::name);
                let shown = error.clone().shifted(PRELUDE.len());
                let text = format!("<error expanding template: error executing template {name}: {shown}>");
                (text, Some(error))
            }
        }
    }
}

/// What the texts of one alert are about; made once for all of them.
#[derive(Clone, Debug)]
pub struct RuleData {
    data: Value,
    variables: Vec<(Arc<str>, Value)>,
}

impl RuleData {
    /// `labels` are those of the rule's result, `value` its value: a float, or a histogram's text.
    #[must_use]
    pub fn new(labels: &Labels, external_labels: &Labels, external_url: &str, value: Value) -> Self {
        static NAMES: LazyLock<[Arc<str>; 4]> = LazyLock::new(|| VARIABLES.map(Arc::from));
        let values = [Value::from(labels), Value::from(external_labels), external_url.into(), value];
        let fields = ["Labels", "ExternalLabels", "ExternalURL", "Value"];
        let variables = NAMES.iter().cloned().zip(values.iter().cloned()).collect();
        Self { data: Value::record(&DATA, fields.into_iter().zip(values).collect()), variables }
    }
}

/// Reads and expands a text at once, for callers that keep nothing. `context` carries the time, the query engine and the
/// external URL, which the data take from it.
///
/// # Errors
/// See [`RuleTemplate::parse`] and [`RuleTemplate::expand`].
pub fn expand_rule_text(
    alert: &str,
    text: &str,
    labels: &Labels,
    external_labels: &Labels,
    value: f64,
    context: &Context<'_>,
) -> Result<String, TemplateError> {
    let data = RuleData::new(labels, external_labels, context.external_url, value.into());
    RuleTemplate::parse(alert, text)?.expand(&data, context)
}
