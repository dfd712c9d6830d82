//! Go's own functions.

use super::{Call, CallError, Function, Functions, Kind, Param, compare, encode, index};
use crate::fmt;
use crate::limits::Text;
use crate::value::Value;

pub(super) fn register(functions: &mut Functions) {
    use Param::{Any, Str};
    let lazy = |kind| Function { params: vec![Any], variadic: Some(Any), kind };
    functions.insert("and", lazy(Kind::And));
    functions.insert("or", lazy(Kind::Or));
    functions.insert("call", lazy(Kind::Call));
    functions.insert("not", Function::new(&[Any], |call| Ok((!call.arg(0).is_true()).into())));
    functions.insert("len", Function::new(&[Any], |call| index::len(call.arg(0))));
    functions.insert("index", Function::variadic(&[Any], Any, index::index));
    functions.insert("slice", Function::variadic(&[Any], Any, index::slice));
    functions
        .insert("print", Function::variadic(&[], Any, |call| made(call, |c, out| fmt::print(c.args, out))));
    functions.insert(
        "println",
        Function::variadic(&[], Any, |call| made(call, |c, out| fmt::println(c.args, out))),
    );
    functions.insert(
        "printf",
        Function::variadic(&[Str], Any, |call| {
            made(call, |c, out| fmt::printf(c.str(0), c.args.get(1..).unwrap_or_default(), out))
        }),
    );
    functions.insert("html", Function::variadic(&[], Any, |call| escaped(call, encode::html_escape)));
    functions.insert("js", Function::variadic(&[], Any, |call| escaped(call, encode::js_escape)));
    functions.insert("urlquery", Function::variadic(&[], Any, |call| escaped(call, encode::query_escape)));
    compare::register(functions);
}

/// A string result, made in a bounded buffer.
pub(super) fn made(
    call: &mut Call<'_, '_>,
    make: impl FnOnce(&Call<'_, '_>, &mut Text) -> Result<(), crate::limits::Exceeded>,
) -> Result<Value, CallError> {
    let mut out = call.text();
    make(call, &mut out)?;
    Ok(out.into_string().into())
}

/// The arguments as one text, as an action would print it, escaped.
fn escaped(
    call: &mut Call<'_, '_>,
    escape: fn(&str, &mut Text) -> Result<(), crate::limits::Exceeded>,
) -> Result<Value, CallError> {
    made(call, |call, out| match call.args {
        [Value::Str(text)] => escape(text, out),
        args => {
            let mut plain = call.text();
            fmt::print(&args.iter().map(shown).collect::<Vec<_>>(), &mut plain)?;
            escape(plain.as_str(), out)
        }
    })
}

/// A value as printing it would show it when nothing is there.
fn shown(value: &Value) -> Value {
    match value {
        Value::Nil => "<no value>".into(),
        other => other.clone(),
    }
}
