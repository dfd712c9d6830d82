//! Names for a message and a group of alerts that are the same on every try, in the forms the other sides take.

use breakwatch_plugin_api::Notification;
use sha2::{Digest, Sha256};

/// More than any id of ours; receivers store these in columns of limited width.
const LONGEST_KEY: usize = 200;

/// The message's id as the value of a header.
pub(crate) fn idempotency_key(id: &str) -> String {
    let plain = id.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && !id.is_empty() && id.len() <= LONGEST_KEY { id.to_owned() } else { sha256_hex(id) }
}

/// The key under which PagerDuty keeps an incident: the hex SHA-256 of the group key, as Alertmanager's.
pub(crate) fn dedup_key(notification: &Notification) -> String {
    sha256_hex(&notification.group_key)
}

/// SHA-256 in hex.
pub(crate) fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_fit_for_a_header() {
        assert_eq!(idempotency_key("01HF-7QZ/3"), "01HF-7QZ/3");
        for odd in ["", "a b", "a\r\nX: y", "ä", &"x".repeat(201)] {
            let key = idempotency_key(odd);
            assert!(key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit()), "{odd:?} -> {key}");
        }
    }
}
