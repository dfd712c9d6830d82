//! Test equipment, never part of the product: a clock that follows tokio's paused time, scripted peers and
//! real servers on free loopback ports.

mod clock;
mod conformance;
pub mod fuzz;
pub mod receiver;
pub mod remote_write;
pub mod servers;
pub mod smtp;
pub mod smtp_script;
mod tls;

pub use clock::SimClock;
pub use conformance::conformance;
pub use tls::TestIdentity;

/// Says loudly that a test is left out because something on this machine is missing.
///
/// # Panics
/// When `CI=true`: there, everything must be in place and a silent gap would be worse than a red run.
#[expect(clippy::print_stderr, clippy::panic, reason = "the reader of a test run must see the gap")]
pub fn left_out(missing: &str) {
    let message = format!("LEFT OUT: {missing}");
    if std::env::var("CI").is_ok_and(|value| value == "true") {
        panic!("{message} (CI=true, so this is a failure)");
    }
    eprintln!("\n*** {message} ***\n");
}
