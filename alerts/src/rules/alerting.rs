//! An alerting rule: the elements of an expression's result become alerts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{Alert, Labels, METRIC_NAME, Sample, Timestamp};
use breakwatch_promql::VectorSample;
use breakwatch_template::{Context, QuerySample, RuleData, RuleTemplate};
use parking_lot::Mutex;

use super::active::{ActiveAlert, ActiveState};
use super::evidence::{Evidence, StartGrace};
use super::output::Environment;
use super::recording::query;
use super::{AlertConfig, state};

/// How an evaluation is to be done.
pub(super) struct Moment<'a> {
    pub(super) at: Timestamp,
    pub(super) offset: Duration,
    pub(super) limit: usize,
    pub(super) interval: Duration,
    pub(super) resend_delay: Duration,
    pub(super) env: &'a Environment<'a>,
    /// After a start: until when absence and presence need fresh samples to count.
    pub(super) grace: Option<StartGrace>,
}

/// An alerting rule with its instances.
#[derive(Debug)]
pub(super) struct AlertingRule {
    pub(super) config: AlertConfig,
    /// Its instances, by labels.
    pub(super) active: Mutex<HashMap<Labels, ActiveAlert>>,
    /// The stem of its records' keys.
    pub(super) key: String,
    /// Whether any of its texts is a template at all.
    dynamic: bool,
}

/// What a rule's expression gave.
pub(super) struct Found {
    elements: Elements,
    evidence: Evidence,
}

/// The elements of a result, by the labels of their alerts.
type Elements = HashMap<Labels, Element>;

/// An instance's fresh texts and value.
struct Element {
    annotations: Labels,
    value: f64,
}

impl AlertingRule {
    pub(super) fn new(config: AlertConfig, key: String) -> Self {
        let mut templates = config.labels.iter().chain(&config.annotations);
        let dynamic = templates.any(|(_, template)| template.text().contains("{{"));
        Self { config, active: Mutex::default(), key, dynamic }
    }

    /// Evaluates the expression and expands the texts.
    ///
    /// # Errors
    /// The expression failed, or two elements gave the same alert.
    pub(super) fn find(&self, moment: &Moment<'_>) -> Result<Found, String> {
        let vector = query(moment.env, &self.config.query, moment.at - moment.offset)?;
        let elements = self.expand(vector, moment)?;
        let evidence = match moment.grace.filter(|_| self.is_in_doubt(&elements)) {
            Some(grace) => Evidence::read(grace, &self.config.query, moment.at, moment.env),
            None => Evidence::default(),
        };
        Ok(Found { elements, evidence })
    }

    /// Whether anything may happen that needs evidence during the grace after a start.
    fn is_in_doubt(&self, elements: &Elements) -> bool {
        let active = self.active.lock();
        let fires = |labels| active.get(labels).is_some_and(|known| known.state == ActiveState::Firing);
        active.values().any(|instance| instance.restored) || !elements.keys().all(fires)
    }

    /// Lets instances begin, fire and end by what was found. Gives the samples to write.
    ///
    /// # Errors
    /// There are too many instances: every one is dropped, as in Prometheus.
    pub(super) fn advance(
        &self,
        active: &mut HashMap<Labels, ActiveAlert>,
        found: Found,
        moment: &Moment<'_>,
        changes: &mut state::Changes,
    ) -> Result<Vec<(Labels, Sample)>, String> {
        let Found { mut elements, mut evidence } = found;
        for (labels, element) in &mut elements {
            let annotations = std::mem::take(&mut element.annotations);
            match active.entry(labels.clone()) {
                Entry::Occupied(mut known) if known.get().state != ActiveState::Inactive => {
                    let known = known.get_mut();
                    known.value = element.value;
                    known.annotations = annotations;
                    if known.keep_firing_since.take().is_some() {
                        changes.touch(labels);
                    }
                }
                entry => {
                    let new = ActiveAlert::begin(labels.clone(), annotations, element.value, moment.at);
                    entry.insert_entry(new);
                    changes.touch(labels);
                }
            }
        }
        let count = self.move_on(active, &elements, &mut evidence, moment.at, changes);
        if moment.limit > 0 && count > moment.limit {
            for labels in std::mem::take(active).into_keys() {
                changes.drop(&labels);
            }
            return Err(format!("exceeded limit of {} with {count} alerts", moment.limit));
        }
        Ok(samples(active, moment.at - moment.offset))
    }

    /// Moves every instance on; gives how many are pending or firing.
    fn move_on(
        &self,
        active: &mut HashMap<Labels, ActiveAlert>,
        found: &Elements,
        evidence: &mut Evidence,
        at: Timestamp,
        changes: &mut state::Changes,
    ) -> usize {
        let config = &self.config;
        let mut count = 0;
        active.retain(|labels, instance| {
            let holds = found.contains_key(labels);
            let in_doubt = instance.restored || (holds && instance.state == ActiveState::Pending);
            let evidence = !in_doubt || evidence.stands_behind(labels);
            if evidence {
                instance.restored = false;
            }
            if !holds && instance.state == ActiveState::Inactive {
                let forgotten = instance.forgotten(at);
                if forgotten {
                    changes.drop(labels);
                }
                return !forgotten;
            }
            if !holds && evidence {
                if instance.state == ActiveState::Pending {
                    changes.drop(labels);
                    return false;
                }
                let was_kept = instance.keep_firing_since.is_some();
                if !instance.kept(config.keep_firing_for, at) {
                    instance.end(at);
                    changes.touch(labels);
                    return true;
                }
                if !was_kept {
                    changes.touch(labels);
                }
            }
            count += 1;
            if instance.state == ActiveState::Pending
                && holds
                && evidence
                && at >= instance.active_at + config.hold
            {
                instance.state = ActiveState::Firing;
                instance.fired_at = Some(at);
                changes.touch(labels);
            }
            true
        });
        count
    }

    /// The alerts of a result, with labels and texts expanded.
    fn expand(&self, vector: Vec<VectorSample>, moment: &Moment<'_>) -> Result<Elements, String> {
        let env = moment.env;
        let ask = |text: &str| -> Result<Vec<QuerySample>, String> {
            let prepared = env.engine.prepare(text).map_err(|error| error.to_string())?;
            let elements = query(env, &prepared, moment.at)?;
            let plain =
                |element: VectorSample| QuerySample { labels: element.labels, value: element.sample.v };
            Ok(elements.into_iter().map(plain).collect())
        };
        let mut context = Context::at(moment.at);
        context.external_url = env.external_url;
        context.query = Some(&ask);
        let mut found = HashMap::with_capacity(vector.len());
        for element in vector {
            let value = element.sample.v;
            let data = self
                .dynamic
                .then(|| RuleData::new(&element.labels, env.external_labels, env.external_url, value.into()));
            let mut labels = element.labels.to_builder();
            labels.remove(METRIC_NAME);
            for (name, template) in &self.config.labels {
                labels.set(Arc::clone(name), self.text(name, template, data.as_ref(), &context));
            }
            labels.set("alertname", Arc::clone(&self.config.name));
            let annotations = self.config.annotations.iter();
            let annotations = annotations
                .map(|(name, template)| {
                    (Arc::clone(name), self.text(name, template, data.as_ref(), &context))
                })
                .collect();
            let known = found.insert(labels.build(), Element { annotations, value });
            if known.is_some() {
                let message = "vector contains metrics with the same labelset after applying alert labels";
                return Err(message.to_owned());
            }
        }
        Ok(found)
    }

    /// A text; one that fails does not stop the alert.
    fn text(
        &self,
        name: &str,
        template: &RuleTemplate,
        data: Option<&RuleData>,
        context: &Context<'_>,
    ) -> String {
        let Some(data) = data else { return template.text().to_owned() };
        let (text, error) = template.expand_or_error(data, context);
        if let Some(error) = error {
            tracing::warn!(alert = %self.config.name, name, %error, "expanding an alert's template failed");
        }
        text
    }

    /// The alerts to send after an evaluation, by labels.
    pub(super) fn take_due(
        &self,
        active: &mut HashMap<Labels, ActiveAlert>,
        moment: &Moment<'_>,
    ) -> Vec<Alert> {
        let (at, resend_delay) = (moment.at, moment.resend_delay);
        let valid_until = at + resend_delay.max(moment.interval) * 4;
        let generator_url = generator_url(moment.env.external_url, self.config.query.text());
        let mut alerts = Vec::new();
        for instance in active.values_mut().filter(|instance| instance.needs_sending(resend_delay, at)) {
            instance.last_sent = Some(at);
            alerts.push(Alert {
                labels: instance.labels.clone(),
                annotations: instance.annotations.clone(),
                starts_at: instance.fired_at.unwrap_or(instance.active_at),
                ends_at: Some(instance.resolved_at.unwrap_or(valid_until)),
                updated_at: at,
                generator_url: generator_url.clone(),
            });
        }
        alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
        alerts
    }

    /// The labels of the instances that are firing.
    pub(super) fn firing(&self) -> Vec<Labels> {
        let active = self.active.lock();
        let firing = active.values().filter(|instance| instance.state == ActiveState::Firing);
        firing.map(|instance| instance.labels.clone()).collect()
    }

    /// Pending and firing instances, by labels.
    pub(super) fn alerts(&self) -> Vec<ActiveAlert> {
        let active = self.active.lock();
        let shown = active.values().filter(|instance| instance.state != ActiveState::Inactive);
        let mut alerts: Vec<ActiveAlert> = shown.cloned().collect();
        drop(active);
        alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
        alerts
    }
}

/// `ALERTS` and `ALERTS_FOR_STATE` of everything pending or firing.
fn samples(active: &HashMap<Labels, ActiveAlert>, at: Timestamp) -> Vec<(Labels, Sample)> {
    let mut samples = Vec::new();
    for instance in active.values().filter(|instance| instance.state != ActiveState::Inactive) {
        let mut labels = instance.labels.to_builder();
        labels.set(METRIC_NAME, "ALERTS").set("alertstate", instance.state.as_str());
        samples.push((labels.build(), Sample::new(at, 1.0)));
        let labels = instance.labels.with(METRIC_NAME, "ALERTS_FOR_STATE");
        samples.push((labels, Sample::new(at, instance.active_at.secs() as f64)));
    }
    samples
}

/// The page that shows the expression, as Prometheus links to its own.
fn generator_url(external_url: &str, expression: &str) -> String {
    let mut encoded = String::with_capacity(expression.len() * 2);
    for byte in expression.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("{external_url}/graph?g0.expr={encoded}&g0.tab=1")
}
