//! The functions of Alertmanager's notification templates.

use std::sync::Arc;

use super::builtin::made;
use super::prometheus::{bounded, text_functions};
use super::{Call, CallError, Function, Functions, Param, case, encode};
use crate::time::{Moment, zone};
use crate::value::{Value, to_json};

pub(super) fn register(functions: &mut Functions) {
    use Param::{Any, List, Str, Strings};
    text_functions(functions);
    times(functions);
    let title = |call: &mut Call<'_, '_>| Ok(case::title(call.str(0), true).into());
    functions.insert("title", Function::new(&[Str], title));
    functions.insert("trimSpace", Function::new(&[Str], |call| Ok(call.str(0).trim().into())));
    functions.insert("safeUrl", Function::new(&[Str], |call| Ok(Value::Url(call.str(0).into()))));
    functions
        .insert("urlUnescape", Function::new(&[Str], |call| Ok(encode::query_unescape(call.str(0))?.into())));
    functions.insert("join", Function::new(&[Str, Strings], |call| join(call, call.str(0), call.arg(1))));
    functions.insert(
        "stringSlice",
        Function::variadic(&[], Str, |call| Ok(Value::strings(call.args.iter().filter_map(Value::as_str)))),
    );
    functions.insert(
        "toJson",
        Function::new(&[Any], |call| {
            let mut out = call.text();
            to_json(call.arg(0), &mut out)?;
            Ok(out.into_string().into())
        }),
    );
    functions.insert(
        "base64encode",
        Function::new(&[Str], |call| {
            made(call, |call, out| out.push_str(&super::base64::encode(call.str(0).as_bytes())))
        }),
    );
    functions
        .insert("base64decode", Function::new(&[Str], |call| Ok(super::base64::decode(call.str(0))?.into())));
    functions.insert("list", Function::variadic(&[], Any, |call| bounded(Value::list(call.args.to_vec()))));
    functions.insert(
        "append",
        Function::variadic(&[List], Any, |call| {
            let mut items = call.arg(0).as_list().unwrap_or_default().to_vec();
            items.extend_from_slice(call.args.get(1..).unwrap_or_default());
            call.spend(items.len() as u64)?;
            bounded(Value::list(items))
        }),
    );
    functions.insert(
        "routeLabels",
        Function::new(&[Str], |call| {
            let label = call.data().get("RouteLabels").and_then(|labels| labels.get(call.str(0)));
            Ok(label.cloned().unwrap_or_else(|| "".into()))
        }),
    );
    functions.insert("dict", Function::variadic(&[], Any, dict));
}

fn times(functions: &mut Functions) {
    use Param::{Str, Time};
    let time = |moment: Moment| Ok(Value::Time(Arc::new(moment)));
    functions
        .insert("date", Function::new(&[Str, Time], |call| Ok(call.time(1)?.format(call.str(0)).into())));
    functions.insert(
        "tz",
        Function::new(&[Str, Time], move |call| time(call.time(1)?.within(zone(call.str(0))?))),
    );
    functions.insert("now", Function::new(&[], move |call| time(Moment::from_timestamp(call.context.now))));
    functions.insert(
        "since",
        Function::new(&[Time], |call| {
            Ok(Value::Duration(Moment::from_timestamp(call.context.now).nanos_since(call.time(0)?)))
        }),
    );
    functions.insert(
        "toDate",
        Function::new(&[Str, Str], move |call| {
            time(Moment::parse(call.str(0), call.str(1)).unwrap_or_default())
        }),
    );
    functions.insert(
        "mustToDate",
        Function::new(&[Str, Str], move |call| time(Moment::parse(call.str(0), call.str(1))?)),
    );
}

/// The strings of a list with a separator between them.
pub(crate) fn join(call: &mut Call<'_, '_>, separator: &str, list: &Value) -> Result<Value, CallError> {
    let mut out = call.text();
    for (i, item) in list.as_list().unwrap_or_default().iter().enumerate() {
        out.push_str(if i == 0 { "" } else { separator })?;
        out.push_str(item.as_str().unwrap_or_default())?;
    }
    Ok(out.into_string().into())
}

/// `dict "a" 1 "b" 2`
fn dict(call: &mut Call<'_, '_>) -> Result<Value, CallError> {
    if !call.args.len().is_multiple_of(2) {
        return Err("dict requires an even number of arguments".into());
    }
    let mut entries = Vec::with_capacity(call.args.len() / 2);
    for pair in call.args.chunks(2) {
        let [Value::Str(key), value] = pair else { return Err("dict keys must be strings".into()) };
        entries.push((Arc::clone(key), value.clone()));
    }
    bounded(Value::map(entries))
}
