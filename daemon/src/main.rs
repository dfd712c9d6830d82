//! breakwatch: see `breakwatch --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    breakwatch::cli::main()
}
