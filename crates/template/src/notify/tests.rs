use super::*;
use crate::{Context, Escaping, TemplateSet};

/// After everything in these tests.
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Label pairs, annotation pairs, start and end in milliseconds, source.
type Raw = (
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
    i64,
    Option<i64>,
    &'static str,
);

const CRITICAL: Raw = (
    &[("alertname", "Down"), ("job", "api"), ("severity", "critical"), ("zone", "a")],
    &[("summary", "api <down>"), ("description", "it's off")],
    1_700_000_000_123,
    None,
    "http://p/graph?g0.expr=up&x=1",
);
const WARNING: Raw = (
    &[("alertname", "Down"), ("job", "api"), ("severity", "warning")],
    &[("summary", "api <down>")],
    1_700_000_100_000,
    None,
    "",
);
const OVER: Raw = (
    &[("alertname", "Down"), ("job", "db"), ("severity", "info")],
    &[],
    1_700_000_000_000,
    Some(1_700_000_300_000),
    "http://p/",
);

fn alert((labels, annotations, start, end, url): Raw) -> Alert {
    Alert {
        labels: Labels::from_pairs(labels.iter().copied()),
        annotations: Labels::from_pairs(annotations.iter().copied()),
        starts_at: Timestamp(start),
        ends_at: end.map(Timestamp),
        updated_at: Timestamp(start),
        generator_url: url.to_owned(),
    }
}

fn value(receiver: &str, group: &[(&'static str, &'static str)], alerts: &[Raw]) -> Value {
    let alerts: Vec<Alert> = alerts.iter().copied().map(alert).collect();
    let notice = Notice {
        receiver,
        alerts: &alerts,
        group_labels: &Labels::from_pairs(group.iter().copied()),
        route_labels: &Labels::from_pairs([("team", "core")]),
        reason: "first",
        external_url: "http://bw.example:9475/x",
    };
    notice.to_value(NOW)
}

fn render(set: &TemplateSet, text: &str, data: &Value, escaping: Escaping) -> String {
    match set.render_text("test", text, data, escaping, &Context::at(NOW)) {
        Ok(text) => text,
        Err(error) => format!("error: {error}"),
    }
}

fn text(template: &str, data: &Value) -> String {
    render(&default_templates().unwrap(), template, data, Escaping::None)
}

#[test]
fn no_default_calls_a_template_that_does_not_exist() {
    assert_eq!(default_templates().unwrap().check_own_calls(), Ok(()));
}

/// The files hold what Alertmanager 0.34 made of the same alerts.
#[test]
fn the_defaults_come_out_as_alertmanagers() {
    let group: &[(&str, &str)] = &[("alertname", "Down")];
    let cases: [(&str, Value); 3] = [
        (
            include_str!("../../testdata/notify/mixed.txt"),
            value("a/b (c)+", group, &[CRITICAL, WARNING, OVER]),
        ),
        (
            include_str!("../../testdata/notify/firing.txt"),
            value("ops", &[("alertname", "Down"), ("job", "api")], &[CRITICAL]),
        ),
        (include_str!("../../testdata/notify/resolved.txt"), value("ops", &[], &[OVER])),
    ];
    let set = default_templates().unwrap();
    for (golden, data) in cases {
        for section in golden.split("=== ").skip(1) {
            let (name, want) = section.split_once('\n').unwrap();
            let is_list = name.starts_with("__text") || name.ends_with("instances");
            let dot = if is_list { ".Alerts" } else { "." };
            let call = format!("{{{{ template \"{name}\" {dot} }}}}");
            assert_eq!(render(&set, &call, &data, Escaping::None) + "\n", want, "{name}");
        }
    }
}

#[test]
fn label_sets_have_alertmanagers_methods() {
    let data = value("ops", &[("alertname", "Down")], &[CRITICAL, WARNING]);
    for (template, want) in [
        ("{{ .CommonLabels.SortedPairs }}", "alertname=Down, job=api"),
        ("{{ .CommonLabels }}", "alertname=Down, job=api"),
        (
            "{{ .CommonLabels.Names | join \",\" }} {{ .CommonLabels.Values.Join \":\" }}",
            "alertname,job Down:api",
        ),
        ("{{ .CommonLabels.Remove .GroupLabels.Names }}", "job=api"),
        ("{{ .CommonLabels.Remove (stringSlice \"job\" \"x\") }}", "alertname=Down"),
        ("{{ (index .CommonLabels.SortedPairs 1).Name }}", "job"),
        ("{{ .CommonLabels.severity }}|{{ .CommonAnnotations.summary }}", "|api <down>"),
        ("{{ len .Alerts.Firing }} {{ len .Alerts.Resolved }} {{ .Status }}", "2 0 firing"),
        ("{{ .NotificationReason }} {{ routeLabels \"team\" }} {{ routeLabels \"x\" }}|", "first core |"),
        ("{{ (index .Alerts 0).EndsAt.IsZero }} {{ (index .Alerts 0).Fingerprint | len }}", "true 16"),
        (
            "{{ range .Alerts }}{{ .StartsAt.Format \"15:04:05.000\" }} {{ end }}",
            "22:13:20.123 22:15:00.000 ",
        ),
        (
            "{{ toJson (index .Alerts 1) }}",
            r#"{"status":"firing","labels":{"alertname":"Down","job":"api","severity":"warning"},"annotations":{"summary":"api \u003cdown\u003e"},"startsAt":"2023-11-14T22:15:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"9ae2b4fe81b2d6d6"}"#,
        ),
    ] {
        let got = text(template, &data);
        // The digest itself is tested where it is made.
        let cut = |text: &str| text.split("\"fingerprint\"").next().unwrap_or_default().to_owned();
        assert_eq!(cut(&got), cut(want), "{template}");
    }
}

#[test]
fn the_status_is_firing_while_one_alert_is() {
    assert_eq!(text("{{ .Status }}", &value("ops", &[], &[OVER, WARNING])), "firing");
    assert_eq!(text("{{ .Status }}", &value("ops", &[], &[OVER])), "resolved");
    assert_eq!(text("{{ .Status }}{{ len .CommonLabels }}", &value("ops", &[], &[])), "resolved0");
}

#[test]
fn a_label_cannot_break_out_of_the_mail() {
    let hostile: Raw = (
        &[("alertname", "</td><script>alert(1)</script>"), ("x", "\" onclick=\"evil()")],
        &[("summary", "<img src=x onerror=y>"), ("runbook_url", "javascript:alert(1)")],
        0,
        None,
        "javascript:alert(2)",
    );
    let data = value("ops", &[("alertname", "</td><script>alert(1)</script>")], &[hostile]);
    let set = default_templates().unwrap();
    for name in ["email.default.html", "breakwatch.html"] {
        let page = render(&set, &format!("{{{{ template \"{name}\" . }}}}"), &data, Escaping::Html);
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        for bad in ["<script", "<img src=x", "\" onclick", "javascript:"] {
            let escaped = page.replace("runbook_url = javascript:", "");
            assert!(!escaped.contains(bad), "{name} lets {bad} through:\n{page}");
        }
        assert!(page.contains("#ZgotmplZ") && page.contains("&lt;img src=x onerror=y&gt;"), "{page}");
    }
}

#[test]
fn our_messages_say_why_and_what_to_do() {
    let facts: Raw = (
        &[("alertname", "CheckFailed"), ("check", "http/website"), ("severity", "critical")],
        &[
            ("summary", "website does not answer"),
            ("reason", "timeout"),
            ("evidence", "phase=connect, after=5s"),
            ("runbook_url", "https://wiki/website"),
            ("dashboard_url", "https://grafana/d/1"),
        ],
        1_799_999_100_000,
        None,
        "http://bw/graph",
    );
    let data = value("ops", &[("check", "http/website")], &[facts]);
    assert_eq!(
        text("{{ template \"breakwatch.title\" . }}", &data),
        "[FIRING:1] critical: website does not answer"
    );
    assert_eq!(
        text("{{ template \"breakwatch.text\" . }}", &data),
        "FIRING website does not answer\nReason: timeout\nEvidence: phase=connect, after=5s\n\
         Since: 2027-01-15 07:45:00 UTC (for 15m 0s)\nRunbook: https://wiki/website\n\
         Dashboard: https://grafana/d/1\nSource: http://bw/graph\n\nhttp://bw.example:9475/x/#/alerts?receiver=ops\n"
    );
    assert_eq!(
        text("{{ template \"breakwatch.slack\" . }}", &data),
        "*FIRING* website does not answer\n>Reason: timeout\n>Evidence: phase=connect, after=5s\n\
         >Since: 2027-01-15 07:45:00 UTC (for 15m 0s)\n\
         <https://wiki/website|Runbook> <https://grafana/d/1|Dashboard> <http://bw/graph|Source>\n"
    );
    assert_eq!(
        text("{{ template \"breakwatch.markdown\" . }}", &data),
        "**FIRING website does not answer**\n- Reason: timeout\n- Evidence: `phase=connect, after=5s`\n\
         - Since: 2027-01-15 07:45:00 UTC (for 15m 0s)\n\
         - [Runbook](https://wiki/website) [Dashboard](https://grafana/d/1) [Source](http://bw/graph)\n\n"
    );
    let over = value("ops", &[], &[OVER]);
    assert_eq!(
        text("{{ template \"breakwatch.text\" . }}", &over),
        "RESOLVED Down\nSince: 2023-11-14 22:13:20 UTC to 2023-11-14 22:18:20 UTC (5m 0s)\nSource: http://p/\n\n\
         http://bw.example:9475/x/#/alerts?receiver=ops\n"
    );
}
