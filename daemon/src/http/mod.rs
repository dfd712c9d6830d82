//! The daemon's one listener: page, API, `/metrics`. Handlers translate between HTTP and the rest; they decide
//! nothing. One file per API.

mod admin_api;
mod am;
mod audit;
pub mod auth;
mod breakers_api;
mod checks_api;
mod crowd;
mod delivery_api;
mod encoding;
mod error;
mod events_api;
mod explain_api;
mod health;
mod lifecycle;
mod metrics;
mod moment;
mod patience;
mod query;
mod recovery_api;
mod resilience_api;
mod routes;
mod rules_api;
mod rules_filter;
mod rules_view;
mod series_api;
pub mod server;
mod status_api;
pub mod tls;
mod ui;
mod write_api;
