//! `completions` and `man`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Command};

use super::exit::Exit;
use super::output::say;

/// `completions`.
#[derive(ClapArgs, Debug)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(ClapArgs, Debug)]
pub struct Man {
    /// The directory to write to.
    pub directory: PathBuf,
}

/// Prints a completion script.
///
/// # Errors
/// Never; the signature is that of every command.
pub fn run(args: &Completions, program: &mut Command) -> Result<ExitCode, Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, program, "breakwatch", &mut script);
    say(&String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}

/// Writes a man page for the program and one for each command.
///
/// # Errors
/// When the directory cannot be written to.
pub fn man(args: &Man, program: Command) -> Result<ExitCode, Exit> {
    let failed = |error: std::io::Error| Exit::Failed(format!("{}: {error}", args.directory.display()));
    std::fs::create_dir_all(&args.directory).map_err(failed)?;
    clap_mangen::generate_to(program, &args.directory).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
