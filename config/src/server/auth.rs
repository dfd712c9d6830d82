//! Who may come in, and what they may do.

use breakwatch_plugin_api::{Node, Secret, Section};

/// What a user or token may do. The order is the order of power.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// See states, metrics and queries.
    Read,
    /// Also silence, acknowledge, run a check, reset a breaker.
    Operate,
    /// Also reload and write samples.
    Admin,
}

const ROLES: [(&str, Role); 3] = [("read", Role::Read), ("operate", Role::Operate), ("admin", Role::Admin)];

/// How a password is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Password {
    /// Itself, from a file or the environment.
    Plain(Secret),
    /// Its SHA-256.
    Sha256([u8; 32]),
}

/// Somebody who comes in by HTTP basic authentication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The user name.
    pub name: String,
    /// The password.
    pub password: Password,
    /// What they may do.
    pub role: Role,
}

/// A bearer token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is for; shown in the audit log.
    pub name: String,
    /// The token.
    pub token: Secret,
    /// What its bearer may do.
    pub role: Role,
}

/// Settings under `server.auth`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuthConfig {
    /// Users with passwords.
    pub users: Vec<User>,
    /// Tokens.
    pub tokens: Vec<Token>,
    /// Reading needs no credentials, though there are some.
    pub anonymous_read: bool,
}

/// A token shorter than this can be guessed.
const MIN_TOKEN: usize = 16;

/// A password shorter than this can be guessed.
const MIN_PASSWORD: usize = 8;

impl AuthConfig {
    /// Whether reading needs credentials.
    #[must_use]
    pub fn protects_reading(&self) -> bool {
        let anybody = self.users.is_empty() && self.tokens.is_empty();
        !(anybody || self.anonymous_read)
    }

    pub(crate) fn read(mut section: Section<'_>) -> Self {
        let users = section.get("users").map(|node| read_users(node, &section)).unwrap_or_default();
        let tokens = section.get("tokens").map(|node| read_tokens(node, &section)).unwrap_or_default();
        let anonymous_read = section.bool("anonymous_read").unwrap_or(false);
        section.finish();
        Self { users, tokens, anonymous_read }
    }
}

fn read_users(node: &Node, section: &Section<'_>) -> Vec<User> {
    let diagnostics = section.diagnostics();
    let Some(entries) = node.as_map() else {
        diagnostics.error(&node.place, format!("expected a mapping of users, found {}", node.describe()));
        return Vec::new();
    };
    let mut users = Vec::new();
    for (key, value) in entries {
        if key.name.contains(':') || key.name.is_empty() {
            diagnostics.error(&key.place, "a user name must not be empty or hold a `:`");
        }
        let Some(mut user) = Section::open(value, diagnostics) else { continue };
        let password = read_password(&mut user);
        let role = user.choice("role", &ROLES).unwrap_or(Role::Read);
        user.finish();
        if let Some(password) = password {
            users.push(User { name: key.name.to_string(), password, role });
        }
    }
    users
}

fn read_password(user: &mut Section<'_>) -> Option<Password> {
    let plain = user.parse("password", |text| match text.len() {
        MIN_PASSWORD.. => Ok(Secret::new(text)),
        _ => Err(format!("a password of at least {MIN_PASSWORD} characters")),
    });
    let digest = user.parse("password_sha256", |text| {
        read_digest(text).ok_or_else(|| "the SHA-256 of the password in 64 hexadecimal digits".to_owned())
    });
    let (has_plain, has_digest) = (user.get("password").is_some(), user.get("password_sha256").is_some());
    if has_plain == has_digest {
        user.error_at("password_sha256", "expected one of `password` and `password_sha256`");
    }
    plain.map(Password::Plain).or(digest.map(Password::Sha256))
}

fn read_digest(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(digest)
}

fn read_tokens(node: &Node, section: &Section<'_>) -> Vec<Token> {
    let diagnostics = section.diagnostics();
    let Some(items) = node.as_list() else {
        diagnostics.error(&node.place, format!("expected a list of tokens, found {}", node.describe()));
        return Vec::new();
    };
    let mut tokens = Vec::new();
    for item in items {
        let Some(mut entry) = Section::open(item, diagnostics) else { continue };
        let name = entry.string("name").unwrap_or_default();
        let role = entry.choice("role", &ROLES).unwrap_or(Role::Read);
        entry.required("token");
        let token = entry.parse("token", |text| match text.len() {
            MIN_TOKEN.. => Ok(Secret::new(text)),
            _ => Err(format!("a token of at least {MIN_TOKEN} characters")),
        });
        entry.finish();
        if let Some(token) = token {
            tokens.push(Token { name, token, role });
        }
    }
    tokens
}
