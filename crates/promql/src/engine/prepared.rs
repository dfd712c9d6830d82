//! A query that is ready to run, and keeps what it has learned about the store.

use std::sync::{Arc, Mutex, PoisonError};

use breakwatch_model::{CancelToken, Matcher, Queryable, Selector};

use super::error::QueryError;
use super::plan::{Plan, compile};
use crate::ast::Expr;

/// A parsed, checked and compiled query. It remembers which series its selectors name until the store's epoch
/// changes, which makes a rule over one series cost little more than reading that series; so a prepared query
/// belongs to one store: for another store prepare another one.
#[derive(Debug)]
pub struct Prepared {
    text: String,
    expr: Expr,
    plan: Plan,
    slots: Vec<Slot>,
}

/// The matchers of a selector and the series they named last.
#[derive(Debug)]
struct Slot {
    matchers: Vec<Matcher>,
    resolved: Mutex<Option<Arc<Selector>>>,
}

impl Prepared {
    pub(super) fn new(text: String, expr: Expr) -> Result<Self, QueryError> {
        let (plan, selectors) = compile(&expr)?;
        let slot = |matchers| Slot { matchers, resolved: Mutex::new(None) };
        Ok(Self { text, expr, plan, slots: selectors.into_iter().map(slot).collect() })
    }

    /// The text of the query.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The syntax tree of the query.
    #[must_use]
    pub const fn expr(&self) -> &Expr {
        &self.expr
    }

    pub(super) const fn root(&self) -> &Plan {
        &self.plan
    }

    /// The series of a selector.
    pub(super) fn series(
        &self,
        slot: usize,
        store: &dyn Queryable,
        cancel: &CancelToken,
    ) -> Result<Arc<Selector>, QueryError> {
        let Some(slot) = self.slots.get(slot) else {
            return Err(QueryError::execution("selector of another query"));
        };
        let epoch = store.epoch();
        // A panic while the lock was held leaves at worst an old selector, which the epoch check finds.
        let mut resolved = slot.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        match &*resolved {
            Some(selector) if selector.epoch == epoch => Ok(Arc::clone(selector)),
            _ => {
                let selector = Arc::new(store.prepare(&slot.matchers, cancel)?);
                *resolved = Some(Arc::clone(&selector));
                Ok(selector)
            }
        }
    }
}
