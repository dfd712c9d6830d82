//! The data of main.go beside this file, as template values.

use breakwatch_model::Timestamp;
use breakwatch_template::{Call, CallError, Element, Function, Functions, Method, Param, Type, Value};

static DATA: Type = Type::plain("main.Data", Element::Any);
static PAIR: Type = Type::plain("main.Pair", Element::Any);
static PAIRS: Type = Type::plain("[]main.Pair", Element::Any);
static KV: Type = Type {
    methods: &[
        Method { name: "Get", params: &[Param::Str], call: get },
        Method {
            name: "Size",
            params: &[],
            call: |kv, _| Ok(Value::Int(if kv.get("x").is_some() { 2 } else { 0 })),
        },
        Method {
            name: "Time",
            params: &[],
            call: |_, _| Ok(Timestamp::from_millis(1_700_000_000_120).into()),
        },
        Method { name: "Join", params: &[], call: |_, _| Ok(join()) },
    ],
    ..Type::plain("main.KV", Element::Str)
};

fn get(kv: &Value, call: &mut Call<'_, '_>) -> Result<Value, CallError> {
    Ok(kv.get(call.str(0)).cloned().unwrap_or_else(|| "".into()))
}

fn join() -> Value {
    let join =
        Function::new(&[Param::Str, Param::Str], |call| Ok(format!("{}{}", call.str(0), call.str(1)).into()));
    Value::Func(join.into())
}

fn pair(name: &str, value: &str) -> Value {
    Value::record(&PAIR, vec![("Name", name.into()), ("Value", value.into())])
}

pub(crate) fn data() -> Value {
    let mixed = vec![1_i64.into(), "x".into(), 2.5.into(), true.into(), Value::list(vec!["y".into()])];
    let map = [("b", "two".into()), ("a", 1_i64.into()), ("c", Value::strings(["z"]))];
    Value::record(
        &DATA,
        vec![
            ("Str", "héllo <b>&\"'".into()),
            ("Empty", "".into()),
            ("Link", "https://x.org/a b?q=1&r=é".into()),
            ("Int", 42_i64.into()),
            ("Neg", (-7_i64).into()),
            ("Zero", 0_i64.into()),
            ("Float", 3.25.into()),
            ("Big", 1_234_567.0.into()),
            ("Tiny", 0.000_012_5.into()),
            ("True", true.into()),
            ("False", false.into()),
            ("Strings", Value::strings(["a", "b", "c d"])),
            ("Mixed", Value::list(mixed)),
            ("None", Value::strings::<&str>([])),
            ("Labels", Value::string_map([("job", "api"), ("instance", "db:9100"), ("alertname", "Down")])),
            ("Map", Value::map(map)),
            ("KV", Value::typed_map(&KV, [("x", "1".into()), ("y", "2".into())])),
            ("Pair", pair("n", "v")),
            ("Pairs", Value::typed_list(&PAIRS, vec![pair("a", "1"), pair("b", "2")])),
            ("Nil", Value::Nil),
            ("Dur", Value::Duration(1500)),
            ("Safe", Value::Html("<i>safe</i>".into())),
            ("SafeURL", Value::Url("javascript:ok()".into())),
        ],
    )
}

pub(crate) fn functions() -> Functions {
    let mut functions = Functions::new();
    functions.insert("upper", Function::new(&[Param::Str], |call| Ok(call.str(0).to_uppercase().into())));
    functions.insert(
        "half",
        Function::new(&[Param::Int], |call| match call.arg(0) {
            Value::Int(n) => Ok((n / 2).into()),
            _ => Err("no int".into()),
        }),
    );
    functions.insert(
        "twice",
        Function::new(&[Param::Float], |call| match call.arg(0) {
            Value::Float(f) => Ok((f * 2.0).into()),
            _ => Err("no float".into()),
        }),
    );
    functions.insert("count", Function::variadic(&[], Param::Str, |call| Ok(call.args().len().into())));
    functions.insert("safe", Function::new(&[Param::Str], |call| Ok(Value::Html(call.str(0).into()))));
    functions
}
