use super::*;

fn all() -> TimeRange {
    TimeRange::new(Timestamp::MIN, Timestamp::MAX)
}

/// Random samples of up to 32 series that share most of their times.
fn random_series(rng: &mut fastrand::Rng) -> Vec<(u8, Vec<Sample>)> {
    let rows = rng.usize(1..200);
    let times: Vec<i64> = (0..rows as i64).map(|n| 1_700_000_000_000 + n * 1000 + rng.i64(0..3)).collect();
    let mut series: Vec<(u8, Vec<Sample>)> = Vec::new();
    for slot in 0..32 {
        let missing = rng.f64() * 0.3;
        let samples: Vec<Sample> = times
            .iter()
            .filter_map(|t| {
                let there = rng.f64() >= missing;
                there.then(|| Sample::new(Timestamp(*t), f64::from(rng.u8(0..3))))
            })
            .collect();
        if rng.bool() && !samples.is_empty() {
            series.push((slot, samples));
        }
    }
    series
}

#[test]
fn random_rows_survive_and_ranges_cut_right() {
    let mut rng = fastrand::Rng::with_seed(11);
    for _ in 0..300 {
        let series = random_series(&mut rng);
        let rows = Rows::of(&series);
        let effort = if rng.bool() { Effort::Quick } else { Effort::Thorough };
        let chunk = Chunk::parse(encode(&rows, effort)).unwrap();
        let columns: Vec<_> = chunk.slots().map(|slot| chunk.column(slot, 0).unwrap().unwrap()).collect();
        assert_eq!((&chunk.times, columns), (&rows.times, rows.columns));
        let mut out = Vec::new();
        for (slot, samples) in &series {
            out.clear();
            chunk.samples(*slot, 0, all(), &mut out).unwrap();
            assert_eq!(out, *samples);
            let pick = |rng: &mut fastrand::Rng| Timestamp(1_700_000_000_000 + rng.i64(-5..205_000));
            let range = TimeRange::new(pick(&mut rng), pick(&mut rng));
            out.clear();
            chunk.samples(*slot, 0, range, &mut out).unwrap();
            let expected: Vec<Sample> = samples.iter().filter(|s| range.contains(s.t)).copied().collect();
            assert_eq!(out, expected);
        }
    }
}

#[test]
fn damage_at_every_byte_is_noticed() {
    let mut rng = fastrand::Rng::with_seed(12);
    let bytes = encode(&Rows::of(&random_series(&mut rng)), Effort::Quick);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << rng.u32(0..8);
        assert!(Chunk::parse(damaged).is_err(), "flip at {at}");
        assert!(Chunk::parse(bytes[..at].to_vec()).is_err(), "cut at {at}");
    }
}

#[test]
fn an_absent_slot_has_no_samples() {
    let rows = Rows::of(&[(3, vec![Sample::new(Timestamp(5), 1.0)])]);
    let chunk = Chunk::parse(encode(&rows, Effort::Quick)).unwrap();
    assert_eq!(chunk.slots().collect::<Vec<_>>(), [3]);
    assert_eq!(chunk.column(31, 0).unwrap(), None);
    assert_eq!(chunk.range(), TimeRange::new(Timestamp(5), Timestamp(5)));
}
