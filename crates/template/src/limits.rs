//! What one run of a template may cost.
//!
//! Templates come from rule files and configuration, and their data from the network. An endless range, a
//! template that calls itself or a string that doubles itself must end as an error of that one template,
//! long before the daemon feels it. All work is paid from one budget of steps, so that the bound does not
//! depend on how fast the machine is; a caller with a deadline can add a closure that says when it has passed.

/// Bounds of one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Steps: one for each piece of the template that is run, and one for each 64 bytes a function reads or makes.
    pub steps: u64,
    /// The longest output, and the longest string any function may make, in bytes.
    pub output: usize,
    /// How deep actions, parentheses and template calls may stand inside each other.
    pub depth: u32,
}

impl Limits {
    /// A message of a megabyte is a mistake, whatever the receiver.
    pub const OUTPUT: usize = 1 << 20;
    /// About 0.1 s of work in a release build; the largest shipped template takes under 5000 for 100 alerts.
    pub const STEPS: u64 = 1_000_000;
    /// Keeps a run inside half of a 2 MiB worker stack even in an unoptimised build.
    pub const DEPTH: u32 = 128;
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: Self::STEPS, output: Self::OUTPUT, depth: Self::DEPTH }
    }
}

/// A limit was reached; says which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Exceeded(pub(crate) String);

pub(crate) fn too_long(limit: usize) -> Exceeded {
    Exceeded(format!("result is longer than the limit of {limit} bytes"))
}

/// A string that refuses to grow beyond a limit.
#[derive(Debug)]
pub(crate) struct Text {
    buffer: String,
    limit: usize,
}

impl Text {
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: String::new(), limit }
    }

    pub(crate) fn push_str(&mut self, text: &str) -> Result<(), Exceeded> {
        if text.len() > self.room() {
            return Err(too_long(self.limit));
        }
        self.buffer.push_str(text);
        Ok(())
    }

    pub(crate) fn push(&mut self, c: char) -> Result<(), Exceeded> {
        self.push_str(c.encode_utf8(&mut [0; 4]))
    }

    /// `count` times `c`.
    pub(crate) fn fill(&mut self, c: char, count: usize) -> Result<(), Exceeded> {
        for _ in 0..count {
            self.push(c)?;
        }
        Ok(())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.buffer
    }

    /// How many more bytes fit.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.buffer.len()
    }

    pub(crate) fn into_string(self) -> String {
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stops_at_its_limit() {
        let mut text = Text::new(3);
        assert!(text.push_str("ab").is_ok() && text.push_str("cd").is_err() && text.push('c').is_ok());
        assert!(text.push('d').is_err());
        assert_eq!(text.into_string(), "abc");
    }
}
