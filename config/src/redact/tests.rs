//! One canary, many hiding places: none may be shown.

use std::path::Path;

use breakwatch_plugin_api::Diagnostics;

use super::*;
use crate::print::to_yaml;
use crate::substitute::substitute;

const CANARY: &str = "s3cr3t-c4n4ry";

fn shown(text: &str) -> String {
    let diagnostics = Diagnostics::new();
    let node = crate::load_text("t.yml", text, &diagnostics).expect("readable");
    let environment = |_: &str| Some(CANARY.to_owned());
    to_yaml(&redact(&substitute(node, Path::new("."), &environment, &diagnostics)))
}

#[test]
fn no_hiding_place_is_forgotten() {
    for text in [
        "checks: {http/a: {url: 'https://user:CANARY@host/x'}}",
        "checks: {http/a: {url: 'https://host/x?token=CANARY&a=1'}}",
        "checks: {http/a: {headers: {Authorization: Bearer CANARY}}}",
        "checks: {http/a: {headers: {X-Api-Key: CANARY}}}",
        "checks: {http/a: {headers: {Cookie: [CANARY]}}}",
        "checks: {http/a: {basic_auth: {username: u, password: CANARY}}}",
        "checks: {http/a: {body: \"${env:X}\"}}",
        "checks: {database/a: {dsn: 'postgres://u:CANARY@h/d'}}",
        "checks: {command/a: {argv: [check, --password=CANARY]}}",
        "checks: {command/a: {argv: [check, --password, CANARY]}}",
        "checks: {command/a: {argv: [check, -H, 'Authorization: CANARY']}}",
        "checks: {command/a: {argv: [check, -H, 'X-Api-Key: CANARY']}}",
        "checks: {command/a: {argv: [check, 'see https://u:CANARY@h/ now']}}",
        "checks: {command/a: {env: {MY_TOKEN: CANARY}}}",
        "alerting: {global: {smtp_auth_password: CANARY}}",
        "alerting: {global: {slack_api_url: https://hooks/CANARY}}",
        "alerting: {receivers: [{name: a, slack_configs: [{api_url: https://hooks/CANARY}]}]}",
        "alerting: {receivers: [{name: a, webhook_configs: [{url: https://hooks/CANARY}]}]}",
        "alerting: {receivers: [{name: a, pagerduty_configs: [{routing_key: CANARY, url: https://e/}]}]}",
        "alerting: {receivers: [{name: a, http_config: {authorization: {credentials: CANARY}}}]}",
        "exporters: {otlp: {endpoint: 'https://u:CANARY@h', headers: {api-key: CANARY}}}",
        "server: {auth: {tokens: [{token: CANARY, role: read}]}}",
        "server: {auth: {users: {ada: {password: CANARY}}}}",
        "defaults: {labels: {x: '${env:X}'}}",
    ] {
        let text = text.replace("CANARY", CANARY);
        let shown = shown(&text);
        assert!(!shown.contains(CANARY), "{text}\n{shown}");
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "url: https://host:8443/a?b=c#d\n",
        "api_url_file: /etc/breakwatch/slack\n",
        "password_file: /etc/breakwatch/password\n",
        "argv:\n- check\n- -w\n- 10:20\n- --mode=fast\n",
        "query: SELECT 1\n",
        "tokens: 5\n",
        "keyword: x\n",
    ] {
        assert_eq!(shown(text), text);
    }
    assert_eq!(shown("dsn: postgres://u:p@db:5432/x\n"), "dsn: postgres://db:5432/x\n");
}
