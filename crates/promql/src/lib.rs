//! PromQL: parser, printer and query engine with the semantics of Prometheus 3.
//!
//! The engine meets storage only through [`breakwatch_model::Queryable`]; everything here is pure: time is an
//! argument, nothing waits, nothing is read from disk or network.

pub mod ast;
mod ast_json;
pub mod conformance;
pub mod duration;
mod engine;
pub mod functions;
mod lexer;
pub mod number;
mod parser;
mod pretty;
mod printer;
pub mod quote;
pub mod series;
mod span;
pub mod testing;
mod token;
mod value_type;

pub use ast::Expr;
pub use ast_json::to_json;
pub use engine::{
    Annotations, Engine, EngineOptions, ErrorType, Prepared, QueryError, QueryResult, SampleCounts, Series,
    Value, VectorSample,
};
pub use parser::{ParseError, ParseOptions, parse, parse_selector, parse_with};
pub use pretty::pretty;
pub use span::{Span, line_and_column};
