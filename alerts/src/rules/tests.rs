//! Groups over described series, in simulated time.

mod files;
mod late;
mod life;
mod restart;
mod sim;
