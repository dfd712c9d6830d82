//! A real SMTP server for tests: Python's aiosmtpd in a child process, its mails captured.
//!
//! Written by others, it says whether what we send is really SMTP. What a proper server would never do (answer
//! byte by byte, slip lines in before TLS) is in [`crate::smtp_script`].

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::TestIdentity;

const SERVER: &str = include_str!("smtp_server.py");

/// How the server is to behave.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SmtpOptions {
    /// Offers STARTTLS.
    pub starttls: bool,
    /// Refuses mail before STARTTLS.
    pub require_starttls: bool,
    /// Speaks TLS from the first byte (port 465's way).
    pub implicit_tls: bool,
    /// Requires this user name and password.
    pub user: Option<(String, String)>,
    /// Mechanisms that are not offered: `PLAIN`, `LOGIN`.
    pub auth_exclude: Vec<String>,
    /// What to answer to `RCPT TO` of these addresses: `550 5.1.1 no such user`.
    pub rcpt_replies: BTreeMap<String, String>,
    /// What to answer to the first mails' `MAIL FROM`, one each; then mail is accepted.
    pub mail_replies: Vec<String>,
    /// What to answer at the end of the first mails' data, one each; then mail is accepted.
    pub data_replies: Vec<String>,
    /// Offers SMTPUTF8.
    pub smtputf8: bool,
}

/// What the child process is told.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    options: SmtpOptions,
    certificate: PathBuf,
    key: PathBuf,
}

/// A mail the server accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The authenticated user, if any.
    pub user: Option<String>,
    /// The message as sent, dots unstuffed.
    pub raw: Vec<u8>,
}

impl Mail {
    /// The message as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// The first header of that name in the message's own header block, unfolded.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let block = text.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
        block.split("\r\n").find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// A running server; dropping it ends the child process.
pub struct SmtpServer {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// What a client has to trust to speak TLS with it (certificate for `localhost` and `127.0.0.1`).
    pub identity: TestIdentity,
    mails: Arc<Mutex<Vec<Mail>>>,
    arrived: Arc<Notify>,
    reader: JoinHandle<()>,
    _child: Child,
    // The child ends when this closes, even if this process is killed.
    _stdin: Option<ChildStdin>,
    _files: tempfile::TempDir,
}

impl SmtpServer {
    /// Starts a server; `None` (said loudly) if Python or aiosmtpd is missing.
    ///
    /// # Errors
    /// When the server should run but does not.
    ///
    /// # Panics
    /// When Python or aiosmtpd is missing and `CI=true`.
    pub async fn start(options: SmtpOptions) -> io::Result<Option<Self>> {
        if !available().await {
            crate::left_out("python3 with aiosmtpd (python3 -m pip install aiosmtpd): real SMTP not tested");
            return Ok(None);
        }
        let identity = TestIdentity::loopback()?;
        let files = tempfile::tempdir()?;
        let (certificate, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
        std::fs::write(&certificate, &identity.certificate_pem)?;
        std::fs::write(&key, &identity.key_pem)?;
        let told = Told { options, certificate, key };
        let mut child = Command::new("python3")
            // The server finds our options unsafe, and rightly so: they are for tests.
            .args(["-W", "ignore", "-c"])
            .arg(SERVER)
            .arg(serde_json::to_string(&told)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no stdout"))?;
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next_line().await?.unwrap_or_default();
        let port = first.parse().map_err(|_| io::Error::other(format!("no port in {first:?}")))?;
        let (mails, arrived) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let reader = tokio::spawn(collect(lines, Arc::clone(&mails), Arc::clone(&arrived)));
        let stdin = child.stdin.take();
        Ok(Some(Self { port, identity, mails, arrived, reader, _child: child, _stdin: stdin, _files: files }))
    }

    /// Every mail so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().clone()
    }

    /// Waits for at least `count` mails and gives all of them; `None` if the deadline passes first.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Option<Vec<Mail>> {
        let enough = async {
            loop {
                let arrived = self.arrived.notified();
                let mails = self.mails();
                if mails.len() >= count {
                    return mails;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(deadline, enough).await.ok()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn available() -> bool {
    let mut probe = Command::new("python3");
    probe
        .args(["-c", "import aiosmtpd.smtp"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    probe.status().await.is_ok_and(|status| status.success())
}

#[derive(Deserialize)]
struct Line {
    from: String,
    to: Vec<String>,
    tls: bool,
    user: Option<String>,
    content: String,
}

async fn collect(
    mut lines: Lines<BufReader<ChildStdout>>,
    mails: Arc<Mutex<Vec<Mail>>>,
    arrived: Arc<Notify>,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(line) = serde_json::from_str::<Line>(&line) else { continue };
        let raw = base64::engine::general_purpose::STANDARD.decode(line.content).unwrap_or_default();
        mails.lock().push(Mail { from: line.from, to: line.to, tls: line.tls, user: line.user, raw });
        arrived.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn captures_a_mail_sent_by_hand() {
        let options = SmtpOptions {
            rcpt_replies: BTreeMap::from([("no@b".to_owned(), "550 5.1.1 nobody".to_owned())]),
            ..SmtpOptions::default()
        };
        let Some(server) = SmtpServer::start(options).await.unwrap() else { return };
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let session = "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<no@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
        stream.write_all(session.as_bytes()).await.unwrap();
        stream.write_all(b"Subject: a\r\n b\r\n\r\n..dot\r\n.\r\nQUIT\r\n").await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert!(answers.contains("550 5.1.1 nobody"), "{answers}");
        let mails = server.wait_for(1, Duration::from_secs(30)).await.expect(&answers);
        assert_eq!((mails[0].from.as_str(), mails[0].to.as_slice()), ("a@b", ["c@d".to_owned()].as_slice()));
        assert_eq!(mails[0].header("subject").as_deref(), Some("a b"));
        assert!(mails[0].text().ends_with("\r\n\r\n.dot\r\n") && !mails[0].tls);
    }
}
