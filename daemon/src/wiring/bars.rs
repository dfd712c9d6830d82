//! After a restart the page shows the hour before it: read back from history.

use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{CancelToken, Status};
use breakwatch_promql::Value;

use crate::shared::Shared;

/// The status of every check, as a series a status.
const EXPR: &str = "max by (check, status) (breakwatch_check_status) == 1";
/// One bar of the page.
const STEP: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Fills the last hour of every check. What cannot be read stays empty. Blocks.
pub fn restore(shared: &Arc<Shared>) {
    let (now, cancel) = (shared.clock.now(), CancelToken::new());
    let Ok(query) = shared.engine.prepare(EXPR) else { return };
    let answer = shared.engine.range(&*shared.queryable(), &query, now - HOUR, now, STEP, &cancel);
    let series = match answer.map(|result| result.value) {
        Ok(Value::Matrix(series)) => series,
        Ok(_) => return,
        Err(error) => {
            tracing::debug!(%error, "the last hour could not be read back");
            return;
        }
    };
    let units = shared.units.read().clone();
    for one in series {
        let status = Status::ALL.into_iter().find(|status| status.as_str() == one.labels.value("status"));
        let (Some(status), Some(unit)) = (status, units.get(one.labels.value("check"))) else { continue };
        let mut state = unit.state.lock();
        for sample in one.samples {
            state.bars.add(sample.t, status);
        }
    }
}
