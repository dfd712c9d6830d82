//! Which groups and rules `/api/v1/rules` shows: the filters and pages of Prometheus, in its words.

use breakwatch_alerts::rules::{Group, RuleView};
use breakwatch_model::Matcher;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::error::ApiError;
use super::query::{Params, invalid};
use super::rules_view::describe_rule;
use super::series_api::selectors;

/// What a request wants to see.
pub(super) struct Wanted {
    /// Alerting rules, recording rules, or both.
    alerting: Option<bool>,
    rules: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    labels: Vec<Vec<Matcher>>,
    with_alerts: bool,
    /// Which page of the groups.
    pub(super) page: Page,
}

impl Wanted {
    /// Reads `type`, `rule_name[]`, `rule_group[]`, `file[]`, `match[]`, `exclude_alerts` and the page.
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let alerting = match params.get("type").map(str::to_lowercase).as_deref() {
            None | Some("") => None,
            Some("alert") => Some(true),
            Some("record") => Some(false),
            Some(other) => return Err(invalid("type", &format!("not supported value {other:?}"))),
        };
        let all = |name: &str| params.all(name).map(str::to_owned).collect::<Vec<_>>();
        Ok(Self {
            alerting,
            rules: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            labels: selectors(params)?,
            with_alerts: !excludes_alerts(params)?,
            page: Page::read(params)?,
        })
    }

    /// A group with its wanted rules; nothing if filters leave none of them.
    pub(super) fn describe(&self, group: &Group) -> Option<Value> {
        let named =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|known| known == name);
        if !named(&self.groups, group.name()) || !named(&self.files, group.file()) {
            return None;
        }
        let views = group.rules();
        let rules: Vec<Value> = views
            .iter()
            .filter(|rule| named(&self.rules, &rule.name) && self.takes(rule))
            .map(|rule| describe_rule(rule, self.with_alerts))
            .collect();
        if rules.is_empty() && !views.is_empty() {
            return None;
        }
        Some(json!({
            "name": group.name(),
            "file": group.file(),
            "rules": rules,
            "interval": group.interval().as_secs_f64(),
            "limit": group.limit(),
            "evaluationTime": group.evaluation_time().as_secs_f64(),
            "lastEvaluation": group.last_evaluation().to_rfc3339(),
        }))
    }

    fn takes(&self, rule: &RuleView) -> bool {
        self.alerting.is_none_or(|wanted| rule.alerting.is_some() == wanted)
            && (self.labels.is_empty()
                || self
                    .labels
                    .iter()
                    .any(|all| all.iter().all(|matcher| matcher.matches_labels(&rule.labels))))
    }
}

/// A boolean as Go reads it.
fn excludes_alerts(params: &Params) -> Result<bool, ApiError> {
    match params.get("exclude_alerts").unwrap_or("") {
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        other => {
            let reason = format!("strconv.ParseBool: parsing {other:?}: invalid syntax");
            Err(invalid("exclude_alerts", &format!("error converting exclude_alerts: {reason}")))
        }
    }
}

/// Names a group between two requests.
pub(super) fn token(group: &Group) -> String {
    hex::encode(Sha256::digest(format!("{};{}", group.file(), group.name())))
}

/// A page of a list of groups.
#[derive(Debug)]
pub(super) struct Page {
    /// The most groups on it.
    limit: Option<usize>,
    /// The first group of it.
    from: Option<String>,
}

impl Page {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let given = |name: &str| params.get(name).filter(|text| !text.is_empty());
        let limit = match given("group_limit").map(str::parse::<i64>) {
            None => None,
            Some(Err(error)) => {
                let reason = format!("group_limit needs to be a valid number: {error}");
                return Err(invalid("group_limit", &reason));
            }
            Some(Ok(number)) => match usize::try_from(number) {
                Ok(limit) if limit > 0 => Some(limit),
                _ => return Err(invalid("group_limit", "group_limit needs to be greater than 0")),
            },
        };
        let from = given("group_next_token").map(str::to_owned);
        if from.is_some() && limit.is_none() {
            let reason = "group_limit needs to be present in order to paginate over the groups";
            return Err(invalid("group_next_token", reason));
        }
        Ok(Self { limit, from })
    }

    /// The items on this page, each given with its token, and the token of the first one of the next page.
    pub(super) fn cut<T>(
        &self,
        items: impl Iterator<Item = (String, T)>,
    ) -> Result<(Vec<T>, Option<String>), ApiError> {
        let mut items =
            items.skip_while(|(token, _)| self.from.as_ref().is_some_and(|from| from != token)).peekable();
        if let (Some(from), None) = (&self.from, items.peek()) {
            let reason = format!("invalid group_next_token '{from}'. were rule groups changed?");
            return Err(invalid("group_next_token", &reason));
        }
        let limit = self.limit.unwrap_or(usize::MAX);
        let page = items.by_ref().take(limit).map(|(_, item)| item).collect();
        Ok((page, items.next().map(|(token, _)| token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let items = || ["a", "b", "c"].into_iter().map(|name| (name.to_owned(), name));
        let page = |pairs: &[(&str, &str)]| Page::read(&Params::from_pairs(pairs.iter().copied()));
        let first = page(&[("group_limit", "2")]).unwrap().cut(items()).unwrap();
        assert_eq!(first, (vec!["a", "b"], Some("c".to_owned())));
        let second = page(&[("group_limit", "2"), ("group_next_token", "c")]).unwrap().cut(items()).unwrap();
        assert_eq!(second, (vec!["c"], None));
        let lost = page(&[("group_limit", "2"), ("group_next_token", "x")]).unwrap().cut(items());
        assert!(lost.unwrap_err().message.contains("were rule groups changed?"));
        assert!(page(&[("group_limit", "0")]).unwrap_err().message.contains("greater than 0"));
        assert!(page(&[("group_next_token", "c")]).unwrap_err().message.contains("needs to be present"));
    }
}
