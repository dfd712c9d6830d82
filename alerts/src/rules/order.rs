//! Which rules of a group read what others of it write.
//!
//! Every rule must see what the rules before it wrote. Writing after each rule would see to that, but thousands of small
//! writes cost more than the rules; so what rules write gathers until one comes along that may read some of it.

use std::collections::HashSet;

use breakwatch_model::{METRIC_NAME, MatchOp};
use breakwatch_template::RuleTemplate;

use super::{AlertConfig, RuleConfig};

/// For each rule whether it may read what rules before it have written since the last rule that did.
pub(super) fn reads_earlier(rules: &[RuleConfig]) -> Vec<bool> {
    let mut gathered: HashSet<&str> = HashSet::new();
    let mut answer = Vec::with_capacity(rules.len());
    for rule in rules {
        let reads = !gathered.is_empty() && may_read(rule, &gathered);
        if reads {
            gathered.clear();
        }
        answer.push(reads);
        match rule {
            RuleConfig::Alert(_) => gathered.extend(["ALERTS", "ALERTS_FOR_STATE"]),
            RuleConfig::Record(rule) => {
                gathered.insert(&rule.name);
            }
        }
    }
    answer
}

fn may_read(rule: &RuleConfig, written: &HashSet<&str>) -> bool {
    let query = match rule {
        RuleConfig::Record(rule) => &rule.query,
        RuleConfig::Alert(rule) if asks(rule) => return true,
        RuleConfig::Alert(rule) => &rule.query,
    };
    query.expr().selectors().into_iter().any(|selector| {
        let names = || selector.matchers.iter().filter(|matcher| matcher.name() == METRIC_NAME);
        match names().find(|matcher| matcher.op() == MatchOp::Equal) {
            Some(name) => written.contains(name.value()),
            // A selector without a name could read anything.
            None => written.iter().any(|written| names().all(|matcher| matcher.matches(written))),
        }
    })
}

/// Whether a text of the rule asks the store by itself.
fn asks(rule: &AlertConfig) -> bool {
    let mut templates = rule.labels.iter().chain(&rule.annotations);
    templates.any(|(_, template): &(_, RuleTemplate)| template.text().contains("query"))
}

#[cfg(test)]
mod tests {
    use breakwatch_plugin_api::Diagnostics;
    use breakwatch_promql::{Engine, EngineOptions};

    use crate::rules::RuleFile;
    use crate::testing::node;

    #[test]
    fn only_readers_wait_for_writers() {
        let text = "
groups:
  - name: g
    rules:
      - { record: a, expr: x }
      - { record: b, expr: y }
      - { record: c, expr: a + x }
      - { record: d, expr: b }
      - { record: e, expr: d + 1 }
      - { alert: F, expr: x > 0 }
      - { alert: G, expr: x > 0, annotations: { s: '{{ query \"z\" }}' } }
      - { alert: H, expr: 'count(ALERTS) > 1' }
      - { alert: I, expr: '{__name__=~\"q.*\"}' }
      - { alert: J, expr: '{job=\"a\"} > 0' }
";
        let engine = Engine::new(EngineOptions::default());
        let file = RuleFile::read("t", &node(text), &engine, &Diagnostics::new()).unwrap();
        let reads = super::reads_earlier(&file.groups[0].rules);
        // `d` reads `b`, but that was handed over together with `a`, before `c`.
        assert_eq!(reads, [false, false, true, false, true, false, true, true, false, true]);
    }
}
