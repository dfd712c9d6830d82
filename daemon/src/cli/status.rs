//! `status`: what somebody on an ssh at night wants to see first.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::client::{ApiClient, block_on};
use super::exit::Exit;
use super::options::Daemon;
use super::output::{Format, colour_of, paint, say, table};

/// `status`.
#[derive(ClapArgs, Debug)]
pub struct Status {
    /// The daemon.
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// Checks, breakers, firing alerts and the outbox at a glance.
///
/// # Errors
/// When the daemon cannot be reached.
pub fn run(args: &Status) -> Result<ExitCode, Exit> {
    let client = ApiClient::new(&args.daemon)?;
    let (health, checks, breakers, alerts, outbox) = block_on(async {
        Ok((
            client.get("/health", &[]).await?,
            client.get("/api/v1/checks", &[]).await?,
            client.get("/health/circuit-breakers", &[]).await?,
            client.get("/api/v1/alerts", &[]).await?,
            client.get("/api/v1/outbox", &[]).await?,
        ))
    })?;
    let checks = list(&checks["data"]);
    let alerts = list(&alerts["data"]["alerts"]);
    if args.output == Format::Json {
        let all = json!({
            "overall": health["overall"], "checks": checks, "breakers": breakers["circuit_breakers"],
            "alerts": alerts, "outbox": outbox["data"],
        });
        say(&format!("{all:#}"));
        return Ok(ExitCode::SUCCESS);
    }
    say(&headline(&health, &checks));
    say(&check_table(&checks));
    say(&breaker_lines(&breakers));
    say(&alert_lines(&alerts));
    say(&outbox_lines(&outbox["data"]));
    Ok(ExitCode::SUCCESS)
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

fn headline(health: &Value, checks: &[Value]) -> String {
    let overall = text(health, "overall");
    let number = |status: &str| checks.iter().filter(|check| text(check, "status") == status).count();
    format!(
        "{} {}: {} healthy, {} degraded, {} unhealthy, {} unknown\n",
        text(health, "serviceId"),
        paint(overall, colour_of(overall)),
        number("healthy"),
        number("degraded"),
        number("unhealthy"),
        number("unknown"),
    )
}

fn check_table(checks: &[Value]) -> String {
    let mut rows = vec![["CHECK", "STATUS", "BREAKER", "SINCE", "MESSAGE"].map(str::to_owned).to_vec()];
    let mut sorted: Vec<&Value> = checks.iter().collect();
    sorted.sort_by_key(|check| (text(check, "status") == "healthy", text(check, "id").to_owned()));
    for check in sorted {
        let (status, breaker) = (text(check, "status"), text(check, "breaker"));
        let message = check["last"]["message"].as_str().unwrap_or("");
        rows.push(vec![
            text(check, "id").to_owned(),
            paint(status, colour_of(status)),
            paint(breaker, colour_of(breaker)),
            check["last"]["since"].as_str().unwrap_or("-").to_owned(),
            message.chars().take(80).collect(),
        ]);
    }
    table(&rows)
}

fn breaker_lines(breakers: &Value) -> String {
    let mut lines = format!(
        "\nbreakers: {} in all, {} open, {} half-open",
        breakers["total"], breakers["open"], breakers["half_open"]
    );
    let all = breakers["circuit_breakers"].as_object().into_iter().flatten();
    for (name, breaker) in all.filter(|(_, breaker)| text(breaker, "state") != "closed") {
        let state = text(breaker, "state");
        let next =
            breaker["next_probe_at"].as_str().map(|at| format!(", next probe {at}")).unwrap_or_default();
        lines.push_str(&format!("\n  {name} {}{next}", paint(state, colour_of(state))));
    }
    lines
}

fn alert_lines(alerts: &[Value]) -> String {
    let firing: Vec<&Value> = alerts.iter().filter(|alert| text(alert, "state") == "firing").collect();
    let mut lines = format!("alerts:   {} firing, {} pending", firing.len(), alerts.len() - firing.len());
    for alert in firing {
        let labels = &alert["labels"];
        let check = labels["check"].as_str().map(|check| format!(" {check}")).unwrap_or_default();
        let name = text(labels, "alertname");
        lines.push_str(&format!(
            "\n  {}{check} since {}",
            paint(name, colour_of("firing")),
            text(alert, "activeAt")
        ));
    }
    lines
}

fn outbox_lines(outbox: &Value) -> String {
    let waiting = list(&outbox["entries"]);
    let mut lines = format!("outbox:   {} waiting", waiting.len());
    for entry in &waiting {
        let error = entry["last_error"].as_str().unwrap_or("not tried yet");
        lines.push_str(&format!(
            "\n  {} since {}, {} attempts: {error}",
            text(entry, "integration"),
            text(entry, "since"),
            entry["attempts"]
        ));
    }
    lines
}
