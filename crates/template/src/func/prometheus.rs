//! The functions of Prometheus' rule files.

use std::sync::Arc;

use super::builtin::made;
use super::{Call, CallError, Function, Functions, Param, case, encode, hostport, humanize, pattern};
use crate::value::{Element, MAX_VALUE_DEPTH, Type, Value};

/// One sample of a query's result.
pub(crate) static SAMPLE: Type = Type::plain("*template.sample", Element::Any);
/// A query's result.
pub(crate) static SAMPLES: Type = Type::plain("template.queryResult", Element::Any);

pub(super) fn register(functions: &mut Functions) {
    use Param::{Any, Str};
    queries(functions);
    numbers(functions);
    links(functions);
    text_functions(functions);
    let title = |call: &mut Call<'_, '_>| Ok(case::title(call.str(0), false).into());
    functions.insert("title", Function::new(&[Str], title));
    functions.insert("args", Function::variadic(&[], Any, args));
    functions.insert("stripPort", Function::new(&[Str], |call| Ok(hostport::strip_port(call.str(0)).into())));
    functions
        .insert("stripDomain", Function::new(&[Str], |call| Ok(hostport::strip_domain(call.str(0)).into())));
    functions.insert("now", Function::new(&[], |call| Ok(call.context.now.as_secs_f64().into())));
}

/// What Prometheus and Alertmanager have in common.
pub(super) fn text_functions(functions: &mut Functions) {
    use Param::Str;
    functions.insert("toUpper", Function::new(&[Str], |call| Ok(case::to_upper(call.str(0)).into())));
    functions.insert("toLower", Function::new(&[Str], |call| Ok(case::to_lower(call.str(0)).into())));
    functions.insert("safeHtml", Function::new(&[Str], |call| Ok(Value::Html(call.str(0).into()))));
    functions.insert("match", Function::new(&[Str, Str], pattern::is_match));
    functions.insert("reReplaceAll", Function::new(&[Str, Str, Str], pattern::replace_all));
    let duration =
        |call: &mut Call<'_, '_>| Ok(humanize::humanize_duration(humanize::to_float(call.arg(0))?).into());
    functions.insert("humanizeDuration", Function::new(&[Param::Any], duration));
}

fn queries(functions: &mut Functions) {
    use Param::{Named, Str};
    let (sample, samples) = (Named(&SAMPLE), Named(&SAMPLES));
    functions.insert("query", Function::new(&[Str], query));
    functions.insert(
        "first",
        Function::new(&[samples], |call| {
            let first = call.arg(0).as_list().and_then(|list| list.first());
            first.cloned().ok_or_else(|| "first() called on vector with no elements".into())
        }),
    );
    functions.insert("label", Function::new(&[Str, sample], |call| Ok(label(call.arg(1), call.str(0))?)));
    functions.insert("strvalue", Function::new(&[sample], |call| Ok(label(call.arg(0), "__value__")?)));
    functions.insert(
        "value",
        Function::new(&[sample], |call| Ok(call.arg(0).get("Value").cloned().ok_or(NIL_SAMPLE)?)),
    );
    functions.insert(
        "sortByLabel",
        Function::new(&[Str, samples], |call| {
            let mut sorted = call.arg(1).as_list().unwrap_or_default().to_vec();
            call.spend(sorted.len() as u64)?;
            let key = |sample: &Value| match label(sample, call.str(0)) {
                Ok(Value::Str(text)) => text,
                _ => Arc::from(""),
            };
            sorted.sort_by_cached_key(key);
            Ok(Value::typed_list(&SAMPLES, sorted))
        }),
    );
}

const NIL_SAMPLE: &str = "runtime error: invalid memory address or nil pointer dereference";

fn query(call: &mut Call<'_, '_>) -> Result<Value, CallError> {
    let Some(run) = call.context.query else { return Err("queries are not available here".into()) };
    let found = run(call.str(0))?;
    call.spend(found.len() as u64)?;
    let samples = found.into_iter().map(|sample| {
        Value::record(&SAMPLE, vec![("Labels", Value::from(&sample.labels)), ("Value", sample.value.into())])
    });
    Ok(Value::typed_list(&SAMPLES, samples.collect()))
}

/// A label of a sample; the empty string if it has none of that name.
fn label(sample: &Value, name: &str) -> Result<Value, &'static str> {
    let labels = sample.get("Labels").ok_or(NIL_SAMPLE)?;
    Ok(labels.get(name).cloned().unwrap_or_else(|| "".into()))
}

fn numbers(functions: &mut Functions) {
    use Param::{Any, Str};
    let number = |make: fn(f64) -> String| {
        Function::new(&[Any], move |call| Ok(make(humanize::to_float(call.arg(0))?).into()))
    };
    functions.insert("humanize", number(humanize::humanize));
    functions.insert("humanize1024", number(humanize::humanize1024));
    functions.insert("humanizePercentage", number(humanize::humanize_percentage));
    functions.insert(
        "humanizeTimestamp",
        Function::new(&[Any], |call| {
            Ok(humanize::humanize_timestamp(humanize::to_float(call.arg(0))?)?.into())
        }),
    );
    functions.insert(
        "toTime",
        Function::new(&[Any], |call| {
            Ok(Value::Time(Arc::new(humanize::to_time(humanize::to_float(call.arg(0))?)?)))
        }),
    );
    functions.insert(
        "toDuration",
        Function::new(&[Any], |call| {
            // A float too large for the type becomes its bound, where Go leaves it to the processor.
            Ok(Value::Duration((humanize::to_float(call.arg(0))? * 1e9) as i64))
        }),
    );
    functions.insert(
        "parseDuration",
        Function::new(&[Str], |call| Ok(crate::time::parse_prometheus_duration(call.str(0))?.into())),
    );
}

fn links(functions: &mut Functions) {
    use Param::Str;
    let link = |tab: &'static str| {
        Function::new(&[Str], move |call| {
            made(call, |call, out| {
                out.push_str("/graph?g0.expr=")?;
                encode::query_escape(call.str(0), out)?;
                out.push_str(tab)
            })
        })
    };
    functions.insert("tableLink", link("&g0.tab=1"));
    functions.insert("graphLink", link("&g0.tab=0"));
    functions.insert(
        "urlQueryEscape",
        Function::new(&[Str], |call| made(call, |call, out| encode::query_escape(call.str(0), out))),
    );
    functions.insert("externalURL", Function::new(&[], |call| Ok(call.context.external_url.into())));
    functions.insert("pathPrefix", Function::new(&[], |call| Ok(path(call.context.external_url).into())));
}

/// The path of a URL, unescaped.
fn path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    // A plus in a path is a plus.
    encode::query_unescape(&path.replace('+', "%2B")).unwrap_or_else(|_| path.to_owned())
}

/// `args a b` is a map of `arg0` and `arg1`: the way to hand several values to a template.
fn args(call: &mut Call<'_, '_>) -> Result<Value, CallError> {
    let map = Value::map(call.args.iter().enumerate().map(|(i, value)| (format!("arg{i}"), value.clone())));
    bounded(map)
}

/// Refuses a value that nests too deep to be printed or dropped safely.
pub(super) fn bounded(value: Value) -> Result<Value, CallError> {
    if value.depth() > MAX_VALUE_DEPTH {
        return Err(CallError::Limit(format!("value is nested more than {MAX_VALUE_DEPTH} deep")));
    }
    Ok(value)
}
