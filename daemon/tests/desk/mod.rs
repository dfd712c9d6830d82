//! Every integration over HTTP with a receiver of its own behind it, every secret a canary.
#![allow(dead_code, unreachable_pub, reason = "each test program uses the part it needs")]

use std::collections::BTreeMap;

use breakwatch_sim::receiver::{Answer, Receiver};

use crate::common::CANARY;

/// An integration: a name of ours, its section, its settings for a receiver's host (`H`) with canaries (`C`), and the
/// answer that means that a message was taken.
struct Place {
    name: &'static str,
    section: &'static str,
    settings: &'static str,
    taken: fn() -> Answer,
}

const PLACES: [Place; 9] = [
    Place {
        name: "slack",
        section: "slack_configs",
        settings: r#"api_url: "http://H/Cslack", send_resolved: true"#,
        taken: || Answer::text(200, "ok"),
    },
    Place {
        name: "bot",
        section: "slack_configs",
        settings: r##"app_token: "Cbot", app_url: "http://H/chat.postMessage", channel: "#ops", send_resolved: true"##,
        taken: || Answer::json(200, r#"{"ok":true,"channel":"C1","ts":"1.0"}"#),
    },
    Place {
        name: "pagerduty",
        section: "pagerduty_configs",
        settings: r#"routing_key: "Cpagerduty", url: "http://H/v2/enqueue""#,
        taken: || Answer::json(202, r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#),
    },
    Place {
        name: "webhook",
        section: "webhook_configs",
        settings: r#"url: "http://me:Cuserinfo@H/hook?key=Cquery", hmac_secret: "Chmac""#,
        taken: || Answer::status(200),
    },
    Place {
        name: "alertmanager",
        section: "alertmanager_configs",
        settings: r#"urls: ["http://H"], http_config: { basic_auth: { username: me, password: "Cpassword" } }"#,
        taken: || Answer::status(200),
    },
    Place {
        name: "msteamsv2",
        section: "msteamsv2_configs",
        settings: r#"webhook_url: "http://H/Cteams""#,
        taken: || Answer::status(202),
    },
    Place {
        name: "discord",
        section: "discord_configs",
        settings: r#"webhook_url: "http://H/Cdiscord""#,
        taken: || Answer::status(204),
    },
    Place {
        name: "telegram",
        section: "telegram_configs",
        settings: r#"bot_token: "Ctelegram", chat_id: "-1", api_url: "http://H""#,
        taken: || Answer::json(200, r#"{"ok":true,"result":{"message_id":1}}"#),
    },
    Place {
        name: "ntfy",
        section: "ntfy_configs",
        settings: r#"url: "http://H/Ctopic", token: "Cntfy""#,
        taken: || Answer::json(200, r#"{"id":"x"}"#),
    },
];

/// The receivers, by the names of their places.
pub struct Desk(BTreeMap<&'static str, Receiver>);

impl Desk {
    /// Starts a receiver for every integration; each takes what it is sent.
    pub async fn start() -> Self {
        let mut receivers = BTreeMap::new();
        for place in &PLACES {
            let receiver = Receiver::start().await.unwrap();
            receiver.always((place.taken)());
            receivers.insert(place.name, receiver);
        }
        Self(receivers)
    }

    /// The answer of every receiver from now on, made from what it knows: the secrets it is sent.
    pub fn answer(&self, answer: impl Fn(&str) -> Answer) {
        for place in &PLACES {
            let secrets = with_canaries(place.settings);
            let words = secrets.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let secrets: Vec<&str> = words.filter(|word| word.starts_with(CANARY)).collect();
            self.0[place.name].always(answer(&secrets.join(" ")));
        }
    }

    /// Name and receiver of every integration.
    pub fn receivers(&self) -> impl Iterator<Item = (&'static str, &Receiver)> {
        self.0.iter().map(|(name, receiver)| (*name, receiver))
    }

    /// The sections of an Alertmanager receiver that tells all of them, indented.
    pub fn sections(&self) -> String {
        let mut sections: BTreeMap<&str, String> = BTreeMap::new();
        for place in &PLACES {
            let host = self.0[place.name].address().to_string();
            // The letters stand alone, before a quote's or a path's beginning.
            let settings =
                place.settings.replace("//H", &format!("//{host}")).replace("@H", &format!("@{host}"));
            let settings = with_canaries(&settings);
            sections.entry(place.section).or_default().push_str(&format!("        - {{ {settings} }}\n"));
        }
        sections.into_iter().map(|(name, entries)| format!("      {name}:\n{entries}")).collect()
    }
}

/// Puts canaries in the places marked by `"C`, `/C`, `:C` and `=C`.
fn with_canaries(settings: &str) -> String {
    let mut text = settings.to_owned();
    for before in ['"', '/', ':', '='] {
        text = text.replace(&format!("{before}C"), &format!("{before}{CANARY}"));
    }
    text
}
