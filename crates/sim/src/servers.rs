//! Real servers on free loopback ports, in directories of their own, gone when dropped.
//!
//! Each `start` returns `None` when the server is not installed, after saying so by [`crate::left_out`]. A server
//! started by root runs as `nobody`: PostgreSQL and MariaDB refuse to serve root.

mod database;
mod mariadb;
mod nginx;
mod postgres;
mod prometheus;
mod support;

pub use database::{DATABASE, PASSWORD, USER};
pub use mariadb::MariaDb;
pub use nginx::Nginx;
pub use postgres::Postgres;
pub use prometheus::Prometheus;
pub use support::free_port;
