//! What an idle breaker weighs: the growth of the resident set over many of them.

use std::time::Instant;

use breakwatch_breaker::{Breaker, Config, Preset};

const BREAKERS: u64 = 50_000;
/// The size of a page on the machines the figures are taken on.
const PAGE: u64 = 4096;

fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * PAGE)
}

pub(crate) fn report() {
    for (name, config) in [("default window", Config::default()), ("preset check", Preset::Check.config())] {
        let before = resident_bytes();
        let breakers: Vec<_> = (0..BREAKERS)
            .map(|number| Breaker::new(format!("http/{number}"), config.clone(), Instant::now()).unwrap())
            .collect();
        let (Some(before), Some(after)) = (before, resident_bytes()) else {
            println!("memory: /proc is not readable here");
            return;
        };
        let each = (after - before) / breakers.len() as u64;
        let verdict = if each <= 1024 { "" } else { "  MISSED" };
        println!("idle breaker, {name}: {each} bytes (goal 1024){verdict}");
        // Memory that comes back would hide that of the next row.
        std::mem::forget(breakers);
    }
}
