//! How each protocol asks for TLS.

use regex::Regex;

use super::dialogue::Step;

/// A protocol that can switch to TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Smtp,
    Imap,
    Pop3,
    Ftp,
    Ldap,
    Postgres,
}

/// The words of the setting.
pub(super) const PROTOCOLS: [(&str, Protocol); 6] = [
    ("smtp", Protocol::Smtp),
    ("imap", Protocol::Imap),
    ("pop3", Protocol::Pop3),
    ("ftp", Protocol::Ftp),
    ("ldap", Protocol::Ldap),
    ("postgres", Protocol::Postgres),
];

/// PostgreSQL's `SSLRequest`: its length and the number 80877103.
const POSTGRES_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// LDAP's extended request 1.3.6.1.4.1.1466.20037 (RFC 4511, 4.14.1) as message 1.
const LDAP_REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// The answer to it, byte by byte up to the result code: a message of 12 bytes, number 1, extended response, success,
/// and no text. Servers that add a text are rare and are then reported as not offering TLS.
const LDAP_ANSWER: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";

impl Protocol {
    /// The protocol's port and the steps that lead to TLS.
    pub(super) fn conversation(self) -> (u16, Vec<Step>) {
        let (port, mut steps) = match self {
            // RFC 3207; the greeting and the answer to EHLO may have several lines, the last with a space.
            Self::Smtp => {
                let talk = [("^220 ", "EHLO breakwatch.invalid"), ("^250 ", "STARTTLS")];
                (25, lines(&talk, "^220 ", "^[45][0-9][0-9] "))
            }
            // RFC 9051, RFC 2595, RFC 4217.
            Self::Imap => (143, lines(&[("^\\* OK", "a STARTTLS")], "^a OK", "^a (NO|BAD)")),
            Self::Pop3 => (110, lines(&[("^\\+OK", "STLS")], "^\\+OK", "^-ERR")),
            Self::Ftp => (21, lines(&[("^220 ", "AUTH TLS")], "^234 ", "^[45][0-9][0-9] ")),
            Self::Ldap => {
                let answer = LDAP_ANSWER.iter().copied().map(Step::ExpectByte);
                (389, std::iter::once(Step::SendBytes(LDAP_REQUEST)).chain(answer).collect())
            }
            Self::Postgres => (5432, vec![Step::SendBytes(POSTGRES_REQUEST), Step::ExpectByte(b'S')]),
        };
        steps.push(Step::StartTls);
        (port, steps)
    }
}

/// Steps from pairs of what is expected and what is then sent, and the lines that agree or refuse in the end.
fn lines(talk: &[(&str, &str)], yes: &str, no: &str) -> Vec<Step> {
    let pair = |(expect, send): &(&str, &str)| {
        let expect = Regex::new(expect).ok().map(Step::Expect);
        [expect, Some(Step::Send((*send).to_owned()))]
    };
    let agree = Regex::new(yes).ok().zip(Regex::new(no).ok()).map(|(yes, no)| Step::Agree { yes, no });
    talk.iter().flat_map(pair).flatten().chain(agree).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_conversation_is_whole_and_ends_in_tls() {
        let lengths = PROTOCOLS.map(|(_, protocol)| protocol.conversation().1.len());
        assert_eq!(lengths, [6, 4, 4, 4, 16, 3]);
        for (word, protocol) in PROTOCOLS {
            assert!(matches!(protocol.conversation().1.last(), Some(Step::StartTls)), "{word}");
        }
        assert_eq!(usize::from(LDAP_REQUEST[1]), LDAP_REQUEST.len() - 2, "the length of the message");
        assert_eq!(usize::from(LDAP_ANSWER[1]), LDAP_ANSWER.len() - 2, "the length of the answer");
    }
}
