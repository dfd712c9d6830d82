//! The best `k` values. Which of several equal ones stays depends on how the heap is built; it is built as
//! Prometheus builds it (with Go's `container/heap`), so that the same series stay.

/// A binary heap with the worst of the best on top.
pub(super) struct Heap {
    largest: bool,
    wanted: usize,
    items: Vec<(f64, usize)>,
}

impl Heap {
    /// Keeps the `wanted` largest (or smallest) values; at least one.
    pub(super) fn new(largest: bool, wanted: usize) -> Self {
        Self { largest, wanted, items: Vec::with_capacity(wanted.min(64)) }
    }

    /// Whether `a` is worse than `b`; NaN is the worst.
    fn worse(&self, a: f64, b: f64) -> bool {
        a.is_nan() || if self.largest { a < b } else { a > b }
    }

    fn worse_at(&self, a: usize, b: usize) -> bool {
        match (self.items.get(a), self.items.get(b)) {
            (Some((a, _)), Some((b, _))) => self.worse(*a, *b),
            _ => false,
        }
    }

    /// Takes a value in if it is among the best.
    pub(super) fn offer(&mut self, value: f64, index: usize) {
        if self.items.len() < self.wanted {
            self.items.push((value, index));
            self.up(self.items.len() - 1);
            return;
        }
        let Some(top) = self.items.first_mut() else { return };
        let better = if self.largest { top.0 < value } else { top.0 > value };
        if better || (top.0.is_nan() && !value.is_nan()) {
            *top = (value, index);
            self.down(0);
        }
    }

    fn up(&mut self, mut child: usize) {
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.worse_at(child, parent) {
                return;
            }
            self.items.swap(parent, child);
            child = parent;
        }
    }

    fn down(&mut self, mut parent: usize) {
        loop {
            let left = 2 * parent + 1;
            if left >= self.items.len() {
                return;
            }
            let right = left + 1;
            let child = if right < self.items.len() && self.worse_at(right, left) { right } else { left };
            if !self.worse_at(child, parent) {
                return;
            }
            self.items.swap(parent, child);
            parent = child;
        }
    }

    /// The kept items, best first.
    pub(super) fn drain_best_first(mut self, out: &mut Vec<usize>) {
        let mut items = std::mem::take(&mut self.items);
        // Insertion sort order, which Go uses for so few items: equal ones stay as they are in the heap.
        items.sort_by(|a, b| {
            if self.worse(b.0, a.0) && !self.worse(a.0, b.0) {
                std::cmp::Ordering::Less
            } else if self.worse(a.0, b.0) && !self.worse(b.0, a.0) {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        });
        out.extend(items.into_iter().map(|(_, index)| index));
    }
}

#[cfg(test)]
mod tests {
    use super::Heap;

    fn best(largest: bool, wanted: usize, values: &[f64]) -> Vec<usize> {
        let mut heap = Heap::new(largest, wanted);
        values.iter().enumerate().for_each(|(index, value)| heap.offer(*value, index));
        let mut out = Vec::new();
        heap.drain_best_first(&mut out);
        out
    }

    #[test]
    fn keeps_the_best_in_order() {
        let values = [3.0, f64::NAN, 5.0, 1.0, 4.0];
        assert_eq!(best(true, 3, &values), [2, 4, 0]);
        assert_eq!(best(false, 2, &values), [3, 0]);
        assert_eq!(best(true, 9, &values), [2, 4, 0, 3, 1]);
        assert_eq!(best(true, 1, &[f64::NAN, 1.0]), [1]);
    }
}
