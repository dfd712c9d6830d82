//! Who may do what.
//!
//! Every route has an [`Access`] class. Reading is open on loopback unless credentials are configured; changing
//! anything always needs a token, even on loopback, because any local user and any web page in an operator's
//! browser can reach a loopback port. The token is made at the first start and kept in the data directory with
//! mode 0600, where our own command line finds it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use breakwatch_plugin_api::Secret;
use sha2::{Digest, Sha256};

/// What a route needs of its caller. The order is the order of power.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Access {
    /// Nothing: liveness and static files.
    Open,
    /// To read states, metrics and queries.
    Read,
    /// To silence, acknowledge, run a check, reset a breaker.
    Operate,
    /// To reload and to write samples.
    Admin,
}

impl Access {
    /// The word of the index and the documentation: the role that is enough.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No or wrong credentials: 401.
    Unauthenticated,
    /// Right credentials, not enough power: 403.
    Forbidden,
    /// A page of another origin is asking: 403.
    CrossOrigin,
    /// The Host header names no address of ours (DNS rebinding): 421.
    Misdirected,
}

/// What the audit log calls a token without a name.
const UNNAMED_TOKEN: &str = "token";

/// A token as it is kept: by its digest.
struct KnownToken {
    name: String,
    digest: [u8; 32],
    access: Access,
}

/// The credentials the daemon accepts. Only digests are kept.
#[derive(Default)]
pub struct Auth {
    tokens: Vec<KnownToken>,
    basic: BTreeMap<String, ([u8; 32], Access)>,
    /// Whether reading needs credentials too.
    read_protected: bool,
    /// Host names (without port) under which the daemon may be addressed; empty allows every name.
    hosts: Vec<String>,
}

impl Auth {
    /// Accepts a bearer token. `name` says in the audit log whose it is.
    pub fn add_token(&mut self, name: &str, token: &Secret, access: Access) {
        let name = if name.is_empty() { UNNAMED_TOKEN } else { name };
        self.tokens.push(KnownToken { name: name.to_owned(), digest: digest(token.expose()), access });
    }

    /// Accepts a user with a password.
    pub fn add_user(&mut self, user: &str, password: &Secret, access: Access) {
        self.add_hashed_user(user, digest(password.expose()), access);
    }

    /// Accepts a user by the SHA-256 of the password.
    pub fn add_hashed_user(&mut self, user: &str, password: [u8; 32], access: Access) {
        self.basic.insert(user.to_owned(), (password, access));
    }

    /// Makes reading need credentials too.
    pub fn protect_reading(&mut self) {
        self.read_protected = true;
    }

    /// Restricts the names under which the daemon answers.
    pub fn allow_hosts(&mut self, hosts: impl IntoIterator<Item = String>) {
        self.hosts.extend(hosts.into_iter().map(|host| host.to_lowercase()));
    }

    /// Decides on a request.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, access: Access, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        self.check_host(headers)?;
        let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if changes && access > Access::Read && is_cross_origin(headers) {
            return Err(Refusal::CrossOrigin);
        }
        let needed = match access {
            Access::Open => return Ok(()),
            Access::Read if !self.read_protected => return Ok(()),
            needed => needed,
        };
        match self.power(headers) {
            None => Err(Refusal::Unauthenticated),
            Some(power) if power < needed => Err(Refusal::Forbidden),
            Some(_) => Ok(()),
        }
    }

    /// Who is asking, for the audit log: a user, or the name of a token.
    #[must_use]
    pub fn actor(&self, headers: &HeaderMap) -> String {
        self.known(headers).map_or_else(|| "anonymous".to_owned(), |(name, _)| name)
    }

    fn power(&self, headers: &HeaderMap) -> Option<Access> {
        self.known(headers).map(|(_, access)| access)
    }

    /// Whose credentials these are, and what they allow.
    fn known(&self, headers: &HeaderMap) -> Option<(String, Access)> {
        match credentials(headers)? {
            Credentials::Bearer(token) => {
                let given = digest(&token);
                // Every entry is compared, so that time tells nothing about which one was near.
                let matching = self.tokens.iter().filter(|known| same(&known.digest, &given));
                matching.max_by_key(|known| known.access).map(|known| (known.name.clone(), known.access))
            }
            Credentials::Basic(user, password) => {
                let given = digest(&password);
                let (known, access) = self.basic.get(&user)?;
                same(known, &given).then_some((user, *access))
            }
        }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let Some(host) = host else { return Ok(()) };
        let name = host_name(host).to_lowercase();
        if self.hosts.is_empty() || self.hosts.contains(&name) { Ok(()) } else { Err(Refusal::Misdirected) }
    }
}

enum Credentials {
    Bearer(String),
    Basic(String, String),
}

fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Bearer(rest.trim().to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (user, password) = text.split_once(':')?;
        return Some(Credentials::Basic(user.to_owned(), password.to_owned()));
    }
    None
}

/// The name in a Host header, without port and brackets.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Whether a browser says that a page of another origin is asking.
fn is_cross_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin.split_once("://").map(|(_, rest)| rest) != Some(host),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Compares in constant time.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

/// The name of the token file in the data directory.
pub const TOKEN_FILE: &str = "token";

/// Reads the daemon's own token from the data directory, making it at the first start.
///
/// # Errors
/// When the file can neither be read nor made.
pub fn load_or_create_token(data_dir: &Path) -> std::io::Result<Secret> {
    let path = data_dir.join(TOKEN_FILE);
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(Secret::new(text.trim())),
        Ok(_) => fs::remove_file(&path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect::<HeaderMap>()
    }

    fn auth() -> Auth {
        let mut auth = Auth::default();
        auth.add_token("deploy", &Secret::new("admin-token"), Access::Admin);
        auth.add_token("", &Secret::new("read-token"), Access::Read);
        auth.add_user("ops", &Secret::new("pw"), Access::Operate);
        auth.allow_hosts(["127.0.0.1".to_owned(), "::1".to_owned(), "Watch.example".to_owned()]);
        auth
    }

    #[test]
    fn changing_needs_a_token_even_on_loopback() {
        let auth = auth();
        let check = |access, pairs: &[_]| auth.check(access, &Method::POST, &headers(pairs));
        assert_eq!(check(Access::Operate, &[]), Err(Refusal::Unauthenticated));
        assert_eq!(
            check(Access::Operate, &[("authorization", "Bearer nope")]),
            Err(Refusal::Unauthenticated)
        );
        assert_eq!(
            check(Access::Operate, &[("authorization", "Bearer read-token")]),
            Err(Refusal::Forbidden)
        );
        assert_eq!(check(Access::Admin, &[("authorization", "Bearer admin-token")]), Ok(()));
        assert_eq!(check(Access::Operate, &[("authorization", "Basic b3BzOnB3")]), Ok(()));
        assert_eq!(check(Access::Read, &[]), Ok(()));
    }

    #[test]
    fn the_audit_log_names_users_and_tokens_and_believes_nobody_else() {
        let auth = auth();
        for (credentials, actor) in [
            ("Bearer admin-token", "deploy"),
            ("Bearer read-token", "token"),
            ("Bearer guessed", "anonymous"),
            ("Basic b3BzOnB3", "ops"),
            ("Basic b3BzOndyb25n", "anonymous"),
        ] {
            assert_eq!(auth.actor(&headers(&[("authorization", credentials)])), actor, "{credentials}");
        }
        assert_eq!(auth.actor(&HeaderMap::new()), "anonymous");
    }

    #[test]
    fn other_origins_and_other_names_are_refused() {
        let auth = auth();
        let admin = ("authorization", "Bearer admin-token");
        let check = |pairs: &[_]| auth.check(Access::Admin, &Method::POST, &headers(pairs));
        assert_eq!(check(&[admin, ("sec-fetch-site", "cross-site")]), Err(Refusal::CrossOrigin));
        let foreign = [admin, ("host", "127.0.0.1:9475"), ("origin", "http://evil.invalid")];
        assert_eq!(check(&foreign), Err(Refusal::CrossOrigin));
        assert_eq!(check(&[admin, ("host", "127.0.0.1:9475"), ("origin", "http://127.0.0.1:9475")]), Ok(()));
        assert_eq!(check(&[admin, ("host", "evil.invalid")]), Err(Refusal::Misdirected));
        assert_eq!(check(&[admin, ("host", "[::1]:9475")]), Ok(()));
        assert_eq!(check(&[admin, ("host", "watch.example")]), Ok(()));
    }

    #[test]
    fn the_token_is_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create_token(dir.path()).unwrap();
        let again = load_or_create_token(dir.path()).unwrap();
        assert!(first == again && first.expose().len() == 64);
        let mode = fs::metadata(dir.path().join(TOKEN_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
