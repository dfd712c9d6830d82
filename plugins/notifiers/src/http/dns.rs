//! Names to addresses, remembering the last good answer: when the resolver is down, a page must still go out.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Asks the system's resolver; falls back to what it said last.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastGood {
    known: Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>,
}

impl LastGood {
    /// The addresses of a host, with the given port.
    ///
    /// # Errors
    /// When the resolver fails and has never succeeded for this host.
    pub(crate) async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let answer = tokio::net::lookup_host((host, port)).await.map(Iterator::collect::<Vec<_>>);
        match answer {
            Ok(addresses) if !addresses.is_empty() => {
                self.known.lock().insert(host.to_owned(), addresses.clone());
                Ok(addresses)
            }
            Ok(_) => self.last(host, port).ok_or_else(|| io::Error::other("the name has no address")),
            Err(error) => self.last(host, port).ok_or(error),
        }
    }

    fn last(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let mut addresses = self.known.lock().get(host)?.clone();
        addresses.iter_mut().for_each(|address| address.set_port(port));
        Some(addresses)
    }
}

impl Resolve for LastGood {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            // Port 0 means the URL's own.
            let addresses = resolver.lookup(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failing_resolver_gives_the_last_good_answer() {
        let resolver = LastGood::default();
        // RFC 6761 reserves `.invalid`: no resolver knows it.
        let host = "receiver.invalid";
        assert!(resolver.lookup(host, 25).await.is_err());
        let good = vec![SocketAddr::from(([127, 0, 0, 1], 9))];
        resolver.known.lock().insert(host.to_owned(), good);
        let again = resolver.lookup(host, 25).await.unwrap();
        assert_eq!(again, [SocketAddr::from(([127, 0, 0, 1], 25))]);
    }
}
