use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::{Outcome, Preset, Reason};

fn start() -> Instant {
    crate::clock::now()
}

#[test]
fn b24_another_configuration_for_an_existing_name_is_an_error() {
    let (registry, now) = (Registry::default(), start());
    let one = registry.get_or_create("a", Preset::Cache, now).unwrap();
    one.hold(State::Open, now);
    let same = registry.get_or_create("a", Preset::Cache, now).unwrap();
    assert!(same.is_held(), "it is the same breaker");
    let other = Preset::Cache.builder().jitter(0.2).build().unwrap();
    let conflict = registry.get_or_create("a", other, now).unwrap_err();
    assert_eq!(conflict, RegistryError::Conflict { name: "a".to_owned() });
}

#[test]
fn names_are_bounded_in_number_and_in_kind() {
    let (registry, now) = (Registry::with_capacity(2), start());
    for bad in ["", "a\nb", "\0", &"x".repeat(201)] {
        let error = registry.get_or_create(bad, Preset::Cache, now).unwrap_err();
        assert!(matches!(error, RegistryError::InvalidName { .. }), "{error}");
    }
    registry.get_or_create(&"x".repeat(200), Preset::Cache, now).unwrap();
    registry.get_or_create("http/shop é", Preset::Cache, now).unwrap();
    let full = registry.get_or_create("c", Preset::Cache, now).unwrap_err();
    assert_eq!(full, RegistryError::Full { capacity: 2 });
    assert!(registry.remove("http/shop é").is_some());
    registry.get_or_create("c", Preset::Cache, now).unwrap();
    assert_eq!(registry.names().last().map(|name| &**name), Some(&*"x".repeat(200)));
    assert!(matches!(registry.find("d").unwrap_err(), RegistryError::NotFound { name } if name == "d"));
}

#[test]
fn health_counts_states_and_reset_all_closes_everything() {
    let (registry, now) = (Registry::default(), start());
    for (name, state) in
        [("a", State::Open), ("b", State::HalfOpen), ("c", State::Closed), ("d", State::Open)]
    {
        registry.get_or_create(name, Preset::Database, now).unwrap().force(state, now);
    }
    registry.find("d").unwrap().hold(State::Open, now);
    assert_eq!(registry.health(), Health { total: 4, closed: 1, open: 2, half_open: 1 });
    assert!(registry.has_open() && !registry.health().is_healthy());
    let stats = registry.stats(now + Duration::from_secs(1));
    assert_eq!(stats["a"].opened_ago, Some(Duration::from_secs(1)));
    assert_eq!(registry.reset_all(now).len(), 3);
    assert_eq!(registry.health(), Health { total: 4, closed: 4, open: 0, half_open: 0 });
    assert!(!registry.has_open() && !registry.find("d").unwrap().is_held());
}

#[test]
fn one_listener_hears_all_breakers_those_to_come_included() {
    let (registry, now) = (Arc::new(Registry::default()), start());
    let heard = Arc::new(Mutex::new(Vec::new()));
    registry.get_or_create("old", Preset::Cache, now).unwrap();
    let (ear, own) = (Arc::clone(&heard), Arc::clone(&registry));
    registry.on_transition(move |transition| {
        assert!(own.health().total > 0, "a listener may use the registry");
        ear.lock().unwrap().push((transition.breaker.to_string(), transition.reason));
    });
    registry.get_or_create("young", Preset::Cache, now).unwrap();
    registry.find("old").unwrap().force(State::Open, now);
    for _ in 0..8 {
        let breaker = registry.find("young").unwrap();
        let permit = breaker.admit(now).0.unwrap();
        permit.record(Outcome::Failure, now);
    }
    registry.reset_all(now);
    let expected = [
        ("old", Reason::Forced),
        ("young", Reason::ConsecutiveFailures),
        ("old", Reason::Reset),
        ("young", Reason::Reset),
    ];
    assert_eq!(*heard.lock().unwrap(), expected.map(|(name, reason)| (name.to_owned(), reason)));
}

#[test]
fn threads_that_ask_at_once_get_the_same_breaker() {
    let (registry, now) = (Registry::default(), start());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let breaker = registry.get_or_create("a", Preset::Check, now).unwrap();
                let permit = breaker.admit(now).0.unwrap();
                permit.record(Outcome::Success, now);
            });
        }
    });
    assert_eq!(registry.find("a").unwrap().stats(now).calls.success, 8);
}
