//! The HTTP side of every integration that speaks it: one client with Alertmanager's `http_config`, bounded in
//! time and size, and one way to judge an answer.

mod answer;
mod config;
mod deliver;
mod dns;
mod oauth2;
mod retry_after;
pub(crate) mod rustls_config;
mod send;

pub(crate) use self::answer::{Answer, Judged, excerpt};
pub(crate) use self::config::HttpConfig;
#[cfg(test)]
pub(crate) use self::deliver::Posted;
pub(crate) use self::deliver::{Posting, parse};
pub(crate) use self::dns::LastGood;
pub(crate) use self::retry_after::capped;
pub(crate) use self::send::{HttpClient, Outgoing, base64, chain};
