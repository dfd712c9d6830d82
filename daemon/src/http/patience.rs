//! Connections on which nothing moves are closed: a reader who stops reading, or says nothing for minutes, would
//! otherwise hold his answer and his file descriptor for ever.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a write may find no room. Whoever takes not one byte in this time is gone or means harm.
const STALLED: Duration = Duration::from_secs(10);
/// How long a connection may be quiet in both directions: Prometheus' own limit. The longest query takes two minutes,
/// the live page hears something every few seconds.
const IDLE: Duration = Duration::from_secs(300);

/// A listener with connections of bounded patience.
pub(super) struct Patient<L>(pub(super) L);

impl<L: Listener> Listener for Patient<L> {
    type Io = PatientIo<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, address) = self.0.accept().await;
        (PatientIo::new(io), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A connection of bounded patience.
pub(super) struct PatientIo<S> {
    io: S,
    idle: Pin<Box<Sleep>>,
    /// Runs while a write waits for room.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> PatientIo<S> {
    fn new(io: S) -> Self {
        Self { io, idle: Box::pin(sleep(IDLE)), stalled: None }
    }

    /// Something went over the connection. Whoever waits for the idle time to end goes on waiting.
    fn moved(&mut self) {
        self.idle.as_mut().reset(Instant::now() + IDLE);
    }

    /// Takes the outcome of a write or flush into account.
    fn wrote<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.moved();
            self.stalled = None;
            return outcome;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(outcome) = Pin::new(&mut self.io).poll_read(cx, buffer) {
            self.moved();
            return Poll::Ready(outcome);
        }
        ready!(self.idle.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_shutdown(cx);
        self.wrote(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.wrote(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_takes_nothing_is_left_and_a_slow_one_is_not() {
        let (ours, mut theirs) = duplex(4);
        let mut ours = PatientIo::new(ours);
        let slow = tokio::spawn(async move {
            for _ in 0..5 {
                sleep(STALLED - Duration::from_secs(1)).await;
                theirs.read_exact(&mut [0; 4]).await.unwrap();
            }
            theirs
        });
        ours.write_all(b"twenty bytes in all.").await.unwrap();
        let theirs = slow.await.unwrap();
        let error = ours.write_all(b"who reads this?").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_if_nothing_moves_either_way() {
        let (ours, mut theirs) = duplex(64);
        let (mut reading, mut writing) = tokio::io::split(PatientIo::new(ours));
        let news = tokio::spawn(async move {
            for _ in 0..3 {
                sleep(IDLE - Duration::from_secs(1)).await;
                writing.write_all(b"x").await.unwrap();
            }
        });
        let mut buffer = [0; 1];
        let mut read = tokio::spawn(async move { reading.read(&mut buffer).await });
        // Told something all the while, the connection is not idle although nothing comes from the other side.
        let still = tokio::time::timeout(2 * IDLE, &mut read).await;
        assert!(still.is_err(), "{still:?}");
        news.await.unwrap();
        let error = read.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        theirs.read_exact(&mut [0; 3]).await.unwrap();
    }
}
