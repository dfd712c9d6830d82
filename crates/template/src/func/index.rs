//! `len`, `index` and `slice`.

use super::{Call, CallError};
use crate::value::Value;

/// `len`: bytes of a string, items of a list, entries of a map.
pub(super) fn len(value: &Value) -> Result<Value, CallError> {
    match value {
        Value::Str(text) | Value::Html(text) | Value::Url(text) => Ok(text.len().into()),
        Value::List(list) => Ok(list.items.len().into()),
        Value::Map(map) => Ok(map.entries.len().into()),
        Value::Nil => Err("reflect: call of reflect.Value.Type on zero Value".into()),
        other => Err(format!("len of type {}", other.type_name()).into()),
    }
}

/// `index x 1 2 3` is `x[1][2][3]`.
pub(super) fn index(call: &mut Call<'_, '_>) -> Result<Value, CallError> {
    let mut item = call.arg(0).clone();
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    for key in call.args.iter().skip(1) {
        item = match &item {
            Value::List(list) => {
                let at = position(key, list.items.len())?;
                let found = list.items.get(at).cloned();
                found.ok_or_else(|| out_of_range("slice"))?
            }
            // A byte of a string is a number.
            Value::Str(text) | Value::Html(text) | Value::Url(text) => {
                let at = position(key, text.len())?;
                let byte = text.as_bytes().get(at).copied();
                Value::Int(byte.ok_or_else(|| out_of_range("string"))?.into())
            }
            Value::Map(map) => match key {
                Value::Str(key) => map.get(key).cloned().unwrap_or_else(|| map.zero()),
                Value::Nil => return Err("value is nil; should be of type string".into()),
                other => {
                    return Err(format!("value has type {}; should be string", other.type_name()).into());
                }
            },
            Value::Nil => return Err("index of nil pointer".into()),
            other => return Err(format!("can't index item of type {}", other.type_name()).into()),
        };
    }
    Ok(item)
}

/// `slice x 1 2` is `x[1:2]`; a third index bounds the capacity and changes nothing here.
pub(super) fn slice(call: &mut Call<'_, '_>) -> Result<Value, CallError> {
    let item = call.arg(0);
    let indexes = call.args.get(1..).unwrap_or_default();
    let length = match item {
        Value::Nil => return Err("slice of untyped nil".into()),
        _ if indexes.len() > 3 => return Err(format!("too many slice indexes: {}", indexes.len()).into()),
        Value::Str(_) | Value::Html(_) | Value::Url(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".into());
        }
        Value::Str(text) | Value::Html(text) | Value::Url(text) => text.len(),
        Value::List(list) => list.items.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name()).into()),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length)?;
    }
    let [start, end, cap] = bounds;
    for (low, high) in [(start, end), (end, cap)] {
        if low > high {
            return Err(format!("invalid slice index: {low} > {high}").into());
        }
    }
    // Copying items is dearer than copying text, which is paid elsewhere.
    call.spend((end - start) as u64 / 8)?;
    Ok(match item {
        // A cut through a character leaves a replacement character, because strings here are UTF-8.
        Value::Str(text) => cut(text, start, end).into(),
        Value::Html(text) => Value::Html(cut(text, start, end).into()),
        Value::Url(text) => Value::Url(cut(text, start, end).into()),
        Value::List(list) => {
            Value::typed_list(list.ty, list.items.get(start..end).unwrap_or_default().to_vec())
        }
        _ => Value::Nil,
    })
}

fn cut(text: &str, start: usize, end: usize) -> String {
    String::from_utf8_lossy(text.as_bytes().get(start..end).unwrap_or_default()).into_owned()
}

/// An index as a position of at most `cap`.
fn position(index: &Value, cap: usize) -> Result<usize, CallError> {
    let number = match index {
        Value::Int(n) | Value::Duration(n) => *n,
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name()).into()),
    };
    usize::try_from(number)
        .ok()
        .filter(|n| *n <= cap)
        .ok_or_else(|| format!("index out of range: {number}").into())
}

/// The one position just behind the end passes Go's check and fails in its runtime.
fn out_of_range(kind: &str) -> CallError {
    format!("reflect: {kind} index out of range").into()
}
