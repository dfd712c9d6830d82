//! Printing: tables, colours where they are welcome, and nothing else on stdout.
#![expect(clippy::print_stderr, reason = "this is the module that prints")]

use std::io::{IsTerminal as _, Write as _};

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

/// Prints a result. A closed pipe (`| head`) is no error.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a complaint.
pub fn complain(text: &str) {
    eprintln!("breakwatch: {text}");
}

/// Prints what belongs beside a result: findings, one after the other as they come.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Colours of states on a terminal.
#[derive(Clone, Copy, Debug)]
pub enum Colour {
    /// Fine.
    Green,
    /// Needs a look.
    Yellow,
    /// Broken.
    Red,
    /// Beside the point.
    Grey,
}

/// Whether colours are welcome: a terminal, unless `NO_COLOR` or `TERM=dumb`; always with `CLICOLOR_FORCE`.
#[must_use]
pub fn coloured() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    if set("NO_COLOR") || std::env::var("TERM").is_ok_and(|term| term == "dumb") {
        return false;
    }
    set("CLICOLOR_FORCE") || std::io::stdout().is_terminal()
}

/// The text in a colour, if colours are welcome.
#[must_use]
pub fn paint(text: &str, colour: Colour) -> String {
    if !coloured() {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Green => 32,
        Colour::Yellow => 33,
        Colour::Red => 31,
        Colour::Grey => 90,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// The colour of a status or state word.
#[must_use]
pub fn colour_of(word: &str) -> Colour {
    match word {
        "healthy" | "closed" | "pass" => Colour::Green,
        "degraded" | "half_open" | "warn" | "pending" => Colour::Yellow,
        "unhealthy" | "open" | "fail" | "firing" => Colour::Red,
        _ => Colour::Grey,
    }
}

/// Rows in aligned columns; the first row is the head.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - visible(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// The width of a cell on screen: characters, without colour codes.
fn visible(cell: &str) -> usize {
    let (mut count, mut in_code) = (0, false);
    for c in cell.chars() {
        match c {
            '\u{1b}' => in_code = true,
            'm' if in_code => in_code = false,
            _ if !in_code => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let text =
            table(&[row(&["CHECK", "STATE"]), row(&["http/a", "\u{1b}[31mopen\u{1b}[0m"]), row(&["b", ""])]);
        assert_eq!(text, "CHECK   STATE\nhttp/a  \u{1b}[31mopen\u{1b}[0m\nb");
    }
}
