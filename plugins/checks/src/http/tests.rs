//! The check against real servers on loopback.

mod bodies;
mod faults;
mod judged;
mod redirects;
mod settings;
mod tls;
