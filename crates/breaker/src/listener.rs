//! Who wants to hear of transitions. Called after the lock is released, by the thread that caused the
//! transition; a listener may use the breaker, take its time, or panic, and harms nobody else.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::Transition;

/// Something to be told of every transition.
pub(crate) type Listener = Arc<dyn Fn(&Transition) + Send + Sync>;

/// An immutable list, so that it can be taken along cheaply and told without a lock.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Option<Arc<[Listener]>>);

impl Listeners {
    pub(crate) fn add(&mut self, listener: Listener) {
        self.0 = Some(self.iter().cloned().chain([listener]).collect());
    }

    /// Tells every listener; one that panics does not keep it from the others.
    pub(crate) fn tell(&self, transition: &Transition) {
        for listener in self.iter() {
            // The panic itself has been reported by the panic hook; there is nobody here to hand it to.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(transition)));
        }
    }

    fn iter(&self) -> std::slice::Iter<'_, Listener> {
        self.0.as_deref().unwrap_or_default().iter()
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} listeners", self.iter().len())
    }
}
