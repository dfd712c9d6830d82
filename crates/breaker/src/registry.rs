//! All breakers of a program, by name. Owned by the program, not global.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use crate::listener::{Listener, Listeners};
use crate::{Breaker, Config, InvalidConfig, State, Stats, Transition};

/// Names become metric labels and parts of URLs; longer ones are a payload, not a name.
const MAX_NAME_BYTES: usize = 200;
/// Breakers made from request data (a host, a tenant) must not grow without bound.
const DEFAULT_CAPACITY: usize = 10_000;

/// A set of named breakers. Share it in an `Arc`.
///
/// ```
/// use breakwatch_breaker::{Preset, Registry, RegistryError};
/// use std::time::Instant;
///
/// let (registry, now) = (Registry::default(), Instant::now());
/// let orders = registry.get_or_create("orders", Preset::Database, now)?;
/// let same = registry.get_or_create("orders", Preset::Database, now)?;
/// assert!(matches!(
///     registry.get_or_create("orders", Preset::Cache, now),
///     Err(RegistryError::Conflict { .. })
/// ));
/// assert_eq!(registry.health().closed, 1);
/// # Ok::<(), RegistryError>(())
/// ```
#[derive(Debug)]
pub struct Registry {
    inner: RwLock<Inner>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Inner {
    breakers: BTreeMap<Arc<str>, Breaker>,
    listeners: Listeners,
}

/// How many breakers are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Health {
    /// All breakers.
    pub total: usize,
    /// Those that let calls pass.
    pub closed: usize,
    /// Those that refuse calls.
    pub open: usize,
    /// Those that are finding out.
    pub half_open: usize,
}

impl Health {
    /// Whether no breaker is open.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.open == 0
    }
}

/// Why a registry did not hand out a breaker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is no breaker of this name.
    NotFound {
        /// The name asked for.
        name: String,
    },
    /// There is a breaker of this name, and it is configured differently.
    Conflict {
        /// The name asked for.
        name: String,
    },
    /// The name is empty, too long, or holds control characters.
    InvalidName {
        /// The name asked for.
        name: String,
    },
    /// The registry is full.
    Full {
        /// How many breakers it may hold.
        capacity: usize,
    },
    /// The configuration is refused.
    InvalidConfig(InvalidConfig),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { name } => write!(f, "there is no circuit breaker `{name}`"),
            Self::Conflict { name } => {
                write!(f, "the circuit breaker `{name}` exists with another configuration")
            }
            Self::InvalidName { name } => write!(
                f,
                "a circuit breaker cannot be called {name:?}: 1 to {MAX_NAME_BYTES} bytes, no control characters"
            ),
            Self::Full { capacity } => {
                write!(f, "the registry is full: it holds {capacity} circuit breakers")
            }
            Self::InvalidConfig(problem) => problem.fmt(f),
        }
    }
}

impl std::error::Error for RegistryError {}

impl From<InvalidConfig> for RegistryError {
    fn from(problem: InvalidConfig) -> Self {
        Self::InvalidConfig(problem)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }
}

impl Registry {
    /// A registry that holds at most `capacity` breakers.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { inner: RwLock::default(), capacity }
    }

    /// The breaker of this name, made now if there is none. One thread makes it, all get the same.
    ///
    /// # Errors
    /// [`RegistryError::Conflict`] if it exists with another configuration; otherwise what keeps it from
    /// being made.
    pub fn get_or_create(
        &self,
        name: &str,
        config: impl Into<Config>,
        now: Instant,
    ) -> Result<Breaker, RegistryError> {
        let config = config.into();
        if let Some(breaker) = self.get(name) {
            return same_config(breaker, &config);
        }
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(RegistryError::InvalidName { name: name.chars().take(MAX_NAME_BYTES).collect() });
        }
        let mut inner = self.write();
        if let Some(breaker) = inner.breakers.get(name) {
            return same_config(breaker.clone(), &config);
        }
        if inner.breakers.len() >= self.capacity {
            return Err(RegistryError::Full { capacity: self.capacity });
        }
        let breaker = Breaker::new(name, config, now)?;
        breaker.shared().lock().listeners = inner.listeners.clone();
        inner.breakers.insert(Arc::clone(breaker.name()), breaker.clone());
        Ok(breaker)
    }

    /// The breaker of this name, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Breaker> {
        self.read().breakers.get(name).cloned()
    }

    /// The breaker of this name.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`].
    pub fn find(&self, name: &str) -> Result<Breaker, RegistryError> {
        self.get(name).ok_or_else(|| RegistryError::NotFound { name: name.to_owned() })
    }

    /// Takes a breaker out. Handles of it go on working.
    pub fn remove(&self, name: &str) -> Option<Breaker> {
        self.write().breakers.remove(name)
    }

    /// All breakers, by name.
    #[must_use]
    pub fn breakers(&self) -> Vec<Breaker> {
        self.read().breakers.values().cloned().collect()
    }

    /// All names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        self.read().breakers.keys().cloned().collect()
    }

    /// The figures of every breaker, by name.
    #[must_use]
    pub fn stats(&self, now: Instant) -> BTreeMap<Arc<str>, Stats> {
        self.read().breakers.iter().map(|(name, breaker)| (Arc::clone(name), breaker.stats(now))).collect()
    }

    /// How many breakers are in which state.
    #[must_use]
    pub fn health(&self) -> Health {
        let mut health = Health::default();
        for breaker in self.read().breakers.values() {
            health.total += 1;
            match breaker.state() {
                State::Closed => health.closed += 1,
                State::Open => health.open += 1,
                State::HalfOpen => health.half_open += 1,
            }
        }
        health
    }

    /// Whether any breaker is open.
    #[must_use]
    pub fn has_open(&self) -> bool {
        self.read().breakers.values().any(|breaker| breaker.state() == State::Open)
    }

    /// Resets every breaker, holds included; what changed is returned.
    pub fn reset_all(&self, now: Instant) -> Vec<Transition> {
        // Listeners may use the registry, so it is not locked while they are told.
        self.breakers().iter().filter_map(|breaker| breaker.reset(now)).collect()
    }

    /// Tells `listener` of every transition of every breaker, those to come included; see
    /// [`Breaker::on_transition`].
    pub fn on_transition(&self, listener: impl Fn(&Transition) + Send + Sync + 'static) {
        let listener: Listener = Arc::new(listener);
        let mut inner = self.write();
        inner.listeners.add(Arc::clone(&listener));
        for breaker in inner.breakers.values() {
            breaker.shared().lock().listeners.add(Arc::clone(&listener));
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_config(breaker: Breaker, config: &Config) -> Result<Breaker, RegistryError> {
    if breaker.config() == config {
        return Ok(breaker);
    }
    Err(RegistryError::Conflict { name: breaker.name().to_string() })
}

#[cfg(test)]
mod tests;
