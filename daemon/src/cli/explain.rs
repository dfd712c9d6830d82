//! `explain`: the whole way of an alert.

use std::process::ExitCode;

use super::args::Explain;
use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::output::{Format, say};

/// Asks the running daemon and prints what it knows.
///
/// # Errors
/// When the daemon cannot be reached or says no.
pub(super) fn run(args: &Explain) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(&args.daemon)?;
    let mut query: Vec<(&str, &str)> = args.labels.iter().map(|label| ("label", label.as_str())).collect();
    query.extend(args.since.iter().map(|since| ("since", since.as_str())));
    let answer = block_on(client.get("/api/v1/explain", &query))?;
    if args.output == Format::Json {
        say(&format!("{:#}", answer["data"]));
        return Ok(ExitCode::SUCCESS);
    }
    for line in answer["data"]["lines"].as_array().map(Vec::as_slice).unwrap_or_default() {
        say(line.as_str().unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}
