//! A JSON value written as a tree of templates, as Alertmanager has it for a webhook's `payload` and PagerDuty's
//! `details`. A text that comes out as a number, `true`, `false`, a list or a mapping becomes that.

use breakwatch_plugin_api::{Key, Node, NodeKind};
use serde_json::{Map, Value};

use crate::settings::Settings;
use crate::template::{Data, Text};

/// A tree of templates.
pub(crate) enum Tree {
    Nothing,
    Text(Text),
    List(Vec<Tree>),
    Map(Vec<(Text, Tree)>),
}

impl Tree {
    /// Reads the tree; mistakes are reported at their places.
    pub(crate) fn read(node: &Node, settings: &Settings<'_>) -> Option<Self> {
        Some(match &node.kind {
            NodeKind::Null => Self::Nothing,
            NodeKind::Scalar { text, .. } => Self::Text(settings.compile(text, node)?),
            NodeKind::List(items) => {
                Self::List(items.iter().filter_map(|item| Self::read(item, settings)).collect())
            }
            NodeKind::Map(entries) => {
                let entry = |(key, value): &(Key, Node)| {
                    Some((settings.compile(&key.name, value)?, Self::read(value, settings)?))
                };
                Self::Map(entries.iter().filter_map(entry).collect())
            }
        })
    }

    /// The value for a message.
    ///
    /// # Errors
    /// The mistake in the first template that fails.
    pub(crate) fn value(&self, data: &Data) -> Result<Value, String> {
        Ok(match self {
            Self::Nothing => Value::Null,
            Self::Text(text) => typed(text.render(data)?),
            Self::List(items) => {
                Value::Array(items.iter().map(|item| item.value(data)).collect::<Result<_, _>>()?)
            }
            Self::Map(entries) => {
                let entry = |(key, value): &(Text, Self)| Ok((key.render(data)?, value.value(data)?));
                Value::Object(entries.iter().map(entry).collect::<Result<Map<_, _>, String>>()?)
            }
        })
    }
}

/// What a rendered text stands for.
fn typed(text: String) -> Value {
    match serde_json::from_str::<Value>(text.trim()) {
        Ok(Value::String(_)) | Err(_) => Value::String(text),
        Ok(value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_something_else_becomes_that() {
        let typed = |text: &str| typed(text.to_owned());
        assert_eq!((typed("5"), typed("true"), typed("null")), (Value::from(5), true.into(), Value::Null));
        assert_eq!(typed(r#"[{"a":1}]"#), serde_json::json!([{"a": 1}]));
        for text in ["", "five", "5 apples", "\"quoted\"", "2023-11-14"] {
            assert_eq!(typed(text), Value::from(text));
        }
    }
}
