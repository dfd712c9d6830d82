//! Where the past is asked: the running daemon's query API, or a data directory that no daemon has open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use breakwatch_model::{CancelToken, Labels, Sample, SystemClock, Timestamp};
use breakwatch_promql::number::parse_float;
use breakwatch_promql::{Engine, Value};
use breakwatch_store::{DataDir, History, HistoryOptions, Retention};
use serde::Deserialize;

use crate::cli::client::{ApiClient, block_on};
use crate::cli::exit::Exit;
use crate::cli::options::Daemon;

/// Points per series a range query may ask for, as the engine and the API limit it.
pub(super) const MAX_POINTS: i64 = 11_000;

/// Long enough to keep everything: looking must not delete.
const FOREVER: Duration = Duration::from_secs(1000 * 366 * 86_400);

/// A history that can be asked.
pub(super) enum Past {
    /// By the running daemon.
    Daemon(ApiClient),
    /// From the files.
    Files(DataDir, Arc<History>, Engine),
}

/// A series of the answer.
#[derive(Deserialize)]
struct Item {
    metric: Labels,
    values: Vec<(f64, String)>,
}

impl Past {
    /// Asks the running daemon.
    pub(super) fn daemon(daemon: &Daemon) -> Result<Self, Exit> {
        Ok(Self::Daemon(ApiClient::new(daemon)?))
    }

    /// Opens a data directory; it must exist and no daemon may have it open.
    pub(super) fn open(path: &Path) -> Result<Self, Exit> {
        if !path.is_dir() {
            return Err(Exit::Failed(format!("there is no data directory {}", path.display())));
        }
        let failed =
            |error| Exit::Failed(format!("{}: {error}; ask the daemon by --url instead", path.display()));
        let directory = DataDir::open(path, Arc::new(SystemClock)).map_err(failed)?;
        let retention = Retention { raw: FOREVER, rollups: FOREVER, raw_bytes: None, rollup_bytes: None };
        let options = HistoryOptions { retention, background: false, ..HistoryOptions::default() };
        let history = History::open(&directory, options).map_err(failed)?;
        Ok(Self::Files(directory, history, Engine::default()))
    }

    /// The values of an expression; at most [`MAX_POINTS`] per series.
    pub(super) fn range(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Vec<(Labels, Vec<Sample>)>, Exit> {
        match self {
            Self::Daemon(client) => {
                let seconds = |at: Timestamp| format!("{:.3}", at.as_secs_f64());
                let (start, end, step) = (seconds(start), seconds(end), format!("{:.3}", step.as_secs_f64()));
                let query = [("query", expr), ("start", &start), ("end", &end), ("step", &step)];
                let answer = block_on(client.get("/api/v1/query_range", &query))?;
                let items: Vec<Item> =
                    serde_json::from_value(answer["data"]["result"].clone()).map_err(Exit::failed)?;
                Ok(items.into_iter().map(|item| (item.metric, samples(&item.values))).collect())
            }
            Self::Files(_, history, engine) => {
                let query = engine.prepare(expr).map_err(Exit::failed)?;
                let result = engine.range(&**history, &query, start, end, step, &CancelToken::new());
                match result.map_err(Exit::failed)?.value {
                    Value::Matrix(series) => Ok(series.into_iter().map(|s| (s.labels, s.samples)).collect()),
                    other => Err(Exit::Failed(format!("expected a matrix, got a {}", other.type_name()))),
                }
            }
        }
    }
}

impl Drop for Past {
    fn drop(&mut self) {
        if let Self::Files(directory, history, _) = self {
            if let Err(error) = history.close() {
                tracing::warn!(%error, "the history did not close cleanly");
            }
            directory.unlock();
        }
    }
}

fn samples(values: &[(f64, String)]) -> Vec<Sample> {
    let read =
        |(at, text): &(f64, String)| Some(Sample::new(Timestamp::from_secs_f64(*at), parse_float(text)?));
    values.iter().filter_map(read).collect()
}
