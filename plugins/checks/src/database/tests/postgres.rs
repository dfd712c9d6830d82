//! Against a real PostgreSQL.

use breakwatch_model::FailureReason;
use breakwatch_sim::servers::{PASSWORD, Postgres};
use serde_json::json;

use super::super::ENTRY;
use super::{all_phases_took_time, ask, ask_with, judged_by_value};
use crate::testing::certs::Authority;
use crate::testing::{GENEROUS, build, run_into, run_within};

#[tokio::test]
async fn what_a_server_can_do() {
    let Some(mut server) =
        Postgres::start_with(&[], &["max_connections=10", "superuser_reserved_connections=1"])
    else {
        return;
    };
    let dsn = server.dsn();
    values_and_texts(&dsn).await;
    judged_by_value(&dsn).await;
    let log = server.log();
    for complaint in
        ["unexpected EOF", "could not receive data", "incomplete startup", "client lost", PASSWORD]
    {
        assert!(!log.contains(complaint), "every run says goodbye ({complaint}): {log}");
    }
    let many = ask(&dsn, "SELECT generate_series(1, 100000)").await;
    assert_eq!(many.succeeded().value("breakwatch_database_rows", ""), Some(1000.0));
    refusals(&server).await;
    over_its_socket(&server).await;
    a_query_nobody_waits_for_ends(&server).await;
    a_server_that_goes_away(&mut server).await;
    let run = ask(&dsn, "SELECT 1").await;
    let message = format!("connecting to 127.0.0.1:{}: connection refused", server.port());
    assert_eq!((run.failure().reason, &run.failure().message), (FailureReason::Connect, &message));
    assert_eq!(run.fact("stopped in phase"), Some("connect"));
    server.restart();
    ask(&dsn, "SELECT 1").await.succeeded();
}

async fn values_and_texts(dsn: &str) {
    let query = "SELECT 42 AS i, 1.5::numeric AS d, 2.5::float8 AS f, true AS b, 'hé' AS t, NULL AS n, now() AS w, \
                 '7' AS i, 8::oid AS o";
    let run = ask(dsn, query).await;
    run.succeeded().hides(&[PASSWORD]);
    for (column, value) in [
        ("i", Some(42.0)),
        ("d", Some(1.5)),
        ("f", Some(2.5)),
        ("b", Some(1.0)),
        ("o", Some(8.0)),
        ("t", None),
    ] {
        let labels = format!("{{column={column:?}}}");
        assert_eq!(run.value("breakwatch_database_value", &labels), value, "{column}");
    }
    let row = run.fact("row").unwrap();
    assert!(row.starts_with("i=42, d=1.5, f=2.5, b=true, t=hé, n=NULL, w=20"), "{row}");
    assert_eq!(run.value("breakwatch_database_rows", ""), Some(1.0));
    assert_eq!(run.value("probe_ip_protocol", ""), Some(4.0));
    all_phases_took_time(&run);
    // A query of several statements, and one that gives nothing.
    ask_with(dsn, "SET search_path = public; SELECT 1", json!({ "expect": { "equals": 1 } }))
        .await
        .succeeded();
    ask(dsn, "CREATE TEMPORARY TABLE x (i int)").await.succeeded();
    // Without the time limit the query goes alone.
    ask_with(dsn, "VACUUM", json!({ "cancel_on_timeout": false })).await.succeeded();
    ask_with(dsn, "SELECT 1", json!({ "degraded": { "latency": "1h" } })).await.succeeded();
}

async fn refusals(server: &Postgres) {
    let dsn = server.dsn();
    for (dsn, query, reason, part) in [
        (
            dsn.replace(PASSWORD, "wr0ng-p4ss"),
            "SELECT 1",
            FailureReason::Auth,
            "password authentication failed",
        ),
        (
            dsn.replace("playground", "nowhere"),
            "SELECT 1",
            FailureReason::Assertion,
            "\"nowhere\" does not exist (3D000)",
        ),
        (dsn.clone(), "SELEC 1", FailureReason::Assertion, "syntax error at or near \"SELEC\" (42601)"),
        (dsn.clone(), "SELECT 1/0", FailureReason::Assertion, "division by zero"),
        (format!("{dsn}?sslmode=require"), "SELECT 1", FailureReason::Tls, "server does not support TLS"),
    ] {
        let run = ask(&dsn, query).await;
        run.hides(&[PASSWORD, "wr0ng-p4ss"]);
        assert_eq!(run.failure().reason, reason, "{}", run.failure());
        assert!(run.failure().message.contains(part), "{}: {part}", run.failure());
    }
    // A password that the server repeats in its message is hidden there, too.
    let run = ask(&dsn, &format!("SELECT {PASSWORD:?}")).await;
    assert_eq!(run.failure().message, "column \"<secret>\" does not exist (42703)");
    a_full_house(&dsn).await;
}

/// Sleepers come until there is no room left; then a probe is told so, and let in again once they are gone.
async fn a_full_house(dsn: &str) {
    let sleepers = [(); 12].map(|()| {
        let check = build(&ENTRY, &json!({ "dsn": dsn, "query": "SELECT pg_sleep(2)" })).unwrap();
        tokio::spawn(async move {
            loop {
                run_within(&*check, GENEROUS).await;
            }
        })
    });
    let full = async {
        loop {
            if let Some(Err(failure)) = ask(dsn, "SELECT 1").await.result {
                return failure;
            }
        }
    };
    let failure = tokio::time::timeout(GENEROUS, full).await.expect("the server fills up");
    assert_eq!(failure.to_string(), "sorry, too many clients already (53300) (connect)");
    sleepers.iter().for_each(tokio::task::JoinHandle::abort);
    // Also those that had only just come in and not asked anything yet.
    let left = "SELECT count(*) FROM pg_stat_activity \
                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let freed = async {
        while ask_with(dsn, left, json!({ "expect": { "equals": 0 } })).await.result != Some(Ok(())) {}
    };
    tokio::time::timeout(GENEROUS, freed).await.expect("the sleepers are gone");
}

/// Stops the server under a query.
async fn a_server_that_goes_away(server: &mut Postgres) {
    let dsn = server.dsn();
    let check = build(&ENTRY, &json!({ "dsn": dsn, "query": "SELECT pg_sleep(1000), 'cut off'" })).unwrap();
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cut off%' AND pid <> pg_backend_pid()";
    let stop = async {
        while ask_with(&dsn, running, json!({ "expect": { "equals": 1 } })).await.result != Some(Ok(())) {}
        server.stop();
    };
    // A server that has just been full may still have no room: then the run ends at once, and is made again.
    let query = async {
        loop {
            let run = run_within(&*check, GENEROUS).await;
            if run.fact("stopped in phase") != Some("auth") {
                return run;
            }
        }
    };
    let cut_off = tokio::select! {
        cut_off = query => cut_off,
        () = async { stop.await; std::future::pending().await } => unreachable!(),
    };
    assert_eq!(cut_off.failure().reason, FailureReason::Connect, "{}", cut_off.failure());
    assert_eq!(cut_off.fact("stopped in phase"), Some("query"), "{}", cut_off.failure());
}

async fn over_its_socket(server: &Postgres) {
    let dsn =
        format!("postgres:///playground?user=tester&host={}&port={}", server.socket_dir(), server.port());
    let run = ask(&dsn, "SELECT current_user").await;
    assert_eq!(run.succeeded().fact("row"), Some("current_user=tester"));
    assert_eq!(run.value("breakwatch_database_duration_seconds", r#"{phase="resolve"}"#), Some(0.0));
    assert_eq!(run.value("probe_ip_protocol", ""), None, "a socket has no address");
    let missing = dsn.replace(&server.socket_dir(), "/no/such/directory");
    let run = ask(&missing, "SELECT 1").await;
    assert_eq!(run.failure().reason, FailureReason::Connect);
    assert!(run.failure().message.ends_with("no such file or directory"), "{}", run.failure());
}

async fn a_query_nobody_waits_for_ends(server: &Postgres) {
    let settings = json!({ "dsn": server.dsn(), "query": "SELECT pg_sleep(1000), 'abandoned'" });
    let check = build(&ENTRY, &settings).unwrap();
    let run = run_into(&*check, "query").await;
    // The server's own limit may come an instant before ours.
    assert!(run.result.is_none() || run.failure().reason == FailureReason::Timeout, "{:?}", run.result);
    let left =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%abandoned%' AND pid <> pg_backend_pid()";
    let gone = async {
        while ask_with(&server.dsn(), left, json!({ "expect": { "equals": 0 } })).await.result != Some(Ok(()))
        {
        }
    };
    tokio::time::timeout(GENEROUS, gone).await.expect("the server ends the query by itself");
}

#[tokio::test]
async fn tls_is_verified_against_the_configured_host() {
    let authority = Authority::new();
    let leaf = authority.leaf("localhost", 90);
    let [cert, key] = [&leaf.cert_file, &leaf.key_file].map(|file| std::fs::read_to_string(file).unwrap());
    let files = [("server.crt", cert.as_str()), ("server.key", key.as_str())];
    let settings = ["ssl=on", "ssl_cert_file=@server.crt", "ssl_key_file=@server.key"];
    let Some(server) = Postgres::start_with(&files, &settings) else { return };
    let local = server.dsn().replace("127.0.0.1", "localhost");
    let is_encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let encrypted = json!({ "expect": { "equals": "true" }, "ip_family": "ipv4" });
    let ca = authority.ca_file();
    for good in [
        local.clone(),
        format!("{local}?sslmode=require"),
        format!("{local}?sslmode=verify-full&sslrootcert={ca}"),
        format!("{}?sslmode=verify-ca&sslrootcert={ca}", server.dsn()),
    ] {
        ask_with(&good, is_encrypted, encrypted.clone()).await.succeeded();
    }
    let plain = ask_with(&format!("{local}?sslmode=disable"), is_encrypted, encrypted.clone()).await;
    assert_eq!(plain.failure().reason, FailureReason::Assertion);
    let stranger = Authority::named("Stranger");
    for (bad, part) in [
        (format!("{}?sslmode=verify-full&sslrootcert={ca}", server.dsn()), "not for 127.0.0.1"),
        (format!("{local}?sslmode=verify-full&sslrootcert={}", stranger.ca_file()), "issuer is not trusted"),
    ] {
        let run = ask_with(&bad, is_encrypted, encrypted.clone()).await;
        assert_eq!(run.failure().reason, FailureReason::Tls, "{}", run.failure());
        assert!(run.failure().message.contains(part), "{}", run.failure());
    }
}
