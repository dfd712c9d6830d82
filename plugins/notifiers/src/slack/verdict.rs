//! What Slack's answers mean. It says `200` to some refusals and puts the reason in the body, as a word of its
//! own or in JSON.

use breakwatch_plugin_api::NotifyError;
use serde::Deserialize;

use crate::http::{Answer, Judged};

/// Passes by itself.
const PASSING: [&str; 7] = [
    "ratelimited",
    "rate_limited",
    "rollup_error",
    "fatal_error",
    "internal_error",
    "service_unavailable",
    "request_timeout",
];
/// A smaller message may be taken.
const TOO_LARGE: [&str; 5] = [
    "msg_too_long",
    "msg_blocks_too_long",
    "too_many_attachments",
    "attachment_payload_limit_exceeded",
    "message_too_long",
];
/// Nothing will be taken until somebody changes the settings, here or there.
const MISCONFIGURED: [&str; 26] = [
    "access_denied",
    "account_inactive",
    "action_prohibited",
    "as_user_not_supported",
    "channel_is_archived",
    "channel_not_found",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_auth",
    "invalid_token",
    "is_archived",
    "missing_scope",
    "no_permission",
    "no_service",
    "no_service_id",
    "no_team",
    "not_allowed_token_type",
    "not_authed",
    "not_in_channel",
    "posting_to_general_channel_denied",
    "restricted_action",
    "team_disabled",
    "team_not_found",
    "token_expired",
    "token_revoked",
    "user_not_found",
];

/// What the Web API answers.
#[derive(Deserialize, Default, Debug)]
pub(super) struct WebAnswer {
    ok: bool,
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    pub(super) channel: String,
    #[serde(default)]
    pub(super) ts: String,
}

/// The Web API's answer, if it is one.
pub(super) fn web_answer(answer: &Answer) -> Option<WebAnswer> {
    serde_json::from_str(&answer.body).ok()
}

/// Judges an answer.
pub(super) fn judge(answer: &Answer) -> Judged {
    let web = web_answer(answer);
    let ok = web.as_ref().map_or(answer.body.trim() == "ok", |web| web.ok);
    if answer.status == 200 && ok {
        return Judged::Delivered;
    }
    let word = web.as_ref().map_or(answer.body.trim(), |web| web.error.as_str());
    let message = format!("Slack answered {}{}", answer.status, answer.said());
    if TOO_LARGE.contains(&word) {
        return Judged::TooLarge(NotifyError::Rejected(message));
    }
    if PASSING.contains(&word) {
        return Judged::Failed(answer.retryable(message));
    }
    if MISCONFIGURED.contains(&word) {
        return Judged::Failed(NotifyError::Misconfigured(message));
    }
    match answer.judge("Slack") {
        // A 2xx without the word `ok`: cut short, it may have been anything; whole, it is a refusal we do not
        // know or not Slack at all.
        Judged::Delivered if !answer.complete => Judged::Failed(answer.retryable(message)),
        Judged::Delivered => Judged::Failed(NotifyError::Rejected(message)),
        verdict => verdict,
    }
}

/// Whether a refusal means that the message to be changed or answered is gone, so that a new one is needed.
pub(super) fn root_is_gone(answer: &Answer) -> bool {
    let gone = [
        "message_not_found",
        "thread_not_found",
        "cant_update_message",
        "edit_window_closed",
        "cannot_reply_to_message",
        "is_inactive",
    ];
    web_answer(answer).is_some_and(|web| !web.ok && gone.contains(&web.error.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.to_owned(), complete: true, ..Answer::default() }
    }

    #[test]
    fn only_ok_is_ok() {
        assert_eq!(judge(&answer(200, "ok")), Judged::Delivered);
        assert_eq!(judge(&answer(200, r#"{"ok":true,"ts":"1.2","channel":"C1"}"#)), Judged::Delivered);
        for body in ["", "ok ok", "<html>", r#"{"ok":false,"error":"no_text"}"#, "invalid_payload"] {
            assert!(matches!(judge(&answer(200, body)), Judged::Failed(NotifyError::Rejected(_))), "{body}");
        }
        let cut = Answer { complete: false, ..answer(200, "o") };
        assert!(matches!(judge(&cut), Judged::Failed(NotifyError::Retryable { .. })));
    }

    #[test]
    fn refusals_by_their_words() {
        for body in ["no_service", r#"{"ok":false,"error":"invalid_auth"}"#] {
            for status in [200, 404, 410] {
                let verdict = judge(&answer(status, body));
                assert!(matches!(verdict, Judged::Failed(NotifyError::Misconfigured(_))), "{status} {body}");
            }
        }
        assert!(matches!(
            judge(&answer(200, r#"{"ok":false,"error":"ratelimited"}"#)),
            Judged::Failed(NotifyError::Retryable { .. })
        ));
        assert!(matches!(judge(&answer(500, "rollup_error")), Judged::Failed(NotifyError::Retryable { .. })));
        assert!(matches!(judge(&answer(400, "too_many_attachments")), Judged::TooLarge(_)));
    }
}
