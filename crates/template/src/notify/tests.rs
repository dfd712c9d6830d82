use super::*;
use crate::{Context, Escaping};

#[test]
fn every_shipped_file_is_a_template() {
    let set = default_templates().unwrap();
    assert!(
        set.contains("__subject") && set.contains("email.default.html") && set.contains("breakwatch.text")
    );
}

#[test]
fn renders_all_defaults() {
    let set = default_templates().unwrap();
    let labels = Labels::from_pairs([("alertname", "Down"), ("job", "api"), ("severity", "critical")]);
    let alert = Alert {
        labels: labels.clone(),
        annotations: Labels::from_pairs([("summary", "api is <down>"), ("runbook_url", "https://x/y?a=b c")]),
        starts_at: Timestamp::from_secs(100),
        ends_at: None,
        updated_at: Timestamp::from_secs(100),
        generator_url: "http://p/graph?g0.expr=up".into(),
    };
    let group = labels.filtered(|name| name == "alertname");
    let none = Labels::empty();
    let notice = Notice {
        receiver: "ops",
        alerts: &[alert],
        group_labels: &group,
        route_labels: &none,
        reason: "",
        external_url: "http://bw:9475",
    };
    let data = notice.to_value(Timestamp::from_secs(200));
    let context = Context::at(Timestamp::from_secs(200));
    for name in set.names() {
        if name.starts_with("__") || name.ends_with("tmpl") || name.contains("default.instances") {
            continue;
        }
        let escaping = if name.contains("html") { Escaping::Html } else { Escaping::None };
        match set.render(name, &data, escaping, &context) {
            Ok(text) => println!("== {name}\n{text}"),
            Err(error) => println!("!! {name}: {error}"),
        }
    }
}
