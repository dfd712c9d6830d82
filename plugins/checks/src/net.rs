//! What every check over the network shares: one address, one connection, and words for what went wrong.
//!
//! One attempt to one address, no racing of addresses and no retry: a host that is half up must show.

mod cidr;
pub(crate) mod failure;
pub(crate) mod resolve;
pub(crate) mod tls;

pub(crate) use cidr::Cidr;
pub(crate) use failure::{from_io, is_local};
pub(crate) use resolve::{IpFamily, resolve};

use std::net::SocketAddr;

use breakwatch_model::{CheckFailure, FailureReason};
use tokio::net::TcpStream;

/// Opens one TCP connection.
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, CheckFailure> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| from_io(&error, FailureReason::Connect, &format!("connecting to {address}")))?;
    // Small requests leave at once; a failure to set this changes nothing but timing.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
