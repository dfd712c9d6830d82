//! The breakers others would choose, and the bare costs nobody can go below.

use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use failsafe::CircuitBreaker as _;
use failsafe::backoff::constant;
use failsafe::failure_policy::{consecutive_failures, success_rate_over_time_window};
use futures_util::FutureExt;
use tower::{Layer, Service, service_fn};

use crate::run::Rows;

const HOUR: Duration = Duration::from_secs(3600);

/// What a careful person writes by hand: a ring of the last 100 results behind a mutex, locked to ask and
/// locked to record.
#[derive(Default)]
struct Ring {
    bits: [u64; 2],
    next: usize,
    failures: u32,
}

fn by_hand(ring: &Mutex<Ring>, good: bool) -> bool {
    if ring.lock().unwrap().failures > 50 {
        return false;
    }
    let good = black_box(good);
    let mut ring = ring.lock().unwrap();
    let (word, bit) = (ring.next / 64, 1_u64 << (ring.next % 64));
    ring.failures -= u32::from(ring.bits[word] & bit != 0);
    ring.failures += u32::from(!good);
    if good {
        ring.bits[word] &= !bit;
    } else {
        ring.bits[word] |= bit;
    }
    ring.next = (ring.next + 1) % 100;
    good
}

pub(crate) fn add(rows: &mut Rows) {
    rows.add("one clock reading", |calls| {
        for _ in 0..calls {
            black_box(Instant::now());
        }
    });
    let ring = Mutex::new(Ring::default());
    rows.add("std Mutex + 100-bit ring", move |calls| {
        for _ in 0..calls {
            black_box(by_hand(&ring, true));
        }
    });
    let ring = Mutex::new(Ring::default());
    rows.add("std Mutex + ring, with failures", move |calls| {
        for number in 0..calls {
            black_box(by_hand(&ring, number % 50 != 0));
        }
    });
    let ring = Mutex::new(Ring::default());
    rows.add("std Mutex + 100-bit ring + clock", move |calls| {
        for _ in 0..calls {
            black_box(by_hand(&ring, true));
            black_box(Instant::now());
        }
    });
    blocking(rows);
    layered(rows);
}

fn blocking(rows: &mut Rows) {
    let closed = recloser::Recloser::custom().error_rate(0.5).closed_len(100).build();
    rows.add("recloser closed", move |calls| {
        for _ in 0..calls {
            black_box(closed.call(|| black_box(Ok::<u8, u8>(1))).is_ok());
        }
    });
    let open = recloser::Recloser::custom().error_rate(0.5).closed_len(1).open_wait(HOUR).build();
    for _ in 0..5 {
        let _ = open.call(|| Err::<u8, u8>(1));
    }
    rows.add("recloser open", move |calls| {
        for _ in 0..calls {
            black_box(open.call(|| black_box(Ok::<u8, u8>(1))).is_ok());
        }
    });
    let policy = consecutive_failures(5, constant(HOUR));
    let consecutive = failsafe::Config::new().failure_policy(policy).build();
    rows.add("failsafe consecutive", move |calls| {
        for _ in 0..calls {
            black_box(consecutive.call(|| black_box(Ok::<u8, u8>(1))).is_ok());
        }
    });
    let policy = success_rate_over_time_window(0.5, 10, Duration::from_secs(30), constant(HOUR));
    let rate = failsafe::Config::new().failure_policy(policy).build();
    rows.add("failsafe rate over window", move |calls| {
        for _ in 0..calls {
            black_box(rate.call(|| black_box(Ok::<u8, u8>(1))).is_ok());
        }
    });
}

fn layered(rows: &mut Rows) {
    let bare = service_fn(|number: u64| async move { Ok::<u64, std::io::Error>(black_box(number)) });
    rows.add("bare tower service", move |calls| {
        let mut service = bare;
        for number in 0..calls {
            black_box(service.call(number).now_or_never());
        }
    });
    let layer = tower_resilience_circuitbreaker::CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(100)
        .build()
        .unwrap();
    let guarded = layer.layer(bare);
    rows.add("tower-resilience", move |calls| {
        let mut service = guarded.clone();
        for number in 0..calls {
            black_box(service.call(number).now_or_never());
        }
    });
}
