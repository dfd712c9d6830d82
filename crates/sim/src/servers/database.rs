//! What both database servers are set up with.

/// The user every server knows.
pub const USER: &str = "tester";
/// The user's password; unlike any other text, so that it can be searched for in whatever a test produces.
pub const PASSWORD: &str = "c4nary-p4ssw0rd";
/// A database the user may do anything in.
pub const DATABASE: &str = "playground";
