//! Whole configurations: Alertmanager's own forms unchanged, mistakes at their places, and the way back to YAML.

use breakwatch_model::Labels;
use breakwatch_plugin_api::Diagnostics;

use super::{Config, GroupBy, IntegrationKind};
use crate::testing::{findings, labels, node};

const KINDS: [IntegrationKind; 5] = [
    IntegrationKind { kind: "webhook", section: "webhook_configs" },
    IntegrationKind { kind: "slack", section: "slack_configs" },
    IntegrationKind { kind: "email", section: "email_configs" },
    IntegrationKind { kind: "pagerduty", section: "pagerduty_configs" },
    IntegrationKind { kind: "log", section: "log_configs" },
];

fn read(text: &str) -> Result<Config, Vec<String>> {
    let diagnostics = Diagnostics::new();
    let config = Config::read(&node(text), &KINDS, &diagnostics);
    assert_eq!(config.is_none(), diagnostics.has_errors());
    config.ok_or_else(|| findings(diagnostics))
}

/// The example configuration of Alertmanager's documentation, in its older and newer matcher syntax.
const EXAMPLE: &str = r#"
global:
  resolve_timeout: 10m
  smtp_smarthost: 'localhost:25'
  smtp_from: 'alertmanager@example.org'
  smtp_auth_username: 'alertmanager'
  smtp_auth_password: 'hunter2'
  slack_api_url: 'https://hooks.slack.com/services/T/B/x'
templates:
  - '/etc/alertmanager/template/*.tmpl'
route:
  group_by: ['alertname', 'cluster', 'service']
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 3h
  receiver: team-X-mails
  routes:
    - matchers:
        - service=~"foo1|foo2|baz"
      receiver: team-X-mails
      routes:
        - matchers:
            - severity="critical"
          receiver: team-X-pager
          mute_time_intervals: [offhours, holidays]
    - match:
        service: files
      match_re:
        severity: warn.*
      receiver: team-X-mails
      continue: true
    - matchers: [ '{service="database", env!~"dev|test"}' ]
      receiver: team-X-pager
      group_by: ['...']
      active_time_intervals: [offhours]
inhibit_rules:
  - source_matchers: [ severity="critical" ]
    target_match: { severity: warning }
    equal: ['alertname', 'cluster', 'service']
time_intervals:
  - name: offhours
    time_intervals:
      - times: [ { start_time: '00:00', end_time: '08:00' } ]
        weekdays: ['monday:friday']
        location: 'Europe/Berlin'
      - weekdays: [ 'saturday', 'sunday' ]
mute_time_intervals:
  - name: holidays
    time_intervals: [ { months: ['december'], days_of_month: ['24:26'] } ]
receivers:
  - name: 'team-X-mails'
    email_configs:
      - to: 'team-X+alerts@example.org, team-Y+alerts@example.org'
        headers: { subject: 'Hey' }
  - name: 'team-X-pager'
    fallback: team-X-mails
    rate_limit: 60/m
    transitions: [open, closed, reopen]
    email_configs:
      - to: 'team-X+alerts-critical@example.org'
        send_resolved: true
    pagerduty_configs:
      - routing_key: secret-key
        transitions: [open]
    webhook_configs:
      - url: https://user:pw@example.org/hook?token=abc
        max_alerts: 10
        http_config: { basic_auth: { username: me, password: secret-pw } }
    log_configs: [ {} ]
"#;

#[test]
fn alertmanagers_example_is_read_unchanged() {
    let config = read(EXAMPLE).unwrap_or_else(|found| panic!("{found:#?}"));
    assert_eq!(config.resolve_timeout.as_secs(), 600);
    let root = &config.route;
    assert_eq!(root.routes.len(), 3);
    assert_eq!(
        (root.repeat_interval.as_secs(), root.routes[0].routes[0].repeat_interval.as_secs()),
        (10_800, 10_800)
    );
    let keys: Vec<&str> = root.walk().map(|route| &*route.key).collect();
    assert_eq!(
        keys,
        [
            "{}",
            r#"{}/{service=~"foo1|foo2|baz"}"#,
            r#"{}/{service=~"foo1|foo2|baz"}/{severity="critical"}"#,
            r#"{}/{service="files",severity=~"warn.*"}"#,
            r#"{}/{env!~"dev|test",service="database"}"#,
        ]
    );
    let to = |text: &str| -> Vec<String> {
        root.matching(&labels(text))
            .iter()
            .map(|route| format!("{} {}", route.receiver, route.routes.len()))
            .collect()
    };
    assert_eq!(to("service=foo1"), ["team-X-mails 1"]);
    assert_eq!(to("service=foo2 severity=critical"), ["team-X-pager 0"]);
    assert_eq!(to("service=files severity=warning").len(), 1);
    assert_eq!(to("service=database env=prod"), ["team-X-pager 0"]);
    assert_eq!(to("service=database env=dev"), ["team-X-mails 3"]);
    assert_eq!(root.routes[2].group_by, GroupBy::All);
    let pager = config.receiver("team-X-pager").unwrap();
    let shown: Vec<String> = pager
        .integrations
        .iter()
        .map(|i| format!("{} {} {:?}", i.key, i.send_resolved, i.transitions))
        .collect();
    assert_eq!(
        shown,
        [
            "team-X-pager/webhook[0] true Transitions { open: true, closed: true, half_open: false, reopen: true }",
            "team-X-pager/email[0] true Transitions { open: true, closed: true, half_open: false, reopen: true }",
            "team-X-pager/pagerduty[0] true Transitions { open: true, closed: false, half_open: false, reopen: false }",
            "team-X-pager/log[0] true Transitions { open: true, closed: true, half_open: false, reopen: true }",
        ]
    );
    assert!(!config.receiver("team-X-mails").unwrap().integrations[0].send_resolved);
    assert_eq!(pager.rate_limit.unwrap().messages, 60);
    assert_eq!(config.inhibit_rules.len(), 3, "the user's and the two that are always there");
    assert_eq!(config.time_intervals.len(), 2);
}

#[test]
fn without_a_section_nobody_is_told_and_alerts_are_grouped_by_check() {
    let config = Config::empty();
    assert_eq!(config.route.group_by.group_labels(&labels("check=a b=c")), labels("check=a"));
    assert_eq!(config.route.group_by.group_labels(&labels("b=c")), Labels::empty());
    assert!(config.receiver(&config.route.receiver).unwrap().integrations.is_empty());
    assert!(read("~").is_ok());
    let quiet = read("{route: {receiver: a}, receivers: [{name: a}], default_inhibit_rules: false}").unwrap();
    assert!(quiet.inhibit_rules.is_empty());
}

#[test]
fn mistakes_are_named_at_their_places() {
    const HEAD: &str = "receivers: [{name: a}, {name: b}]\n";
    for (text, expected) in [
        ("templates: []", "test.yml:1:1: no route provided in config"),
        (
            "route: {receiver: a, matchers: ['x=y']}",
            "test.yml:2:8: route: root route must not have any matchers",
        ),
        ("route: {group_wait: 1s}", "root route must specify a default receiver"),
        (
            "route: {receiver: aa}",
            "test.yml:2:19: route.receiver: undefined receiver \"aa\" used in route (did you mean `a`?)",
        ),
        ("route: {receiver: a, continue: true}", "cannot have continue in root route"),
        ("route: {receiver: a, group_interval: 0s}", "group_interval cannot be zero"),
        ("route: {receiver: a, repeat_interval: 0}", "repeat_interval cannot be zero"),
        ("route: {receiver: a, group_by: [x, x]}", "duplicated label \"x\" in group_by"),
        ("route: {receiver: a, group_by: [x, '...']}", "cannot have wildcard group_by"),
        (
            "route: {receiver: a, group_wiat: 1s}",
            "test.yml:2:22: route.group_wiat: unknown key `group_wiat` (did you mean `group_wait`?)",
        ),
        ("route: {receiver: a, mute_time_intervals: [x]}", "undefined time interval \"x\" used in route"),
        (
            "route: {receiver: a, routes: [{matchers: ['x=~\"(\"']}]}",
            "test.yml:2:43: route.routes[0].matchers[0]: cannot read matcher",
        ),
        ("route: {receiver: a, routes: [{match_re: {x: '['}}]}", "invalid regular expression"),
        ("route: {receiver: a, routes: [{escalation: [{after: 1m}]}]}", "missing required key `receiver`"),
        ("route: {receiver: a}\ninhibit_rules: [{source: [x]}]", "unknown key `source`"),
        ("route: {receiver: a}\nglobal: {resolve_timout: 1m}", "did you mean `resolve_timeout`"),
        ("route: {receiver: a}\ntime_intervals: [{name: x}, {name: x}]", "time interval \"x\" is not unique"),
        (
            "route: {receiver: a}\nmaintenance: [{name: x, matchers: [a=b], schedule: daily, duration: 1h}]",
            "a schedule of five fields",
        ),
        (
            "route: {receiver: a}\nmaintenance: [{name: x, matchers: ['a=~\".*\"'], schedule: '0 0 * * *', duration: 1h}]",
            "must not match the empty string",
        ),
        (
            "route: {receiver: a}\nmaintenance: [{name: x, matchers: [a=b], schedule: '0 0 * * *', duration: 40d}]",
            "test.yml:3:75: maintenance[0].duration: expected a duration of more than nothing and at most 31 days",
        ),
    ] {
        let found = read(&format!("{HEAD}{text}")).err();
        let found = found.unwrap_or_else(|| panic!("{text} is read")).join("\n");
        assert!(found.contains(expected), "{text}\n{found}");
    }
}

#[test]
fn mistakes_in_receivers_are_named_at_their_places() {
    for (text, expected) in [
        ("{name: a}, {name: a}", "notification config name \"a\" is not unique"),
        ("{}", "missing required key `name`"),
        ("{name: a, fallback: a}", "a receiver cannot be its own fallback"),
        ("{name: a, fallback: other}", "undefined receiver \"other\" used as fallback"),
        ("{name: a, rate_limit: fast}", "a rate such as `1/1s`"),
        (
            "{name: a, transitions: [opened]}",
            "expected `open`, `closed`, `half_open` or `reopen`, found \"opened\"",
        ),
        ("{name: a, slack_config: []}", "unknown key `slack_config` (did you mean `slack_configs`?)"),
        (
            "{name: a, opsgenie_configs: [{api_key: x}]}",
            "`opsgenie_configs` is not built into this program (use `webhook_configs`",
        ),
        ("{name: a, slack_configs: {}}", "expected a list, found a mapping"),
        ("{name: a, slack_configs: [{send_resolved: perhaps}]}", "expected `true` or `false`"),
    ] {
        let found = read(&format!("route: {{receiver: a}}\nreceivers: [{text}]")).unwrap_err().join("\n");
        assert!(found.contains(expected) && found.contains("test.yml:2:"), "{text}\n{found}");
    }
}

#[test]
fn all_mistakes_are_found_in_one_run() {
    let found = read(
        "route: {receiver: a, group_wait: soon, routes: [{receiver: c}]}\nreceivers: [{name: b, x: y}]\nz: 1",
    );
    assert_eq!(found.unwrap_err().len(), 5);
}

#[test]
fn deep_trees_are_refused() {
    let mut route = "{receiver: a}".to_owned();
    for _ in 0..80 {
        route = format!("{{receiver: a, routes: [{route}]}}");
    }
    let diagnostics = Diagnostics::new();
    let Some(node) =
        breakwatch_config::load_text("t", &format!("route: {route}\nreceivers: [{{name: a}}]"), &diagnostics)
    else {
        return;
    };
    assert!(Config::read(&node, &KINDS, &diagnostics).is_none());
}

#[test]
fn the_way_back_to_alertmanager_hides_secrets_and_our_additions() {
    let config = read(EXAMPLE).unwrap();
    let yaml = config.to_alertmanager_yaml();
    for secret in ["hunter2", "user:pw", "hooks.slack.com", "secret-key", "token=abc", "secret-pw"] {
        assert!(!yaml.contains(secret), "{secret} in\n{yaml}");
    }
    for ours in ["fallback", "rate_limit", "transitions", "log_configs"] {
        assert!(!yaml.contains(ours), "{ours} in\n{yaml}");
    }
    for kept in
        ["smtp_smarthost: \"localhost:25\"", "max_alerts: 10", "send_resolved: true", "routing_key: <secret>"]
    {
        assert!(yaml.contains(kept), "{kept} not in\n{yaml}");
    }
    // What is rendered is read again, and renders the same.
    let again = read(&format!("{yaml}\ndefault_inhibit_rules: false"))
        .unwrap_or_else(|found| panic!("{found:#?}\n{yaml}"));
    assert_eq!(again.to_alertmanager_yaml(), yaml);
    let keys = |config: &Config| config.route.walk().map(|route| route.id.to_string()).collect::<Vec<_>>();
    assert_eq!(keys(&again), keys(&config));
    assert!(Config::empty().to_alertmanager_yaml().contains("group_by: [\"check\"]"));
}

#[test]
fn a_receiver_of_alertmanagers_that_is_not_built_is_refused_with_a_way_out() {
    for section in [
        "incidentio_configs",
        "jira_configs",
        "mattermost_configs",
        "msteams_configs",
        "opsgenie_configs",
        "pushover_configs",
        "rocketchat_configs",
        "sns_configs",
        "victorops_configs",
        "webex_configs",
        "wechat_configs",
    ] {
        let text =
            format!("route: {{receiver: a}}\nreceivers: [{{name: a, {section}: [{{send_resolved: true}}]}}]");
        let found = read(&text).unwrap_err().join("\n");
        assert!(
            found.contains(&format!("test.yml:2:23: receivers[0].{section}: `{section}` is not built")),
            "{found}"
        );
        assert!(found.contains("use `webhook_configs` with a template body"), "{found}");
    }
}

#[test]
fn every_global_setting_of_alertmanager_is_known() {
    let text = "
global:
  resolve_timeout: 5m
  http_config: { follow_redirects: true }
  smtp_from: a@example.org
  smtp_hello: example.org
  smtp_smarthost: localhost:25
  smtp_auth_username: u
  smtp_auth_password: p
  smtp_auth_identity: i
  smtp_auth_secret: s
  smtp_require_tls: true
  smtp_tls_config: { insecure_skip_verify: false }
  slack_api_url: https://hooks.slack.com/x
  slack_app_token: xoxb
  slack_app_url: https://slack.com/api/chat.postMessage
  victorops_api_key: k
  victorops_api_url: https://v.example.org/
  pagerduty_url: https://events.pagerduty.com/v2/enqueue
  opsgenie_api_key: k
  opsgenie_api_url: https://o.example.org/
  wechat_api_url: https://w.example.org/
  wechat_api_secret: s
  wechat_api_corp_id: c
  telegram_api_url: https://api.telegram.org
  telegram_bot_token: t
  webex_api_url: https://webex.example.org/
  jira_api_url: https://jira.example.org/
  rocketchat_api_url: https://rc.example.org/
  rocketchat_token: t
  rocketchat_token_id: i
route: { receiver: a }
receivers: [ { name: a } ]
";
    if let Err(found) = read(text) {
        panic!("{found:#?}");
    }
}

#[test]
fn several_sources_of_an_inhibition() {
    let head = "route: {receiver: a}\nreceivers: [{name: a}]\ndefault_inhibit_rules: false\n";
    let rule = "sources: [{matchers: [a=1], equal: [x]}, {source_matchers: [b=2]}], target_matchers: [c=3]";
    let config = read(&format!("{head}inhibit_rules: [{{{rule}}}]")).unwrap();
    let sources = &config.inhibit_rules[0].sources;
    assert_eq!(sources.len(), 2);
    assert_eq!((sources[0].matchers.len(), sources[1].matchers.len(), sources[0].equal.len()), (1, 1, 1));
    let yaml = config.to_alertmanager_yaml();
    assert!(!yaml.contains("inhibit_rules"), "most of Alertmanager's clients do not know them:\n{yaml}");
    let mixed = format!("{head}inhibit_rules: [{{{rule}, source_matchers: [d=4]}}]");
    assert!(read(&mixed).unwrap_err()[0].contains("in the place of `source_matchers`"));
}
