//! Label sets as notification templates see them: a map with methods.

use crate::func::{Call, CallError, Param};
use crate::value::{Element, Method, Type, Value};

/// A label set.
pub(super) static KV: Type = Type {
    methods: &[
        Method { name: "SortedPairs", params: &[], call: |kv, _| Ok(sorted_pairs(kv)) },
        Method { name: "Names", params: &[], call: |kv, _| Ok(column(&sorted_pairs(kv), "Name")) },
        Method { name: "Values", params: &[], call: |kv, _| Ok(column(&sorted_pairs(kv), "Value")) },
        Method { name: "Remove", params: &[Param::Strings], call: remove },
        Method { name: "String", params: &[], call: |kv, _| Ok(pairs_text(&sorted_pairs(kv)).into()) },
    ],
    text: Some(|kv| pairs_text(&sorted_pairs(kv))),
    ..Type::plain("template.KV", Element::Str)
};

/// A list of names with values.
static PAIRS: Type = Type {
    methods: &[
        Method { name: "Names", params: &[], call: |pairs, _| Ok(column(pairs, "Name")) },
        Method { name: "Values", params: &[], call: |pairs, _| Ok(column(pairs, "Value")) },
        Method { name: "String", params: &[], call: |pairs, _| Ok(pairs_text(pairs).into()) },
    ],
    text: Some(pairs_text),
    ..Type::plain("template.Pairs", Element::Any)
};

static PAIR: Type = Type::plain("template.Pair", Element::Any);

/// A list of strings that can be joined.
static STRINGS: Type = Type {
    methods: &[Method {
        name: "Join",
        params: &[Param::Str],
        call: |strings, call| crate::func::alertmanager::join(call, call.str(0), strings),
    }],
    ..Type::plain("template.Strings", Element::Str)
};

/// The pairs by name, the alert's name before all others.
fn sorted_pairs(kv: &Value) -> Value {
    let Value::Map(map) = kv else { return Value::typed_list(&PAIRS, Vec::new()) };
    let pair = |(name, value): &(std::sync::Arc<str>, Value)| {
        Value::record(&PAIR, vec![("Name", Value::Str(name.clone())), ("Value", value.clone())])
    };
    let (first, rest): (Vec<_>, Vec<_>) = map.entries.iter().partition(|(name, _)| **name == *"alertname");
    Value::typed_list(&PAIRS, first.into_iter().chain(rest).map(pair).collect())
}

fn column(pairs: &Value, field: &str) -> Value {
    let pairs = pairs.as_list().unwrap_or_default();
    Value::typed_list(&STRINGS, pairs.iter().filter_map(|pair| pair.get(field).cloned()).collect())
}

fn pairs_text(pairs: &Value) -> String {
    let text = |pair: &Value, field| pair.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let pairs = pairs.as_list().unwrap_or_default();
    let texts: Vec<String> =
        pairs.iter().map(|pair| text(pair, "Name") + "=" + &text(pair, "Value")).collect();
    texts.join(", ")
}

/// The set without some names.
fn remove(kv: &Value, call: &mut Call<'_, '_>) -> Result<Value, CallError> {
    let Value::Map(map) = kv else { return Ok(kv.clone()) };
    let names = call.arg(0).as_list().unwrap_or_default();
    call.spend((map.entries.len() * names.len()) as u64 / 8)?;
    let kept = |name: &str| !names.iter().any(|removed| removed.as_str() == Some(name));
    let entries = map.entries.iter().filter(|(name, _)| kept(name)).cloned();
    Ok(Value::typed_map(&KV, entries))
}
