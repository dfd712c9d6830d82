//! `toJson`: values as Go's `encoding/json` writes them.
//!
//! Maps come out in key order, the structs of notifications with the names they have in Alertmanager's webhook, and
//! `<`, `>`, `&`, U+2028 and U+2029 escaped, because that is what `json.Marshal` does.

use super::Value;
use crate::func::CallError;
use crate::limits::Text;

/// Writes `value` as JSON.
pub(crate) fn to_json(value: &Value, out: &mut Text) -> Result<(), CallError> {
    match value {
        Value::Nil => out.push_str("null")?,
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" })?,
        Value::Int(value) | Value::Duration(value) => out.push_str(&value.to_string())?,
        Value::Float(value) => out.push_str(&float(*value)?)?,
        Value::Str(text) | Value::Html(text) | Value::Url(text) => string(text, out)?,
        Value::List(list) => {
            out.push('[')?;
            for (i, item) in list.items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," })?;
                to_json(item, out)?;
            }
            out.push(']')?;
        }
        Value::Map(map) => object(map.entries.iter().map(|(k, v)| (k.to_string(), v)), out)?,
        Value::Record(record) => {
            let name = |field: &str| if record.ty.tagged { json_name(field) } else { field.to_owned() };
            object(record.fields.iter().map(|(field, value)| (name(field), value)), out)?;
        }
        Value::Time(time) => {
            string(&time.to_json().ok_or("Time.MarshalJSON: year outside of range [0,9999]")?, out)?;
        }
        Value::Func(_) => return Err("json: unsupported type: func".into()),
    }
    Ok(())
}

fn object<'v>(entries: impl Iterator<Item = (String, &'v Value)>, out: &mut Text) -> Result<(), CallError> {
    out.push('{')?;
    for (i, (name, value)) in entries.enumerate() {
        out.push_str(if i == 0 { "" } else { "," })?;
        string(&name, out)?;
        out.push(':')?;
        to_json(value, out)?;
    }
    out.push('}')?;
    Ok(())
}

/// `StartsAt` is `startsAt` in JSON.
fn json_name(field: &str) -> String {
    if field == "NotificationReason" {
        return "notification_reason".to_owned();
    }
    let mut chars = field.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// As ES6 prints numbers, which is what Go's encoder follows.
fn float(value: f64) -> Result<String, CallError> {
    if !value.is_finite() {
        return Err(format!("json: unsupported value: {}", crate::fmt::shortest(value)).into());
    }
    let size = value.abs();
    if value != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        // Go writes e+21 and e-9: a sign always, no padding.
        return Ok(if text.contains("e-") { text } else { text.replace('e', "e+") });
    }
    Ok(format!("{value}"))
}

fn string(text: &str, out: &mut Text) -> Result<(), CallError> {
    out.push('"')?;
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\"")?,
            '\\' => out.push_str("\\\\")?,
            '\n' => out.push_str("\\n")?,
            '\r' => out.push_str("\\r")?,
            '\t' => out.push_str("\\t")?,
            '\u{8}' => out.push_str("\\b")?,
            '\u{c}' => out.push_str("\\f")?,
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)))?;
            }
            _ => out.push(c)?,
        }
    }
    out.push('"')?;
    Ok(())
}
