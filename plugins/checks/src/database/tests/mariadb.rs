//! Against a real MariaDB.

use breakwatch_model::FailureReason;
use breakwatch_sim::servers::{MariaDb, PASSWORD};
use serde_json::json;

use super::super::ENTRY;
use super::{all_phases_took_time, ask, ask_with, judged_by_value};
use crate::testing::certs::Authority;
use crate::testing::{GENEROUS, build, run_into};

#[tokio::test]
async fn what_a_server_can_do() {
    let Some(mut server) = MariaDb::start_with(&[], &["--log-warnings=9"]) else { return };
    let dsn = server.dsn();
    values_and_texts(&dsn).await;
    judged_by_value(&dsn).await;
    refusals(&dsn).await;
    let socket = dsn.replace("mysql:", "mariadb:") + "?socket=" + &server.socket();
    ask(&socket, "SELECT 1").await.succeeded();
    a_query_nobody_waits_for_ends(&dsn).await;
    // With all warnings on, the server notes every client that leaves without a word.
    let log = server.log();
    let aborted =
        log.lines().filter(|line| line.contains("Aborted connection") && !line.contains("unauthenticated"));
    let aborted: Vec<&str> = aborted.collect();
    // Of the abandoned query it has two things to say, of the one with too many rows one.
    assert!(aborted.len() <= 3, "every other run says goodbye: {aborted:?}");
    server.stop();
    let run = ask(&dsn, "SELECT 1").await;
    assert_eq!(run.failure().reason, FailureReason::Connect);
    server.restart();
    ask(&dsn, "SELECT 1").await.succeeded();
}

async fn values_and_texts(dsn: &str) {
    let query = "SELECT 42 AS i, 1.50 AS d, 2.5e0 AS f, true AS b, 'hé' AS t, NULL AS n, x'ff00' AS x, \
                 cast(7 AS unsigned) AS u, now() AS w";
    let run = ask(dsn, query).await;
    run.succeeded().hides(&[PASSWORD]);
    for (column, value) in [
        ("i", Some(42.0)),
        ("d", Some(1.5)),
        ("f", Some(2.5)),
        ("b", Some(1.0)),
        ("u", Some(7.0)),
        ("t", None),
        ("w", None),
    ] {
        let labels = format!("{{column={column:?}}}");
        assert_eq!(run.value("breakwatch_database_value", &labels), value, "{column}");
    }
    let row = run.fact("row").unwrap();
    assert!(row.starts_with("i=42, d=1.50, f=2.5, b=1, t=hé, n=NULL, x="), "{row}");
    all_phases_took_time(&run);
    let many = ask(dsn, "SELECT seq FROM seq_1_to_100000").await;
    assert_eq!(many.succeeded().value("breakwatch_database_rows", ""), Some(1000.0));
    ask(dsn, "DO 1").await.succeeded();
}

async fn refusals(dsn: &str) {
    for (dsn, query, reason, part) in [
        (dsn.replace(PASSWORD, "wr0ng-p4ss"), "SELECT 1", FailureReason::Auth, "Access denied for user"),
        (
            dsn.replace("playground", "nowhere"),
            "SELECT 1",
            FailureReason::Assertion,
            "Unknown database 'nowhere' (1049)",
        ),
        (dsn.to_owned(), "SELEC 1", FailureReason::Assertion, "(1064)"),
        (format!("{dsn}?ssl-mode=REQUIRED"), "SELECT 1", FailureReason::Tls, "server does not support TLS"),
    ] {
        let run = ask(&dsn, query).await;
        run.hides(&[PASSWORD, "wr0ng-p4ss"]);
        assert_eq!(run.failure().reason, reason, "{}", run.failure());
        assert!(run.failure().message.contains(part), "{}: {part}", run.failure());
    }
}

async fn a_query_nobody_waits_for_ends(dsn: &str) {
    let check = build(&ENTRY, &json!({ "dsn": dsn, "query": "SELECT sleep(1000), 'abandoned'" })).unwrap();
    let run = run_into(&*check, "query").await;
    assert!(run.result.is_none() || run.failure().reason == FailureReason::Timeout, "{:?}", run.result);
    let left = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%abandoned%' \
                AND id <> connection_id()";
    let gone = async {
        while ask_with(dsn, left, json!({ "expect": { "equals": 0 } })).await.result != Some(Ok(())) {}
    };
    tokio::time::timeout(GENEROUS, gone).await.expect("the server ends the query by itself");
}

#[tokio::test]
async fn tls_is_verified_against_the_configured_host() {
    let authority = Authority::new();
    let leaf = authority.leaf("localhost", 90);
    let [cert, key] = [&leaf.cert_file, &leaf.key_file].map(|file| std::fs::read_to_string(file).unwrap());
    let files = [("server.crt", cert.as_str()), ("server.key", key.as_str())];
    let Some(server) = MariaDb::start_with(&files, &["--ssl-cert=@server.crt", "--ssl-key=@server.key"])
    else {
        return;
    };
    let local = server.dsn().replace("127.0.0.1", "localhost");
    let cipher =
        "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'ssl_cipher'";
    let encrypted = json!({ "expect": { "regex": "TLS" }, "ip_family": "ipv4" });
    let ca = authority.ca_file();
    for good in [
        local.clone(),
        format!("{local}?ssl-mode=REQUIRED"),
        format!("{local}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
        format!("{}?ssl-mode=VERIFY_CA&ssl-ca={ca}", server.dsn()),
    ] {
        ask_with(&good, cipher, encrypted.clone()).await.succeeded();
    }
    let plain = ask_with(&format!("{local}?ssl-mode=DISABLED"), cipher, encrypted.clone()).await;
    assert_eq!(plain.failure().reason, FailureReason::Assertion, "{}", plain.failure());
    let wrong = format!("{}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}", server.dsn());
    let run = ask_with(&wrong, cipher, encrypted).await;
    assert_eq!(run.failure().reason, FailureReason::Tls, "{}", run.failure());
    assert!(run.failure().message.contains("not for 127.0.0.1"), "{}", run.failure());
}
