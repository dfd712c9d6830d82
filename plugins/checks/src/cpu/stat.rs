//! `/proc/stat`: how long each processor has been in each mode since boot (proc(5)).

/// The modes in the order of the file's columns, under node_exporter's names. `guest` and `guest_nice` are left
/// out: the kernel counts them in `user` and `nice` already.
pub(super) const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

/// The kernel counts in hundredths of a second on every architecture Linux runs on (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// The seconds one processor has spent in each mode.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Times {
    pub(super) cpu: String,
    pub(super) seconds: [f64; MODES.len()],
}

/// Reads the lines of single processors. Lines and columns that are not understood are skipped.
pub(super) fn parse(text: &str) -> Vec<Times> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Times> {
    let mut columns = line.strip_prefix("cpu")?.split_ascii_whitespace();
    let starts_with_digit = line.as_bytes().get(3).is_some_and(u8::is_ascii_digit);
    let cpu = columns.next().filter(|_| starts_with_digit)?;
    let mut seconds = [0.0; MODES.len()];
    for slot in &mut seconds {
        // Kernels of old have fewer columns.
        let Some(ticks) = columns.next() else { break };
        *slot = ticks.parse::<u64>().ok()? as f64 / TICKS_PER_SECOND;
    }
    Some(Times { cpu: cpu.to_owned(), seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_single_processors_are_read() {
        let text = "cpu  30 0 40 1000 5 0 2 0 0 0\n\
                    cpu0 10 1 20 500 5 3 2 4 9 9\n\
                    cpu11 20 0 20 500\n\
                    cpux 1 2 3\n\
                    cpu2 1 2 -3\n\
                    intr 12345 0 0\n";
        let times = parse(text);
        assert_eq!(times.len(), 2);
        assert_eq!(times[0].cpu, "0");
        assert_eq!(times[0].seconds, [0.1, 0.01, 0.2, 5.0, 0.05, 0.03, 0.02, 0.04]);
        assert_eq!((times[1].cpu.as_str(), times[1].seconds[4]), ("11", 0.0));
    }
}
