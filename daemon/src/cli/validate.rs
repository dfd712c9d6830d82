//! `validate` and `print-config`.

use std::process::ExitCode;

use super::exit::Exit;
use super::options::ConfigFiles;
use super::output::say;
use crate::wiring::load;

/// Reads a configuration and everything it names.
///
/// # Errors
/// Every mistake, one a line.
pub fn run(args: &ConfigFiles) -> Result<ExitCode, Exit> {
    let loaded = load(args)?;
    for warning in &loaded.warnings {
        super::output::complain(warning);
    }
    let (checks, rules) = (loaded.config.checks.len(), loaded.rules.count());
    let receivers = loaded.alerting.config.receivers.len();
    say(&format!("the configuration is good: {checks} checks, {rules} rules, {receivers} receivers"));
    Ok(ExitCode::SUCCESS)
}

/// Prints the effective configuration.
///
/// # Errors
/// Every mistake, one a line.
pub fn print_config(args: &ConfigFiles) -> Result<ExitCode, Exit> {
    let loaded = load(args)?;
    say(breakwatch_config::print_config(&loaded.config).trim_end());
    Ok(ExitCode::SUCCESS)
}

pub(super) fn load(args: &ConfigFiles) -> Result<load::Loaded, Exit> {
    load::load(&args.config, load::Overrides::default()).map_err(|findings| {
        let count = match findings.len() {
            1 => "1 finding".to_owned(),
            n => format!("{n} findings"),
        };
        Exit::BadConfig(format!("{count} in the configuration\n{}", findings.join("\n")))
    })
}
