//! The frame of a fuzz target: runs a case per seed for a set time and holds each to its limits.
//!
//! `BREAKWATCH_FUZZ_SECONDS` (5) says for how long, `BREAKWATCH_SEED` (1) where to start. A failure names its input: the
//! case itself says it when it panics, and [`Case::input`] when it takes too much.

use std::time::{Duration, Instant};

use fastrand::Rng;

/// No case may take longer than this; unoptimised code gets more time.
const SLOW: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
/// No case may need more memory than this, in KiB; the whole process stays below it, so each case does.
const MUCH_MEMORY: u64 = 256 * 1024;

/// What a case did.
#[derive(Debug, Default)]
pub struct Case {
    /// The input, shown when it took too long.
    pub input: String,
    /// Whether the input got past the first reading.
    pub valid: bool,
}

/// Runs cases until the time is up.
///
/// # Panics
/// When a case takes too long or the process too much memory, or when no input was ever valid: a target that only sees
/// refusals looks at nothing.
#[expect(clippy::disallowed_methods, reason = "a fuzz target runs for a time")]
#[expect(clippy::print_stdout, reason = "the reader of a test run wants the figures")]
pub fn fuzz(what: &str, mut run: impl FnMut(&mut Rng) -> Case) {
    let (start, seed) = (Instant::now(), number("BREAKWATCH_SEED", 1));
    let time = Duration::from_secs(number("BREAKWATCH_FUZZ_SECONDS", 5));
    let (mut cases, mut valid, mut slowest) = (0_u64, 0_u64, Duration::ZERO);
    while start.elapsed() < time || cases == 0 {
        let before = worked();
        let case = run(&mut Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(cases)));
        let took =
            worked().zip(before).map_or(Duration::ZERO, |(after, before)| after.saturating_sub(before));
        assert!(took < SLOW, "{what}: {took:?} for {:?}", case.input);
        slowest = slowest.max(took);
        valid += u64::from(case.valid);
        cases += 1;
    }
    let peak = peak_memory().unwrap_or(0);
    println!(
        "{what}: {cases} cases, {valid} valid, the slowest took {slowest:?}, peak memory {} MiB",
        peak / 1024
    );
    assert!(valid > 0 || time < Duration::from_secs(1), "{what}: no input was valid");
    assert!(peak < MUCH_MEMORY, "{what}: {peak} KiB");
}

/// A number from the environment.
#[must_use]
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What this thread has worked so far: unlike the clock, it does not count what others do to the machine.
fn worked() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The most memory this process has held at once, in KiB, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The largest place at or before `at` where `text` may be cut.
#[must_use]
pub fn boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

/// Changes a text: pieces put in, taken out, doubled, replaced by one of `words`, lines swapped.
#[must_use]
pub fn mutated(mut text: String, words: &[&str], random: &mut Rng) -> String {
    for _ in 0..random.u8(1..6) {
        let at = boundary(&text, random.usize(..=text.len()));
        let end = boundary(&text, (at + random.usize(..20)).min(text.len()));
        let word = words.get(random.usize(..words.len().max(1))).copied().unwrap_or("");
        match random.u8(..5) {
            0 => text.insert_str(at, word),
            1 => text.replace_range(at..end, ""),
            2 => text.replace_range(at..end, word),
            3 => {
                let piece = text.get(at..end).unwrap_or("").repeat(random.usize(..50));
                text.insert_str(at, &piece);
            }
            _ => {
                let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
                let (from, to) = (random.usize(..lines.len().max(1)), random.usize(..lines.len().max(1)));
                if from < lines.len() && to < lines.len() {
                    lines.swap(from, to);
                }
                text = lines.concat();
            }
        }
    }
    text
}
