//! How many may read at once. Each answer is held in memory until its reader has taken it, so a crowd, or a few readers
//! who take nothing, would grow without bound. Scrapes have places of their own: a busy page must not blind Prometheus.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use axum::response::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::Access;
use super::error::{ApiError, ErrorKind};

/// Scrapes under way at once. More come in turn; each is a matter of milliseconds.
const SCRAPES: usize = 16;
/// How long a scrape waits for its turn: Prometheus gives up after 10 s by default.
const SCRAPE_WAIT: Duration = Duration::from_secs(8);
/// How long another reader waits for its turn: a dashboard asks for everything at once and is soon content.
const READ_WAIT: Duration = Duration::from_secs(2);

/// Who shares places with whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// Answers of a few bytes, changes, and the stream of the live page, which lasts.
    Free,
    /// Everything that reads more.
    Read,
    /// `/metrics`.
    Scrape,
}

impl Class {
    /// The class of a route.
    pub(super) fn of(path: &str, access: Access) -> Self {
        match (path, access) {
            ("/metrics", _) => Self::Scrape,
            ("/ui/events" | "/health" | "/health/circuit-breakers", _) => Self::Free,
            (_, Access::Read) => Self::Read,
            _ => Self::Free,
        }
    }
}

/// The places.
#[derive(Clone)]
pub(super) struct Crowd {
    limit: usize,
    reads: Arc<Semaphore>,
    scrapes: Arc<Semaphore>,
}

impl Crowd {
    /// Places for `limit` readers at once.
    pub(super) fn new(limit: usize) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { limit, reads: places(limit), scrapes: places(SCRAPES) }
    }

    /// A place, after a wait if need be; `None` for those who need none.
    ///
    /// # Errors
    /// When none becomes free in time.
    pub(super) async fn enter(&self, class: Class, method: &Method) -> Result<Option<Place>, ApiError> {
        let (places, wait, limit, what) = match class {
            Class::Free => return Ok(None),
            // A `HEAD` has no body to hold.
            _ if method == Method::HEAD => return Ok(None),
            Class::Read => (&self.reads, READ_WAIT, self.limit, "reads (`server.max_concurrent_reads`)"),
            Class::Scrape => (&self.scrapes, SCRAPE_WAIT, SCRAPES, "scrapes"),
        };
        match tokio::time::timeout(wait, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Some(Place(permit))),
            _ => {
                let message = format!("limit of concurrent {what} reached ({limit}), try again later");
                Err(ApiError::new(ErrorKind::Crowded, message))
            }
        }
    }
}

/// A place among the readers; dropping it makes room.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Place {
    /// Keeps the place until the reader has taken the whole answer, or is gone.
    pub(super) fn hold(self, response: Response) -> Response {
        response.map(|body| Body::new(Held { body, place: Arc::new(self) }))
    }
}

struct Held {
    body: Body,
    place: Arc<Place>,
}

/// A part of an answer, with the place it is read from. The server takes an answer as a whole and gives it out as the
/// reader takes it, so the place has to go along.
struct Part {
    bytes: Bytes,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let place = &self.place;
        let held = |bytes| Bytes::from_owner(Part { bytes, _place: Arc::clone(place) });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(held))))
    }

    // Passed on, so that the answer keeps its `Content-Length`.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_does_not_take_his_answer_keeps_his_place_and_no_scrape_waits_for_him() {
        let crowd = Crowd::new(2);
        let read = || crowd.enter(Class::Read, &Method::GET);
        let answer = |place: Option<Place>| place.unwrap().hold("a long story".into_response());
        let (first, second) = (answer(read().await.unwrap()), answer(read().await.unwrap()));
        let error = read().await.unwrap_err();
        assert_eq!(error.kind.status(), 503);
        assert!(error.message.contains("reads (`server.max_concurrent_reads`) reached (2)"), "{error:?}");
        assert!(crowd.enter(Class::Scrape, &Method::GET).await.unwrap().is_some());
        assert!(crowd.enter(Class::Free, &Method::GET).await.unwrap().is_none());
        assert!(crowd.enter(Class::Read, &Method::HEAD).await.unwrap().is_none());
        assert_eq!(first.body().size_hint().exact(), Some(12), "the length is still known");
        drop(first);
        let third = read().await.unwrap();
        assert!(third.is_some() && read().await.is_err());
        let taken = axum::body::to_bytes(second.into_body(), 100).await.unwrap();
        assert!(read().await.is_err(), "the answer was given out, but not yet to the reader");
        drop(taken);
        assert!(read().await.unwrap().is_some(), "the answer was taken");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_waits_for_his_turn() {
        let crowd = Crowd::new(1);
        let place = crowd.enter(Class::Read, &Method::GET).await.unwrap();
        let waiting = {
            let crowd = crowd.clone();
            tokio::spawn(
                async move { crowd.enter(Class::Read, &Method::GET).await.map(|place| place.is_some()) },
            )
        };
        tokio::time::sleep(READ_WAIT / 2).await;
        drop(place);
        assert_eq!(waiting.await.unwrap(), Ok(true));
    }

    #[test]
    fn what_is_cheap_or_lasts_needs_no_place() {
        assert_eq!(Class::of("/metrics", Access::Read), Class::Scrape);
        assert_eq!(Class::of("/ui/events", Access::Read), Class::Free);
        assert_eq!(Class::of("/-/healthy", Access::Open), Class::Free);
        assert_eq!(Class::of("/api/v2/alerts", Access::Read), Class::Read);
        assert_eq!(Class::of("/api/v2/alerts", Access::Operate), Class::Free);
    }
}
