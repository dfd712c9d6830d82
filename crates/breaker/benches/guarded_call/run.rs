//! Runs rows in turns, on one thread or several that share the guarded thing.

use std::sync::{Arc, Barrier};
use std::time::Instant;

/// Makes so many guarded calls on this thread.
type Work = Arc<dyn Fn(u64) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Rows(Vec<(&'static str, Work)>);

pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) threads: usize,
    /// Nanoseconds per call as each thread saw it, sorted.
    rounds: Vec<f64>,
}

impl Measured {
    pub(crate) fn min(&self) -> f64 {
        self.rounds.first().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.rounds.get(self.rounds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// What ratios are taken of. Threads that contend swing between two modes, by whether they really met; a
    /// median would be either, so there it is the mean.
    pub(crate) fn judged(&self) -> f64 {
        if self.threads == 1 {
            self.median()
        } else {
            self.rounds.iter().sum::<f64>() / self.rounds.len() as f64
        }
    }

    pub(crate) fn max(&self) -> f64 {
        self.rounds.last().copied().unwrap_or(f64::NAN)
    }
}

impl Rows {
    /// A row whose work is a loop of its own, so that the guarded call is inlined into it.
    pub(crate) fn add(&mut self, name: &'static str, work: impl Fn(u64) + Send + Sync + 'static) {
        self.0.push((name, Arc::new(work)));
    }

    pub(crate) fn run(&mut self, threads: usize, calls: u64, rounds: u64) -> Vec<Measured> {
        let mut measured: Vec<_> =
            self.0.iter().map(|(name, _)| Measured { name, threads, rounds: Vec::new() }).collect();
        for _ in 0..rounds {
            for ((_, work), row) in self.0.iter().zip(&mut measured) {
                row.rounds.push(once(work, threads, calls));
            }
        }
        for row in &mut measured {
            row.rounds.sort_by(f64::total_cmp);
        }
        measured
    }
}

fn once(work: &Work, threads: usize, calls: u64) -> f64 {
    let barrier = Arc::new(Barrier::new(threads));
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (work, barrier) = (Arc::clone(work), Arc::clone(&barrier));
            std::thread::spawn(move || {
                work(calls / 50); // Warms caches and fills windows.
                barrier.wait();
                let began = Instant::now();
                work(calls);
                began.elapsed().as_nanos() as f64 / calls as f64
            })
        })
        .collect();
    workers.into_iter().map(|worker| worker.join().unwrap()).sum::<f64>() / threads as f64
}
