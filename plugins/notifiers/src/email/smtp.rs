//! One SMTP session: connect, secure, authenticate, hand over, with each recipient served by himself.
//!
//! The session is lettre's; what is done here by hand is what decides over a page: no clear text when TLS is
//! required, a refusal of one recipient that does not harm the others, and which refusals are worth another try.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use breakwatch_plugin_api::{NotifyError, Scrubber, Secret, format_duration};
use futures_util::FutureExt;
use lettre::Address;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::guard::{Guard, Implicit};
use super::tls;
use crate::http::{LastGood, excerpt, rustls_config};
use crate::settings::{SecretSource, TlsSettings};

/// How the connection is secured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Security {
    /// TLS from the first byte.
    Implicit,
    /// STARTTLS, or nothing is sent.
    StartTls,
    /// Clear text, because the user said so.
    None,
}

/// Who we are to the server.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) username: SecretSource,
    pub(super) password: SecretSource,
    /// On whose behalf, for PLAIN; usually empty.
    pub(super) identity: String,
}

/// The server and how to speak with it.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) hello: String,
    pub(super) security: Security,
    pub(super) tls: TlsSettings,
    pub(super) login: Option<Login>,
    pub(super) timeout: Duration,
    pub(super) resolver: LastGood,
}

/// A mail and where it goes.
pub(super) struct Envelope<'e> {
    pub(super) from: &'e Address,
    pub(super) to: &'e [Address],
    pub(super) message: &'e [u8],
}

/// What became of a mail that at least one recipient got, or nobody yet.
#[derive(Default, Debug)]
pub(super) struct Handover {
    /// Recipients the server took it for.
    pub(super) served: Vec<Address>,
    /// Recipients refused for good, with the server's words.
    pub(super) refused: Vec<(Address, String)>,
    /// Recipients put off, with the server's words.
    pub(super) put_off: Vec<(Address, String)>,
    /// The server's answer to the mail.
    pub(super) answer: String,
    /// The server found the mail too big.
    pub(super) too_big: Option<String>,
}

/// Where in the session something happened: the same refusal means different things.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Greeting,
    StartTls,
    Auth,
    Sender,
    Message,
}

impl Stage {
    const fn words(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::StartTls => "STARTTLS",
            Self::Auth => "authentication",
            Self::Sender => "MAIL FROM",
            Self::Message => "the message",
        }
    }
}

impl Server {
    /// Hands a mail over.
    ///
    /// # Errors
    /// What the sender is to do, when nobody got the mail.
    pub(super) async fn deliver(&self, envelope: &Envelope<'_>) -> Result<Handover, NotifyError> {
        let session = AssertUnwindSafe(self.session(envelope)).catch_unwind();
        match tokio::time::timeout(self.timeout, session).await {
            Ok(Ok(result)) => result,
            // The SMTP library panics on some malformed answers; to us they are just malformed.
            Ok(Err(_)) => Err(retry("the mail server's answer could not be understood".to_owned())),
            Err(_) => Err(retry(format!("no answer within {}", format_duration(self.timeout)))),
        }
    }

    async fn session(&self, envelope: &Envelope<'_>) -> Result<Handover, NotifyError> {
        let mut connection = self.connect().await?;
        if self.security == Security::StartTls {
            self.start_tls(&mut connection).await?;
        }
        if let Some(login) = &self.login {
            authenticate(&mut connection, login).await?;
        }
        let handover = hand_over(&mut connection, envelope).await?;
        // The mail is theirs now; a server that mishandles the farewell changes nothing.
        let _ = connection.quit().await;
        Ok(handover)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, NotifyError> {
        let trouble = |error: std::io::Error| retry(format!("{}: {error}", self.name()));
        let addresses = self.resolver.lookup(&self.host, self.port).await.map_err(trouble)?;
        // Leaves time for the next address when one is dead, and for the mail itself.
        let each = self.timeout / 2 / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let mut last = std::io::Error::other("the name has no address");
        for address in addresses {
            match tokio::time::timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.greet(Guard::new(stream)).await,
                Ok(Err(error)) => last = error,
                Err(_) => last = std::io::ErrorKind::TimedOut.into(),
            }
        }
        Err(trouble(last))
    }

    async fn greet(&self, stream: Guard) -> Result<AsyncSmtpConnection, NotifyError> {
        let stream: Box<dyn AsyncTokioStream> = match self.security {
            Security::Implicit => Box::new(Implicit(self.wrap(stream).await?)),
            Security::StartTls | Security::None => Box::new(stream),
        };
        let hello = ClientId::Domain(self.hello.clone());
        AsyncSmtpConnection::connect_with_transport(stream, &hello)
            .await
            .map_err(|error| self.fault(Stage::Greeting, &error))
    }

    async fn wrap(&self, stream: Guard) -> Result<tokio_rustls::client::TlsStream<Guard>, NotifyError> {
        let config = rustls_config::build(&self.tls).map_err(NotifyError::Misconfigured)?;
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| NotifyError::Misconfigured(format!("{:?} is not a host name", self.host)))?;
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        connector.connect(name, stream).await.map_err(|error| self.tls_fault(&error))
    }

    async fn start_tls(&self, connection: &mut AsyncSmtpConnection) -> Result<(), NotifyError> {
        if !connection.can_starttls() {
            return Err(NotifyError::Misconfigured(format!(
                "{} does not offer STARTTLS (or somebody in between hides it) and `require_tls` is set: \
                 nothing was sent",
                self.name()
            )));
        }
        let parameters = self.parameters()?;
        let hello = ClientId::Domain(self.hello.clone());
        connection.starttls(parameters, &hello).await.map_err(|error| {
            if error.status().is_some() {
                self.fault(Stage::StartTls, &error)
            } else {
                self.tls_fault(&error)
            }
        })
    }

    fn parameters(&self) -> Result<TlsParameters, NotifyError> {
        tls::parameters(&self.tls, &self.host).map_err(NotifyError::Misconfigured)
    }

    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A broken handshake: a certificate that is not trusted stays so until somebody acts, a connection that breaks
    /// may hold the next time.
    fn tls_fault(&self, error: &dyn std::error::Error) -> NotifyError {
        let text = chain(error);
        let message = format!("TLS with {}: {}", self.name(), excerpt(&text));
        let lasting = ["certificate", "Certificate", "UnknownIssuer", "NotValidForName", "Expired"];
        if lasting.iter().any(|word| text.contains(word)) {
            NotifyError::Misconfigured(message)
        } else {
            retry(message)
        }
    }

    fn fault(&self, stage: Stage, error: &lettre::transport::smtp::Error) -> NotifyError {
        judge(stage, error, &Scrubber::default(), &self.name())
    }
}

/// Judges an error of the session. `scrubber` knows what must not be repeated.
fn judge(
    stage: Stage,
    error: &lettre::transport::smtp::Error,
    scrubber: &Scrubber,
    server: &str,
) -> NotifyError {
    let words = excerpt(&scrubber.clean(&chain(error)));
    let message = format!("{server}, {}: {words}", stage.words());
    // 530, 534, 535, 538: authentication required, too weak, failed, needs encryption.
    let login = error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538));
    if error.is_permanent() && (login || stage == Stage::Auth || stage == Stage::StartTls) {
        NotifyError::Misconfigured(message)
    } else if error.is_permanent() && stage != Stage::Greeting {
        NotifyError::Rejected(message)
    } else {
        retry(message)
    }
}

async fn authenticate(connection: &mut AsyncSmtpConnection, login: &Login) -> Result<(), NotifyError> {
    let offered = connection.server_info();
    let plain = offered.supports_auth_mechanism(Mechanism::Plain);
    if !plain && !offered.supports_auth_mechanism(Mechanism::Login) {
        // A relay that knows us by our address offers nothing; it will say so itself if it wants a password.
        return Ok(());
    }
    let (username, password) = (login.username.read().await?, login.password.read().await?);
    let encoded = |text: &str| Secret::new(crate::http::base64(text.as_bytes()));
    let commands = if plain {
        let triple = Secret::new(format!("{}\0{}\0{}", login.identity, username.expose(), password.expose()));
        vec![Secret::new(format!("AUTH PLAIN {}", encoded(triple.expose()).expose()))]
    } else {
        vec![Secret::new("AUTH LOGIN"), encoded(username.expose()), encoded(password.expose())]
    };
    let scrubber = Scrubber::new(commands.iter().chain([&password]));
    for command in &commands {
        let answer = connection.command(Line(command.expose())).await;
        answer.map_err(|error| judge(Stage::Auth, &error, &scrubber, "the mail server"))?;
    }
    Ok(())
}

/// A command line.
struct Line<'l>(&'l str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.0)
    }
}

async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope<'_>,
) -> Result<Handover, NotifyError> {
    let fault = |stage, error: &lettre::transport::smtp::Error| {
        judge(stage, error, &Scrubber::default(), "the mail server")
    };
    let mut parameters = Vec::new();
    let ascii = |address: &Address| -> bool { AsRef::<str>::as_ref(address).is_ascii() };
    if !ascii(envelope.from) || !envelope.to.iter().all(ascii) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            let message = "an address is not ASCII and the mail server does not offer SMTPUTF8";
            return Err(NotifyError::Misconfigured(message.to_owned()));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    let sender = connection.command(Mail::new(Some(envelope.from.clone()), parameters)).await;
    sender.map_err(|error| fault(Stage::Sender, &error))?;
    let mut handover = Handover::default();
    for to in envelope.to {
        match connection.command(Rcpt::new(to.clone(), Vec::new())).await {
            Ok(_) => handover.served.push(to.clone()),
            Err(error) if error.is_permanent() => {
                handover.refused.push((to.clone(), excerpt(&chain(&error))));
            }
            Err(error) if error.is_transient() => {
                handover.put_off.push((to.clone(), excerpt(&chain(&error))));
            }
            Err(error) => return Err(fault(Stage::Message, &error)),
        }
    }
    if handover.served.is_empty() {
        return Ok(handover);
    }
    let data = async {
        connection.command(Data).await?;
        connection.message(envelope.message).await
    };
    match data.await {
        Ok(answer) => handover.answer = words(&answer),
        // 552: the message exceeds what the server takes.
        Err(error) if error.status().is_some_and(|code| u16::from(code) == 552) => {
            handover.served.clear();
            handover.too_big = Some(excerpt(&chain(&error)));
        }
        Err(error) => return Err(fault(Stage::Message, &error)),
    }
    Ok(handover)
}

fn words(response: &Response) -> String {
    let text: Vec<&str> = response.message().collect();
    excerpt(&format!("{} {}", response.code(), text.join(" ")))
}

fn retry(message: String) -> NotifyError {
    NotifyError::Retryable { message, retry_after: None }
}

fn chain(error: &dyn std::error::Error) -> String {
    crate::http::chain(error)
}
