//! From the `server` section to who may do what.

use std::path::Path;

use breakwatch_config::{Password, Role, ServerConfig};

use crate::http::auth::{Access, Auth, load_or_create_token};

/// What the audit log calls the token in the data directory: whoever may read that file.
const OWN_TOKEN: &str = "local token";

/// The credentials the daemon accepts: those configured and its own token in the data directory.
///
/// # Errors
/// When the daemon's own token can neither be read nor made.
pub fn build(server: &ServerConfig, data_dir: &Path) -> std::io::Result<Auth> {
    let mut auth = Auth::default();
    auth.add_token(OWN_TOKEN, &load_or_create_token(data_dir)?, Access::Admin);
    for token in &server.auth.tokens {
        auth.add_token(&token.name, &token.token, access(token.role));
    }
    for user in &server.auth.users {
        match &user.password {
            Password::Plain(password) => auth.add_user(&user.name, password, access(user.role)),
            Password::Sha256(digest) => auth.add_hashed_user(&user.name, *digest, access(user.role)),
        }
    }
    if server.auth.protects_reading() {
        auth.protect_reading();
    }
    auth.allow_hosts(hosts(server));
    Ok(auth)
}

fn access(role: Role) -> Access {
    match role {
        Role::Read => Access::Read,
        Role::Operate => Access::Operate,
        Role::Admin => Access::Admin,
    }
}

/// The names the daemon answers to: loopback, the address it listens on, its external URL, and what is configured.
/// On an address that is not loopback every name is allowed unless some are configured: there DNS rebinding is
/// answered by credentials.
fn hosts(server: &ServerConfig) -> Vec<String> {
    if !server.listen.ip().is_loopback() && server.allowed_hosts.is_empty() {
        return Vec::new();
    }
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    hosts.push(server.listen.ip().to_string());
    let external = server.external_url.as_deref().and_then(|url| url::Url::parse(url).ok());
    hosts.extend(external.and_then(|url| url.host_str().map(str::to_owned)));
    hosts.extend(server.allowed_hosts.iter().cloned());
    hosts
}
