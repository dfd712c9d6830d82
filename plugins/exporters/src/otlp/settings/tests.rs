//! The Collector's names and defaults, and the environment where they are silent.

use std::path::PathBuf;

use breakwatch_plugin_api::{ComponentId, Key, NodeKind, Place};

use super::*;

/// A tree from `(path, text)` pairs; paths are dotted.
fn node(pairs: &[(&str, &str)]) -> Node {
    let mut root = Node::empty_map(Place { file: "t.yml".into(), line: 1, column: 1, path: "".into() });
    for (path, text) in pairs {
        put(&mut root, path, text);
    }
    root
}

fn put(node: &mut Node, path: &str, text: &str) {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    let place = node.place.clone();
    let NodeKind::Map(entries) = &mut node.kind else { panic!("a mapping") };
    let at = entries.iter().position(|(known, _)| &*known.name == key).unwrap_or_else(|| {
        entries.push((Key { name: key.into(), place: place.clone() }, Node::empty_map(place)));
        entries.len() - 1
    });
    match rest {
        Some(rest) => put(&mut entries[at].1, rest, text),
        None => entries[at].1.kind = NodeKind::Scalar { text: text.to_owned(), quoted: false },
    }
}

fn read_with(
    pairs: &[(&str, &str)],
    protocol: Option<Protocol>,
    variables: &[(&str, &str)],
) -> Result<Settings, Vec<String>> {
    let context = ExporterContext {
        id: ComponentId::parse("otlp").expect("a good id"),
        base_dir: PathBuf::from("/etc/breakwatch"),
        resource: Vec::new(),
    };
    let variables = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    let diagnostics = Diagnostics::new();
    let settings = Settings::read(&node(pairs), &context, protocol, &variables, &diagnostics);
    let found: Vec<String> = diagnostics.into_sorted().iter().map(|d| d.message.clone()).collect();
    settings.filter(|_| found.is_empty()).ok_or(found)
}

fn read(pairs: &[(&str, &str)]) -> Settings {
    read_with(pairs, None, &[]).unwrap_or_else(|found| panic!("{found:?}"))
}

#[test]
fn defaults_are_the_collectors() {
    let settings = read(&[("endpoint", "http://c:4317")]);
    assert_eq!(
        (settings.protocol, settings.timeout, settings.gzip),
        (Protocol::Grpc, Duration::from_secs(5), true)
    );
    assert!(settings.tls.is_none());
    assert_eq!(settings.delivery.retry.initial_interval, Duration::from_secs(5));
    let settings = read(&[("endpoint", "http://c:4318"), ("protocol", "http/protobuf")]);
    assert_eq!((settings.protocol, settings.timeout), (Protocol::HttpProtobuf, Duration::from_secs(30)));
    assert_eq!(settings.uri.to_string(), "http://c:4318/v1/metrics");
}

#[test]
fn addresses_are_read_as_the_collector_reads_them() {
    let uri = |pairs: &[(&str, &str)]| read(pairs).uri.to_string();
    assert_eq!(uri(&[("endpoint", "c:4317")]), "https://c:4317/");
    assert_eq!(uri(&[("endpoint", "c:4317"), ("tls.insecure", "true")]), "http://c:4317/");
    assert_eq!(uri(&[("endpoint", "https://c"), ("tls.insecure", "true")]), "https://c/");
    assert!(read(&[("endpoint", "c:4317")]).tls.is_some());
    let http = |pairs: &[(&str, &str)]| {
        let read = read_with(pairs, Some(Protocol::HttpProtobuf), &[]);
        read.map(|settings| settings.uri.to_string()).unwrap_or_else(|found| found.join("; "))
    };
    assert_eq!(http(&[("endpoint", "http://c:4318/base/")]), "http://c:4318/base/v1/metrics");
    assert_eq!(http(&[("metrics_endpoint", "http://c/own")]), "http://c/own");
    assert_eq!(
        http(&[("endpoint", "c:4318")]),
        "expected an address with its scheme, such as `http://127.0.0.1:4318`"
    );
    assert_eq!(
        http(&[("endpoint", "http://u:p@c")]),
        "expected an address without credentials (send them in `headers`)"
    );
    assert_eq!(http(&[("endpoint", "ftp://c")]), "expected an address such as `http://127.0.0.1:4318`");
}

#[test]
fn the_environment_fills_what_is_not_written() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
    ];
    let settings = read_with(&[], None, &variables).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(settings.uri.to_string(), "http://env:4318/v1/metrics");
    assert_eq!((settings.gzip, settings.timeout, settings.headers.len()), (false, Duration::from_secs(2), 1));
    let written = [
        ("endpoint", "http://file:4317"),
        ("protocol", "grpc"),
        ("headers.x", "y"),
        ("compression", "gzip"),
        ("timeout", "3s"),
    ];
    let settings = read_with(&written, None, &variables).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(
        (settings.protocol, settings.gzip, settings.timeout),
        (Protocol::Grpc, true, Duration::from_secs(3))
    );
    assert_eq!(settings.headers[0].0.as_str(), "x");
    let own = [("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:1/as-is")];
    let settings =
        read_with(&[], Some(Protocol::HttpProtobuf), &own).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(settings.uri.to_string(), "http://m:1/as-is");
}

#[test]
fn mistakes_are_all_reported() {
    let found = read_with(
        &[
            ("protocol", "http"),
            ("compression", "zip"),
            ("timeout", "0s"),
            ("headers.bad name", "x"),
            ("headers.good", "a\nb"),
            ("tls.cert_file", "c.pem"),
            ("retry_on_failure.multiplier", "0.5"),
            ("sending_queue.batch.min_size", "9000"),
            ("endpint", "x"),
        ],
        None,
        &[],
    );
    let found = found.err().expect("refused");
    for part in [
        "missing required key `endpoint`",
        "found \"http\"",
        "found \"zip\"",
        "a duration longer than zero",
        "\"bad name\" is not the name of a header",
        "the value of \"good\" cannot be sent",
        "`cert_file` and `key_file` belong together",
        "`multiplier` must be from 1 to 100",
        "`min_size` is more than `max_size`",
        "unknown key `endpint`",
    ] {
        assert!(found.iter().any(|message| message.contains(part)), "{part}: {found:?}");
    }
    assert_eq!(found.len(), 10, "{found:?}");
}
