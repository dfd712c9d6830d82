//! The body: decoded, and never more of it than the cap, whatever the other side sends.

use std::io::{self, Write};

use breakwatch_model::{CheckFailure, FailureReason};
use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::failure::describe_hyper;
use crate::report::clean;

/// How much of a body the evidence shows.
const EXCERPT: usize = 512;

/// Bytes on the wire allowed beyond the cap: a stream that decodes to nothing must end too.
const OVERHEAD: u64 = 64 * 1024;

/// A decoded body, perhaps only its beginning.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// There was more than the cap.
    pub(super) truncated: bool,
}

impl Body {
    /// The beginning, fit to be shown.
    pub(super) fn excerpt(&self) -> String {
        let end = self.bytes.len().min(4 * EXCERPT);
        let text = String::from_utf8_lossy(self.bytes.get(..end).unwrap_or_default());
        clean(&text, EXCERPT)
    }
}

/// Takes bytes until the cap.
struct Sink {
    body: Body,
    cap: usize,
}

impl Write for Sink {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let room = self.cap - self.body.bytes.len();
        self.body.bytes.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
        if chunk.len() > room {
            self.body.truncated = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Undoes the content encoding on the way into the sink.
enum Decoder {
    Identity(Sink),
    Gzip(MultiGzDecoder<Sink>),
    Deflate(ZlibDecoder<Sink>),
}

impl Decoder {
    fn new(headers: &HeaderMap, cap: usize) -> Result<Self, CheckFailure> {
        let sink = Sink { body: Body::default(), cap };
        let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
        match encoding.map(<[u8]>::to_ascii_lowercase).as_deref() {
            None | Some(b"" | b"identity") => Ok(Self::Identity(sink)),
            Some(b"gzip" | b"x-gzip") => Ok(Self::Gzip(MultiGzDecoder::new(sink))),
            Some(b"deflate") => Ok(Self::Deflate(ZlibDecoder::new(sink))),
            Some(other) => Err(CheckFailure::new(
                FailureReason::Protocol,
                format!(
                    "the answer is encoded as {}, which was not asked for",
                    clean(&String::from_utf8_lossy(other), 40)
                ),
            )),
        }
    }

    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Identity(sink) => sink.write_all(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk),
            Self::Deflate(decoder) => decoder.write_all(chunk),
        }
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Identity(sink) => sink,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
        }
    }

    /// Checks that the stream was whole.
    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Identity(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflate(decoder) => decoder.try_finish(),
        }
    }
}

/// Reads a body up to `cap` decoded bytes.
pub(super) async fn read(
    headers: &HeaderMap,
    mut incoming: Incoming,
    cap: usize,
) -> Result<Body, CheckFailure> {
    let mut decoder = Decoder::new(headers, cap)?;
    let mut on_the_wire = 0u64;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| describe_hyper(&error, "reading the body"))?;
        let Ok(chunk) = frame.into_data() else { continue };
        on_the_wire += chunk.len() as u64;
        if !feed(&mut decoder, &chunk)? {
            break;
        }
        if on_the_wire > cap as u64 + OVERHEAD {
            decoder.sink().body.truncated = true;
            break;
        }
    }
    if on_the_wire > 0 && !decoder.sink().body.truncated {
        // Finishing flushes what the decoder still holds, which may itself reach the cap.
        decoder.finish().or_else(|error| overflow(&mut decoder, &error).map(drop))?;
    }
    Ok(std::mem::take(&mut decoder.sink().body))
}

/// Whether to go on.
fn feed(decoder: &mut Decoder, chunk: &Bytes) -> Result<bool, CheckFailure> {
    match decoder.write(chunk) {
        Ok(()) => Ok(true),
        Err(error) => overflow(decoder, &error),
    }
}

/// The cap ends the reading quietly; anything else is a damaged stream.
fn overflow(decoder: &mut Decoder, error: &io::Error) -> Result<bool, CheckFailure> {
    if decoder.sink().body.truncated {
        return Ok(false);
    }
    Err(CheckFailure::new(FailureReason::Protocol, format!("the body's compression is damaged: {error}")))
}
