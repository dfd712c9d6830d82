//! The user's own texts: Go templates over Alertmanager's data.
//!
//! A template that fails when a message is due must not cost the page: the caller falls back to the standard text
//! and the log says why. What can be found at load (a mistake in the text, a template that does not exist) is an
//! error of the configuration.

use std::sync::Arc;

use breakwatch_model::{Alert, Labels, Timestamp};
use breakwatch_plugin_api::{Diagnostics, Notification, Place};
use breakwatch_template::{
    Context, Escaping, Functions, Notice, Template, TemplateError, TemplateSet, Value, default_templates,
};

/// The templates that are there without anyone writing one, and those of the user's files.
#[derive(Clone)]
pub(crate) struct Templates {
    all: Arc<TemplateSet>,
    user: Arc<TemplateSet>,
    mistakes: Vec<TemplateError>,
}

/// A text, with or without template actions.
#[derive(Clone)]
pub(crate) struct Text(Kind);

#[derive(Clone)]
enum Kind {
    Literal(String),
    Template { set: Arc<TemplateSet>, template: Arc<Template> },
}

/// A message as templates see it.
pub(crate) struct Data {
    value: Value,
    now: Timestamp,
    external_url: String,
}

impl Templates {
    /// Reads the user's files, given as (file name, text).
    pub(crate) fn load(files: &[(String, String)]) -> Self {
        let functions = Arc::new(Functions::alertmanager());
        let mut mistakes = Vec::new();
        let mut all = default_templates().unwrap_or_else(|error| {
            mistakes.push(error);
            TemplateSet::new(Arc::clone(&functions))
        });
        let mut user = TemplateSet::new(functions);
        for (name, text) in files {
            mistakes.extend(all.add(name, text).err());
            // What is wrong with it has just been noted.
            let _ = user.add(name, text);
        }
        Self { all: Arc::new(all), user: Arc::new(user), mistakes }
    }

    /// Reports the mistakes in the user's files, each in its file.
    pub(crate) fn report(&self, diagnostics: &Diagnostics) {
        for mistake in &self.mistakes {
            let place = Place {
                file: mistake.source_name().into(),
                line: mistake.line(),
                column: mistake.column(),
                path: "templates".into(),
            };
            diagnostics.error(&place, mistake.reason());
        }
    }

    /// Whether the user's files define a template of this name.
    pub(crate) fn defines(&self, name: &str) -> bool {
        self.user.contains(name)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn compile(&self, source: &str) -> Result<Text, String> {
        if !source.contains("{{") {
            return Ok(Text(Kind::Literal(source.to_owned())));
        }
        let template = self.all.parse("", source).map_err(|error| error.reason().to_owned())?;
        let text = Text(Kind::Template { set: Arc::clone(&self.all), template: Arc::new(template) });
        // Whether a template it calls exists shows only when it runs.
        match text.run(&Data::example(), Escaping::None) {
            Err(error) if error.reason().contains("not defined") => Err(error.reason().to_owned()),
            _ => Ok(text),
        }
    }
}

impl Text {
    /// The text for a message.
    ///
    /// # Errors
    /// What failed.
    pub(crate) fn render(&self, data: &Data) -> Result<String, String> {
        self.run(data, Escaping::None).map_err(|error| error.to_string())
    }

    /// The text for a message as HTML: what the template prints is escaped for the place it is printed in.
    ///
    /// # Errors
    /// What failed.
    pub(crate) fn render_html(&self, data: &Data) -> Result<String, String> {
        self.run(data, Escaping::Html).map_err(|error| error.to_string())
    }

    /// Whether the text is empty whatever the message.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Literal(text) if text.is_empty())
    }

    fn run(&self, data: &Data, escaping: Escaping) -> Result<String, TemplateError> {
        match &self.0 {
            Kind::Literal(text) => Ok(text.clone()),
            Kind::Template { set, template } => {
                let context = Context { external_url: &data.external_url, ..Context::at(data.now) };
                set.render_template(template, &data.value, escaping, &context)
            }
        }
    }
}

impl Data {
    /// The data of a message. `escape` is applied to everything that comes from alerts, so that what is markup in
    /// the user's text stays markup and what is data stays data.
    pub(crate) fn new(notification: &Notification, escape: &dyn Fn(&str) -> String) -> Self {
        let labels = |labels: &Labels| {
            Labels::from_pairs(labels.iter().map(|(name, value)| (escape(name), escape(value))))
        };
        let alert = |alert: &Alert| Alert {
            labels: labels(&alert.labels),
            annotations: labels(&alert.annotations),
            generator_url: escape(&alert.generator_url),
            ..alert.clone()
        };
        let alerts: Vec<Alert> = notification.alerts.iter().map(alert).collect();
        let notice = Notice {
            receiver: &notification.receiver,
            alerts: &alerts,
            group_labels: &labels(&notification.group_labels),
            route_labels: &Labels::empty(),
            reason: notification.transition.map_or("", |transition| transition.as_str()),
            external_url: &notification.external_url,
        };
        let now = notification.created_at;
        Self { value: notice.to_value(now), now, external_url: notification.external_url.clone() }
    }

    /// A message about one alert, for trying a text out at load.
    fn example() -> Self {
        let now = Timestamp::from_secs(0);
        let labels = Labels::from_pairs([("alertname", "Example"), ("check", "http/example")]);
        let alert = Alert {
            labels: labels.clone(),
            annotations: Labels::from_pairs([("summary", "an example")]),
            starts_at: now,
            ends_at: None,
            updated_at: now,
            generator_url: String::new(),
        };
        let notice = Notice {
            receiver: "example",
            alerts: &[alert],
            group_labels: &labels,
            route_labels: &Labels::empty(),
            reason: "",
            external_url: "",
        };
        Self { value: notice.to_value(now), now, external_url: String::new() }
    }
}

/// The user's text; nothing (and a line in the log) if it fails.
pub(crate) fn own(text: &Text, data: &Data, notification: &Notification) -> Option<String> {
    match text.render(data) {
        Ok(text) => Some(text),
        Err(mistake) => {
            tracing::warn!(receiver = %notification.receiver, integration = %notification.integration, %mistake,
                "a template of the receiver failed; the standard text goes out");
            None
        }
    }
}

/// The user's text, or the standard one if there is none or it fails.
pub(crate) fn or_default(
    text: Option<&Text>,
    data: &Data,
    notification: &Notification,
    default: impl FnOnce() -> String,
) -> String {
    text.and_then(|text| own(text, data, notification)).unwrap_or_else(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample;

    fn templates() -> Templates {
        Templates::load(&[(
            "own.tmpl".to_owned(),
            r#"{{ define "own" }}<{{ .Status }}>{{ end }}"#.to_owned(),
        )])
    }

    #[test]
    fn the_users_files_and_the_shipped_ones_are_there() {
        let templates = templates();
        assert_eq!((templates.defines("own"), templates.defines("slack.default.title")), (true, false));
        let render = |source: &str| {
            templates.compile(source).and_then(|text| text.render(&Data::new(&sample(None), &str::to_owned)))
        };
        assert_eq!(render(r#"{{ template "own" . }}"#).unwrap(), "<firing>");
        let title = render(r#"{{ template "slack.default.title" . }}"#).unwrap();
        assert!(title.starts_with("[FIRING:1] page (CheckUnhealthy http/website "), "{title}");
        assert_eq!(render("{{ .CommonLabels.check }}").unwrap(), "http/website");
        assert_eq!(render("plain").unwrap(), "plain");
    }

    #[test]
    fn mistakes_are_found_at_load() {
        let templates = templates();
        assert!(templates.compile("{{ .Status").is_err());
        assert!(templates.compile("{{ nofunction }}").is_err());
        let missing = templates.compile(r#"{{ template "nowhere" . }}"#).err().unwrap();
        assert!(missing.contains("nowhere"), "{missing}");
        let bad = Templates::load(&[("bad.tmpl".to_owned(), "{{ define }}".to_owned())]);
        let diagnostics = Diagnostics::new();
        bad.report(&diagnostics);
        let found = diagnostics.into_sorted().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(found.len() == 1 && found[0].starts_with("bad.tmpl:1:"), "{found:?}");
    }

    #[test]
    fn only_data_is_escaped() {
        let text = templates().compile("<b>{{ .CommonAnnotations.evidence }}</b>").unwrap();
        let escape = |text: &str| text.replace('<', "&lt;");
        let escaped = text.render(&Data::new(&sample(None), &escape)).unwrap();
        assert!(escaped.starts_with("<b>status: 503\nbody: &lt;h1>"), "{escaped}");
    }

    #[test]
    fn a_failing_template_falls_back() {
        let text = templates().compile("{{ index .Alerts 7 }}").unwrap();
        let data = Data::new(&sample(None), &str::to_owned);
        assert_eq!(or_default(Some(&text), &data, &sample(None), || "standard".to_owned()), "standard");
    }
}
