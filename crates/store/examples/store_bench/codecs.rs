//! What each encoding gives for each kind of column, in bytes a value.

use breakwatch_store::admin::encoded_sizes;

use crate::data::{NAMES, Target};
use crate::say;

/// Values of a column in a block.
const ROWS: usize = 720;

/// Columns of each kind that are tried.
const COLUMNS: usize = 100;

pub(crate) fn run() {
    let mut columns: [Vec<Vec<f64>>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for number in 0..COLUMNS {
        let mut target = Target::new(number, false);
        let rows: Vec<[f64; 3]> = (0..ROWS).map(|_| target.next()).collect();
        for (kind, columns) in columns.iter_mut().enumerate() {
            columns.push(rows.iter().map(|row| row[kind]).collect());
        }
    }
    for (name, columns) in NAMES.iter().zip(columns) {
        let mut sums: Vec<(&str, usize)> = Vec::new();
        for column in &columns {
            for (encoding, bytes) in encoded_sizes(column) {
                match sums.iter_mut().find(|(known, _)| *known == encoding) {
                    Some((_, sum)) => *sum += bytes,
                    None => sums.push((encoding, bytes)),
                }
            }
        }
        for (encoding, sum) in sums {
            let bytes = sum as f64 / (COLUMNS * ROWS) as f64;
            say(&format!("{name}: {encoding}, bytes/value"), format!("{bytes:.3}"));
        }
    }
}
