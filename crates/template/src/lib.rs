//! Go's `text/template`, the one template language of the product, with the functions of Prometheus' rule files and
//! Alertmanager's notifications.
//!
//! Rule files and notification templates that people already have must come out byte for byte as Prometheus and
//! Alertmanager render them, and none of them may harm the daemon: a template does no I/O, reads no clock, and runs
//! within [`Limits`].
//!
//! # What differs from Go
//!
//! The tests render random templates with Go's own packages and compare, errors included. What is known to differ:
//!
//! * Output and strings are UTF-8; a byte that is not (`slice "é" 0 1`, `"\xff"`) becomes U+FFFD.
//! * Numbers are `int` and `float64`; a byte of a string and a Unix time are an `int` here. Complex constants are refused.
//! * A nil that Go would hold in an interface behaves like any missing value: its fields are missing too.
//! * A time under a verb that is none for strings (`%d`) does not show Go's inside of a time, nor a function its address.
//! * In regular expressions `\B` knows Unicode letters where Go knows ASCII only, and a pattern compiles to 256 KiB at most.
//! * Nesting, variables in scope (1000), output, work and the depth of calls are bounded; Go bounds the last alone.
//! * HTML: see the table in the source of `html`; values inside scripts are refused, and CSS strings are filtered.
//!
//! ```
//! use std::sync::Arc;
//! use breakwatch_template::{Context, Escaping, Functions, TemplateSet, Value};
//! use breakwatch_model::Timestamp;
//!
//! let set = TemplateSet::new(Arc::new(Functions::prometheus()));
//! let text = "{{ .Value | humanizePercentage }} full on {{ .Labels.instance | stripPort }}";
//! let data = Value::map([
//!     ("Labels", Value::string_map([("instance", "db:9100")])),
//!     ("Value", Value::Float(0.931)),
//! ]);
//! let context = Context::at(Timestamp::from_secs(0));
//! let rendered = set.render_text("summary", text, &data, Escaping::None, &context)?;
//! assert_eq!(rendered, "93.1% full on db");
//! # Ok::<(), breakwatch_template::TemplateError>(())
//! ```

mod budget;
mod context;
mod error;
mod exec;
mod fmt;
mod func;
mod html;
mod lex;
mod limits;
mod notify;
mod options;
mod parse;
mod rule;
mod set;
mod time;
mod value;

pub use context::{Context, Query, QuerySample};
pub use error::{Stage, TemplateError};
pub use func::{Call, CallError, Function, Functions, Param};
pub use limits::Limits;
pub use notify::{Notice, default_templates};
pub use options::{Escaping, MissingKey};
pub use rule::{RuleData, RuleTemplate, expand_rule_text};
pub use set::{Template, TemplateSet};
pub use time::Moment;
pub use value::{Element, List, Map, Method, Record, Type, Value};
