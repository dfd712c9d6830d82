//! Groups over described series, in simulated time.

mod files;
mod life;
mod restart;
mod sim;
