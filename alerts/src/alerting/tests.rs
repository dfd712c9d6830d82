//! Scripts of alerts against what the receivers are expected to see.

mod crash;
mod delivery;
mod explain;
mod groups;
mod guarantee;
mod operators;
mod sim;
