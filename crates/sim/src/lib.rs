//! Test equipment, never part of the product: a clock that follows tokio's paused time, scripted peers and
//! real servers on free loopback ports.

mod clock;

pub use clock::SimClock;
