//! Our rows: the same calls, through the same kind of interface.

use std::hint::black_box;
use std::time::{Duration, Instant};

use breakwatch_breaker::tower::BreakerLayer;
use breakwatch_breaker::{Breaker, Builder, Config, Outcome, Preset, State};
use futures_util::FutureExt;
use tower::{Layer, Service, service_fn};

use crate::run::Rows;

const HOUR: Duration = Duration::from_secs(3600);

fn by_rate() -> Builder {
    Config::builder().failure_threshold(None).failure_rate(0.5).open_for(HOUR)
}

fn made(builder: Builder) -> Breaker {
    Breaker::new("bench", builder.build().unwrap(), Instant::now()).unwrap()
}

pub(crate) fn add(rows: &mut Rows) {
    let count = made(by_rate().count_window(100));
    blocking(rows, "count window closed", count);
    blocking(rows, "time window closed", made(by_rate().time_window(Duration::from_secs(30))));
    blocking(rows, "default configuration closed", made(Builder::from(Config::default())));
    let open = made(by_rate());
    open.force(State::Open, Instant::now());
    blocking(rows, "open rejection", open);
    let held = made(by_rate());
    held.hold(State::Open, Instant::now());
    blocking(rows, "held open rejection", held);

    // A failure now and then keeps the window from being full of good calls.
    let failing = made(by_rate().count_window(100));
    rows.add("count window with failures", move |calls| {
        for number in 0..calls {
            let result = if number % 50 == 0 { Err(1) } else { Ok::<u8, u8>(1) };
            let _ = black_box(failing.call_blocking(|| black_box(result)));
        }
    });
    let given = made(Preset::Check.builder());
    rows.add("admit and record, time given", move |calls| {
        let now = Instant::now();
        for _ in 0..calls {
            let (permit, _) = given.admit(now);
            if let Ok(permit) = permit {
                black_box(permit.record(Outcome::Success, now));
            }
        }
    });
    layered(rows, "tower layer", made(by_rate().count_window(100)));
    layered(rows, "tower layer, time window", made(by_rate().time_window(Duration::from_secs(30))));
}

fn blocking(rows: &mut Rows, name: &'static str, breaker: Breaker) {
    rows.add(name, move |calls| {
        for _ in 0..calls {
            black_box(breaker.call_blocking(|| black_box(Ok::<u8, u8>(1))).is_ok());
        }
    });
}

fn layered(rows: &mut Rows, name: &'static str, breaker: Breaker) {
    let bare = service_fn(|number: u64| async move { Ok::<u64, std::io::Error>(black_box(number)) });
    let guarded = BreakerLayer::new(breaker).layer(bare);
    rows.add(name, move |calls| {
        let mut service = guarded.clone();
        for number in 0..calls {
            let _ = black_box(service.call(number).now_or_never());
        }
    });
}
