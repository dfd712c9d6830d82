//! Asking several rules at once.

/// What one worker takes on: enough that handing results over costs nothing beside the work.
const SHARE: usize = 256;

/// Asks every item, up to `workers` at once, and then concludes with each answer, in the items' order. One worker asks
/// and concludes item by item.
pub(super) fn each<'a, T: Sync, A: Send>(
    items: &'a [T],
    workers: usize,
    ask: impl Fn(&'a T) -> A + Sync,
    mut conclude: impl FnMut(&'a T, A),
) {
    if workers < 2 || items.len() < 2 {
        return items.iter().for_each(|item| conclude(item, ask(item)));
    }
    for share in items.chunks(SHARE.saturating_mul(workers)) {
        let part = share.len().div_ceil(workers);
        let answers: Vec<A> = std::thread::scope(|scope| {
            let ask = &ask;
            let asked = |part: &'a [T]| scope.spawn(move || part.iter().map(ask).collect::<Vec<A>>());
            let running: Vec<_> = share.chunks(part).map(asked).collect();
            // A worker catches what its rules do; what else panics goes on here.
            let join = |worker: std::thread::ScopedJoinHandle<'_, Vec<A>>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running.into_iter().flat_map(join).collect()
        });
        share.iter().zip(answers).for_each(|(item, answer)| conclude(item, answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conclusions_come_in_order_whoever_asked() {
        for workers in [0, 1, 2, 3, 8] {
            for count in [0, 1, 2, 7, 1000] {
                let items: Vec<usize> = (0..count).collect();
                let mut concluded = Vec::new();
                each(&items, workers, |item| item * 2, |item, answer| concluded.push((*item, answer)));
                assert_eq!(concluded, items.iter().map(|item| (*item, item * 2)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn all_workers_are_at_it_at_once() {
        // Nobody passes the barrier unless three ask at the same time.
        let barrier = std::sync::Barrier::new(3);
        let mut concluded = 0;
        each(&[1, 2, 3], 3, |_| barrier.wait(), |_, _| concluded += 1);
        assert_eq!(concluded, 3);
    }
}
