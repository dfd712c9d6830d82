//! The exchange itself: resolve, connect, shake hands, ask, read; again for each redirect.

use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use breakwatch_model::{CheckFailure, FailureReason};
use breakwatch_plugin_api::{CheckContext, redact_url};
use http::{HeaderMap, Response, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{Answer, version_text};
use super::body::{self, Body};
use super::failure::{MAX_HEAD, MAX_HEADERS, describe_hyper};
use super::redirect::{self, Hop};
use super::request::request;
use super::settings::{Settings, Speak};
use crate::net::resolve::record_address;
use crate::net::tls::{Certificate, Handshake, TlsError, Watch, describe_error, shake};
use crate::net::{self, resolve};
use crate::phases::Phases;
use crate::report::{Gauge, fact, set, upsert};

const LAST_MODIFIED: Gauge = (
    "probe_http_last_modified_timestamp_seconds",
    "seconds",
    "Last-Modified of the last answer, Unix time; only if it gave one.",
);

/// A byte stream to the target, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What one request led to.
enum Outcome {
    Answer(Answer),
    Redirect(Hop),
}

/// An open connection that speaks HTTP.
struct Link {
    stream: Box<dyn Stream>,
    http2: bool,
    secure: bool,
    certificate: Option<Certificate>,
    /// Why TLS ended, if it did.
    tls_error: TlsError,
}

/// Asks, follows redirects, and returns the last answer.
pub(super) async fn follow(
    settings: &Settings,
    ctx: &CheckContext,
    phases: &mut Phases<'_>,
) -> Result<Answer, CheckFailure> {
    let mut hop =
        Hop { url: settings.url.clone(), method: settings.method.clone(), with_body: true, trusted: true };
    let (mut followed, mut way) = (0, String::new());
    loop {
        match exchange(settings, &hop, ctx, phases).await? {
            Outcome::Answer(answer) => return Ok(answer),
            Outcome::Redirect(next) => {
                followed += 1;
                if followed > settings.max_redirects {
                    let message = format!("more than {} redirects", settings.max_redirects);
                    return Err(CheckFailure::new(FailureReason::Protocol, message));
                }
                set(phases, "probe_http_redirects", followed as f64);
                write!(way, " -> {}", redact_url(next.url.as_str())).unwrap_or_default();
                fact(phases, "redirects", way.trim_start_matches(" -> "));
                hop = next;
            }
        }
    }
}

async fn exchange(
    settings: &Settings,
    hop: &Hop,
    ctx: &CheckContext,
    phases: &mut Phases<'_>,
) -> Result<Outcome, CheckFailure> {
    let link = open(settings, hop, ctx, phases).await?;
    let tls_error = Arc::clone(&link.tls_error);
    let (secure, certificate) = (link.secure, link.certificate.clone());
    match converse(settings, hop, link, phases).await {
        Ok(Received::Redirect(hop)) => Ok(Outcome::Redirect(hop)),
        Ok(Received::Answer { status, version, headers, body }) => {
            Ok(Outcome::Answer(Answer { status, version, headers, body, secure, certificate }))
        }
        Err(failure) => Err(match tls_error.get() {
            None => failure,
            Some(error) => {
                let message = describe_error(error, certificate.as_ref(), ctx.started_at);
                CheckFailure::new(FailureReason::Tls, message)
            }
        }),
    }
}

/// Asks over an open connection and reads what comes back.
async fn converse(
    settings: &Settings,
    hop: &Hop,
    link: Link,
    phases: &mut Phases<'_>,
) -> Result<Received, CheckFailure> {
    let request = request(settings, hop, link.http2)?;
    phases.enter("processing");
    let io = TokioIo::new(link.stream);
    let failed = |error: hyper::Error| describe_hyper(&error, "waiting for the answer");
    if link.http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_header_list_size(MAX_HEAD as u32);
        let (mut sender, connection) = builder.handshake(io).await.map_err(failed)?;
        let work = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            receive(settings, hop, response, phases).await
        };
        drive(connection, work).await
    } else {
        let mut builder = http1::Builder::new();
        builder.max_headers(MAX_HEADERS).max_header_size(MAX_HEAD).max_buf_size(2 * MAX_HEAD);
        let (mut sender, connection) = builder.handshake(io).await.map_err(failed)?;
        let work = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            receive(settings, hop, response, phases).await
        };
        drive(connection, work).await
    }
}

/// Runs a connection's own work beside what is done over it, in one future: dropping that closes the connection.
async fn drive<C: Future, W: Future>(connection: C, work: W) -> W::Output {
    let (mut connection, mut work) = (pin!(connection), pin!(work));
    let mut open = true;
    poll_fn(|cx| {
        if open && connection.as_mut().poll(cx).is_ready() {
            open = false;
        }
        match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Resolves, connects and, for https, shakes hands.
async fn open(
    settings: &Settings,
    hop: &Hop,
    ctx: &CheckContext,
    phases: &mut Phases<'_>,
) -> Result<Link, CheckFailure> {
    let host = hop.url.host_str().unwrap_or_default();
    let port = hop.url.port_or_known_default().unwrap_or(80);
    let before = phases.spent("resolve");
    phases.enter("resolve");
    let address = resolve(host, port, settings.ip_family).await?;
    phases.leave();
    let lookup = phases.spent("resolve").saturating_sub(before);
    record_address(phases, address.ip(), lookup.as_secs_f64());
    if settings.deny_networks.iter().any(|network| network.contains(address.ip())) {
        let message = format!("{host} is at {}, which `deny_networks` forbids to ask", address.ip());
        return Err(CheckFailure::new(FailureReason::Assertion, message));
    }
    phases.enter("connect");
    let tcp = net::connect(address).await?;
    if hop.url.scheme() != "https" {
        set(phases, "probe_http_ssl", 0.0);
        let http2 = settings.speak == Speak::Http2;
        let tls_error = TlsError::default();
        return Ok(Link { stream: Box::new(tcp), http2, secure: false, certificate: None, tls_error });
    }
    phases.enter("tls");
    let alpn: &[&[u8]] = match settings.speak {
        Speak::Auto => &[b"h2", b"http/1.1"],
        Speak::Http1 => &[b"http/1.1"],
        Speak::Http2 => &[b"h2"],
    };
    let handshake = Handshake { tls: &settings.tls, host, alpn, trusted: hop.trusted, now: ctx.started_at };
    let (stream, certificate) = shake(&handshake, tcp, phases).await?;
    set(phases, "probe_http_ssl", 1.0);
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    if settings.speak == Speak::Http2 && !http2 {
        let message = "the target does not offer HTTP/2 (ALPN)".to_owned();
        return Err(CheckFailure::new(FailureReason::Protocol, message));
    }
    let tls_error = TlsError::default();
    let stream = Box::new(Watch::new(stream, Arc::clone(&tls_error)));
    Ok(Link { stream, http2, secure: true, certificate, tls_error })
}

/// A head, and for a final answer the body.
enum Received {
    Answer { status: http::StatusCode, version: Version, headers: HeaderMap, body: Body },
    Redirect(Hop),
}

async fn receive(
    settings: &Settings,
    hop: &Hop,
    response: Response<Incoming>,
    phases: &mut Phases<'_>,
) -> Result<Received, CheckFailure> {
    phases.leave();
    let (head, incoming) = response.into_parts();
    record_head(&head, phases);
    if settings.follow_redirects
        && let Some(next) = redirect::next(hop, &settings.url, head.status, &head.headers)?
    {
        return Ok(Received::Redirect(next));
    }
    phases.enter("transfer");
    let body = body::read(&head.headers, incoming, settings.max_body).await?;
    phases.leave();
    set(phases, "probe_http_uncompressed_body_length", body.bytes.len() as f64);
    if body.truncated {
        phases.fact("body read", format!("the first {} bytes", body.bytes.len()));
    }
    Ok(Received::Answer { status: head.status, version: head.version, headers: head.headers, body })
}

fn record_head(head: &http::response::Parts, phases: &mut Phases<'_>) {
    let version = version_text(head.version);
    set(phases, "probe_http_status_code", f64::from(head.status.as_u16()));
    set(phases, "probe_http_version", version.parse().unwrap_or_default());
    let text = |name: header::HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.trim().parse::<u64>().ok());
    set(phases, "probe_http_content_length", length.map_or(-1.0, |length| length as f64));
    if let Some(modified) = text(header::LAST_MODIFIED).and_then(parse_date) {
        upsert(phases, LAST_MODIFIED, modified as f64);
    }
    fact(phases, "status", format!("HTTP/{version} {}", head.status));
}

/// An HTTP date as Unix seconds.
fn parse_date(text: &str) -> Option<i64> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    parser.parse_timestamp(text).ok().map(jiff::Timestamp::as_second)
}
