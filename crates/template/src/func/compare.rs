//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`: only values of the same kind compare, as in Go.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Call, CallError, Function, Functions, Param};
use crate::limits::Text;
use crate::value::Value;

pub(super) fn register(functions: &mut Functions) {
    use Param::Any;
    functions.insert("eq", Function::variadic(&[Any], Any, |call| equals_any(call).map(Value::Bool)));
    functions.insert("ne", Function::new(&[Any, Any], |call| equals_any(call).map(|equal| (!equal).into())));
    let ordered = |holds: fn(Option<Ordering>) -> bool| {
        Function::new(&[Any, Any], move |call| Ok(holds(order(call.arg(0), call.arg(1))?).into()))
    };
    functions.insert("lt", ordered(|order| order == Some(Ordering::Less)));
    functions.insert("le", ordered(|order| matches!(order, Some(Ordering::Less | Ordering::Equal))));
    // As Go has it, `gt` is not `le` and `ge` is not `lt`, so that NaN is greater than everything.
    functions.insert("gt", ordered(|order| !matches!(order, Some(Ordering::Less | Ordering::Equal))));
    functions.insert("ge", ordered(|order| order != Some(Ordering::Less)));
}

/// What decides whether two values compare.
#[derive(PartialEq)]
enum Basic {
    Bool,
    Int,
    Float,
    Str,
    Other,
}

fn basic(value: &Value) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(_) | Value::Duration(_) => Basic::Int,
        Value::Float(_) => Basic::Float,
        Value::Str(_) | Value::Html(_) | Value::Url(_) => Basic::Str,
        _ => Basic::Other,
    }
}

/// Whether the first argument equals any of the others.
fn equals_any(call: &mut Call<'_, '_>) -> Result<bool, CallError> {
    let Some((first, rest)) = call.args.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return Err("missing argument for comparison".into());
    };
    for other in rest {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: &Value, b: &Value) -> Result<bool, CallError> {
    match (a, b) {
        (Value::Nil, other) | (other, Value::Nil) => Ok(matches!(other, Value::Nil)),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a) | Value::Duration(a), Value::Int(b) | Value::Duration(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        _ if basic(a) == Basic::Str && basic(b) == Basic::Str => Ok(a.as_str() == b.as_str()),
        _ if basic(a) != basic(b) => Err(incompatible(a, b)),
        _ => equal_composite(a, b),
    }
}

/// What Go calls the kind of a value that is not basic.
#[derive(PartialEq)]
enum Composite {
    Slice,
    Map,
    Struct,
    Pointer,
    Func,
}

fn composite(value: &Value) -> Composite {
    match value {
        Value::List(_) => Composite::Slice,
        Value::Map(_) => Composite::Map,
        Value::Record(record) if record.ty.is_pointer() => Composite::Pointer,
        Value::Func(_) => Composite::Func,
        _ => Composite::Struct,
    }
}

/// Structs compare field by field, pointers by what they point to; lists, maps and functions do not compare.
fn equal_composite(a: &Value, b: &Value) -> Result<bool, CallError> {
    if composite(a) != composite(b) {
        let (a_text, b_text) = (shown("%s", a), shown("%v", b));
        let (a, b) = (a.type_name(), b.type_name());
        return Err(format!("non-comparable types {a_text}: {a}, {b}: {b_text}").into());
    }
    if !is_comparable(b) {
        return Err(format!("non-comparable type {}: {}", shown("%s", b), b.type_name()).into());
    }
    match (a, b) {
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (Value::Record(a), Value::Record(b)) if a.ty.is_pointer() => Ok(Arc::ptr_eq(a, b)),
        (Value::Record(a), Value::Record(b)) if a.ty.name == b.ty.name => {
            for ((_, a), (_, b)) in a.fields.iter().zip(&b.fields) {
                if basic(a) != basic(b) || !equal(a, b)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn is_comparable(value: &Value) -> bool {
    match value {
        Value::List(_) | Value::Map(_) | Value::Func(_) => false,
        Value::Record(record) if !record.ty.is_pointer() => {
            record.fields.iter().all(|(_, v)| is_comparable(v))
        }
        _ => true,
    }
}

/// A value in a message, cut short: its type is what matters.
fn shown(format: &str, value: &Value) -> String {
    const LENGTH: usize = 500;
    let mut text = Text::new(64 * LENGTH);
    // What is too long even for that is left as far as it came.
    let _ = crate::fmt::printf(format, std::slice::from_ref(value), &mut text);
    text.as_str().chars().take(LENGTH).collect()
}

/// `None` when one of two floats is NaN.
fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, CallError> {
    match (a, b) {
        (Value::Int(a) | Value::Duration(a), Value::Int(b) | Value::Duration(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        _ if basic(a) == Basic::Str && basic(b) == Basic::Str => Ok(a.as_str().partial_cmp(&b.as_str())),
        _ if basic(a) == Basic::Other || basic(b) == Basic::Other || basic(a) == basic(b) => {
            Err("invalid type for comparison".into())
        }
        _ => Err(incompatible(a, b)),
    }
}

fn incompatible(a: &Value, b: &Value) -> CallError {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()).into()
}
