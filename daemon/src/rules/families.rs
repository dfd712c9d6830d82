//! Figures of each rule group, named as Prometheus names its own.

use breakwatch_alerts::rules::Group;
use breakwatch_model::{Labels, MetricFamily};

use super::Rules;

impl Rules {
    /// What is known of each group: its pace, its last evaluation and what it missed.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let groups = self.groups();
        let of_each = |family: MetricFamily, value: fn(&Group) -> f64| {
            groups.iter().fold(family, |family, group| {
                let name = format!("{};{}", group.file(), group.name());
                family.with(Labels::from_pairs([("rule_group", name.as_str())]), value(group))
            })
        };
        let gauge = MetricFamily::gauge;
        let families = vec![
            of_each(
                MetricFamily::counter(
                    "breakwatch_rule_group_iterations_missed_total",
                    "",
                    "Evaluations of a rule group that did not take place because the one before took too long.",
                ),
                |group| group.missed() as f64,
            ),
            of_each(
                gauge("breakwatch_rule_group_interval_seconds", "seconds", "How often a rule group is due."),
                |group| group.interval().as_secs_f64(),
            ),
            of_each(
                gauge(
                    "breakwatch_rule_group_last_duration_seconds",
                    "seconds",
                    "How long the last evaluation of a rule group took.",
                ),
                |group| group.evaluation_time().as_secs_f64(),
            ),
            of_each(
                gauge(
                    "breakwatch_rule_group_last_evaluation_timestamp_seconds",
                    "seconds",
                    "When a rule group was evaluated last.",
                ),
                |group| group.last_evaluation().as_secs_f64(),
            ),
        ];
        families.into_iter().filter(|family| !family.points.is_empty()).collect()
    }
}
