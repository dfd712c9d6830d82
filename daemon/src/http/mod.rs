//! The daemon's one listener: page, API, `/metrics`. Handlers translate between HTTP and the rest; they decide
//! nothing. One file per API.

pub mod auth;
pub mod encoding;
pub mod error;
pub mod routes;
pub mod server;
