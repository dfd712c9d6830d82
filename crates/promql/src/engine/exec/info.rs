//! `info`: not supported; refused rather than answered wrongly.

use breakwatch_model::Matcher;

use super::column::Grid;
use super::{Eval, Evaluator, Sink};
use crate::engine::error::QueryError;
use crate::engine::plan::Vector;

impl Evaluator<'_> {
    pub(super) fn info(
        &self,
        _base: &Vector,
        _data: Option<&[Matcher]>,
        _grid: &Grid,
        _sink: &mut Sink<'_>,
    ) -> Eval<()> {
        Err(QueryError::Unsupported("function info()".to_owned()))
    }
}
