//! Go's `text/template`, the one template language of the product, with the functions of Prometheus' rule files and
//! Alertmanager's notifications.
//!
//! Rule files and notification templates that people already have must come out byte for byte as Prometheus and
//! Alertmanager render them, and none of them may harm the daemon: a template does no I/O, reads no clock, and runs
//! within [`Limits`].
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

mod context;
mod error;
mod exec;
mod fmt;
mod func;
mod html;
mod lex;
mod limits;
mod notify;
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
pub use rule::{RuleData, RuleTemplate, expand_rule_text};
pub use set::{Escaping, MissingKey, Template, TemplateSet};
pub use time::Moment;
pub use value::{Element, List, Map, Method, Record, Type, Value};
