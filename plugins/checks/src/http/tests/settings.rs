//! Mistakes in the settings, each with its message.

use serde_json::json;

use super::super::ENTRY;
use crate::testing::certs::Authority;
use crate::testing::{build, mistakes};

#[test]
fn mistakes_are_reported_at_their_place() {
    for (settings, expected) in [
        (json!({}), "missing required key `url`"),
        (json!({ "url": "ftp://x/" }), "url: expected an http or https URL, found \"ftp://x/\""),
        (json!({ "url": "example.org" }), "url: expected an http or https URL, found \"example.org\""),
        (
            json!({ "url": "http://x/", "metod": "GET" }),
            "metod: unknown key `metod` (did you mean `method`?)",
        ),
        (
            json!({ "url": "http://x/", "method": "G T" }),
            "method: expected an HTTP method such as `GET`, found \"G T\"",
        ),
        (
            json!({ "url": "http://x/", "expect": { "status": ["2xx", "ok"] } }),
            "expect.status[1]: expected a status code (`301`), a range (`200-204`) or a class (`2xx`), found \"ok\"",
        ),
        (
            json!({ "url": "http://x/", "expect": { "body_regex": "(" } }),
            "expect.body_regex: expected a regular expression (unclosed group), found \"(\"",
        ),
        (
            json!({ "url": "http://x/", "expect": { "json": { "db": "up" } } }),
            "expect.json.db: expected a path such as `$.db`, `$.items[0].name` or `$.nodes[*].up`, found \"db\"",
        ),
        (
            json!({ "url": "http://x/", "headers": { "Content-Length": "5" } }),
            "headers.Content-Length: `content-length` is set by the request itself",
        ),
        (
            json!({ "url": "http://x/", "headers": { "X": "a\nb" } }),
            "headers.X: expected one line of text, found \"a\\nb\"",
        ),
        (
            json!({ "url": "http://x/", "auth": { "bearer": "t", "basic": { "username": "u", "password": "p" } } }),
            "auth: expected either `basic` or `bearer`",
        ),
        (
            json!({ "url": "http://x/", "tls": { "cert_file": "/x" } }),
            "tls.cert_file: `cert_file` and `key_file` are needed together",
        ),
        (
            json!({ "url": "http://x/", "tls": { "ca_file": "/nowhere/ca.pem" } }),
            "tls.ca_file: cannot read /nowhere/ca.pem: no such file or directory",
        ),
        (
            json!({ "url": "http://x/", "tls": { "ca_file": "/etc/hostname" } }),
            "tls.ca_file: holds no certificates in PEM form",
        ),
        (
            json!({ "url": "http://x/", "degraded": { "latency": "2s" }, "unhealthy": { "latency": "1s" } }),
            "degraded: `latency` lies beyond that of `unhealthy`: degraded could never be seen",
        ),
        (
            json!({ "url": "http://x/", "deny_networks": ["10.0.0.0/33"] }),
            "deny_networks: expected a network such as `169.254.0.0/16` or `fe80::/10`, found \"10.0.0.0/33\"",
        ),
        (
            json!({ "url": "http://x/", "max_body": "1KiB", "expect": { "body_max": "2KiB" } }),
            "max_body: `expect.body_max` lies beyond `max_body`, the part that is read",
        ),
    ] {
        assert_eq!(mistakes(&ENTRY, &settings).first().map(String::as_str), Some(expected));
    }
}

#[test]
fn all_mistakes_come_in_one_run() {
    let settings = json!({ "url": "x", "method": "", "body_regex": "x", "expect": { "version": "4" } });
    assert_eq!(mistakes(&ENTRY, &settings).len(), 4);
}

#[test]
fn a_key_must_fit_its_certificate() {
    let authority = Authority::new();
    let (one, two) = (authority.leaf("one", 9), authority.leaf("two", 9));
    let tls = json!({ "cert_file": one.cert_file, "key_file": two.key_file });
    let found = mistakes(&ENTRY, &json!({ "url": "https://x/", "tls": tls }));
    assert_eq!(found, ["tls.key_file: the private key does not belong to the certificate"]);
}

#[test]
fn the_target_shows_no_credentials() {
    let check = build(&ENTRY, &json!({ "url": "https://user:pw@x.example/a?token=t&b=c" })).unwrap();
    assert_eq!(check.target(), "https://x.example/a?token=redacted&b=c");
}

#[test]
fn every_key_that_is_read_is_documented() {
    let check = json!({
        "url": "http://x/", "method": "GET", "headers": {}, "body": "", "auth": { "bearer": "x" }, "expect": {},
        "follow_redirects": true, "max_redirects": 1, "tls": {}, "degraded": {}, "unhealthy": {},
        "max_body": "1KiB", "deny_networks": [], "ip_family": "any", "http_version": "auto",
    });
    assert!(build(&ENTRY, &check).is_ok());
    let mut read: Vec<&str> = check.as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented: Vec<&str> = ENTRY.fields.iter().map(|field| field.name).collect();
    read.sort_unstable();
    documented.sort_unstable();
    assert_eq!(read, documented);
}
