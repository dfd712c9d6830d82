//! Every reader of bytes from the disk, against bytes that are wrong in all the ways a seed can find.
//!
//! Starts from the corpus in `fuzz/corpus`, changes inputs at random and keeps going for a set time: five
//! seconds a target, or `BREAKWATCH_FUZZ_SECONDS`. An input that makes a reader panic is added to the corpus.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test program")]

use std::panic::catch_unwind;
use std::path::PathBuf;
use std::time::Duration;

use breakwatch_model::{Clock, SystemClock};
use breakwatch_store::fuzzing::{TARGETS, Target};

fn seconds() -> u64 {
    std::env::var("BREAKWATCH_FUZZ_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5)
}

fn corpus_dir(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name)
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(corpus_dir(target)).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Changes an input a little, or a lot.
fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut fastrand::Rng) {
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(0..=input.len());
        match rng.u8(0..8) {
            0 if at < input.len() => input[at] ^= 1 << rng.u8(0..8),
            1 if at < input.len() => input[at] = rng.u8(..),
            2 if at < input.len() => input[at] = [0, 1, 0x7f, 0x80, 0xff][rng.usize(0..5)],
            3 => input.truncate(at),
            4 => {
                let bytes: Vec<u8> = (0..rng.usize(1..12)).map(|_| rng.u8(..)).collect();
                input.splice(at..at, bytes);
            }
            5 => {
                let end = rng.usize(at..=input.len());
                input.drain(at..end);
            }
            6 if !other.is_empty() => {
                let start = rng.usize(0..other.len());
                let end = rng.usize(start..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[start..end]);
            }
            _ => {
                let end = (at + rng.usize(0..9)).min(input.len());
                input[at..end].fill(0xff);
            }
        }
    }
}

fn fuzz(target: &Target) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "no corpus for {}", target.name);
    let clock = SystemClock;
    let start = clock.monotonic();
    let limit = Duration::from_secs(seconds());
    // Another seed each day, so that a year of runs is not one run.
    let mut rng = fastrand::Rng::with_seed(clock.now().secs() as u64 / 86_400);
    let mut runs = 0_u64;
    for input in &corpus {
        (target.run)(input);
    }
    while clock.monotonic() - start < limit {
        let mut input = corpus[rng.usize(0..corpus.len())].clone();
        mutate(&mut input, &corpus[rng.usize(0..corpus.len())], &mut rng);
        runs += 1;
        if catch_unwind(|| (target.run)(&input)).is_err() {
            let path = corpus_dir(target).join(format!("crash-{runs:08}"));
            std::fs::write(&path, &input).unwrap();
            panic!("{} panics; the input is kept as {}", target.name, path.display());
        }
    }
    println!("{}: {runs} inputs", target.name);
}

/// The corpus holds the well-formed inputs of today's format.
#[test]
fn corpus_is_up_to_date() {
    for target in &TARGETS {
        let dir = corpus_dir(target);
        let write = std::env::var_os("BREAKWATCH_WRITE_CORPUS").is_some();
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            let path = dir.join(format!("seed-{number}"));
            if write {
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(&path, &seed).unwrap();
            }
            let held = std::fs::read(&path).unwrap_or_default();
            assert!(held == seed, "{} is not what is written today; the format changed", path.display());
        }
    }
}

macro_rules! targets {
    ($($name:ident $number:literal)*) => { $(
        #[test]
        fn $name() {
            let target = &TARGETS[$number];
            assert_eq!(target.name, stringify!($name));
            fuzz(target);
        }
    )* };
}

targets! { wal_frame 0 chunk 1 block 2 block_index 3 series 4 state 5 }
