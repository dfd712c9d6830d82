//! The pace at which a check is probed while its breaker is open: what it may be, and its words.

/// How a check is probed while its breaker is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeWhenOpen {
    /// At the pace of the breaker's open time: the target is spared.
    Stretch,
    /// At the check's interval.
    Normal,
    /// Faster than the interval, so that recovery is seen soon.
    Fast,
}

impl ProbeWhenOpen {
    pub(crate) const CHOICES: [(&'static str, Self); 3] =
        [("stretch", Self::Stretch), ("normal", Self::Normal), ("fast", Self::Fast)];

    /// The word in configuration files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stretch => "stretch",
            Self::Normal => "normal",
            Self::Fast => "fast",
        }
    }
}
