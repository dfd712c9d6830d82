use super::*;
use crate::limits::Text;

#[test]
fn of_a_key_given_twice_the_last_value_stays() {
    let map =
        Value::map([("b", Value::Int(1)), ("a", Value::Int(2)), ("b", Value::Int(3)), ("b", Value::Int(4))]);
    assert!(matches!(map.get("b"), Some(Value::Int(4))));
    let Value::Map(map) = map else { unreachable!() };
    let keys: Vec<&str> = map.entries.iter().map(|(k, _)| &**k).collect();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn truth_is_not_being_the_zero_of_a_type() {
    for value in
        [Value::Nil, Value::Int(0), Value::Float(0.0), Value::from(""), Value::list(vec![]), false.into()]
    {
        assert!(!value.is_true(), "{value:?}");
    }
    for value in [Value::Int(-1), Value::Float(f64::NAN), Value::from("0"), Value::list(vec![Value::Nil])] {
        assert!(value.is_true(), "{value:?}");
    }
}

#[test]
fn json_as_go_writes_it() {
    let value = Value::map([
        ("t", Value::from("a<b>&\"\n\u{1}\u{2028}é")),
        ("f", Value::list(vec![1.0.into(), 1e21.into(), 1e-7.into(), 0.5.into(), (-0.0).into()])),
        ("n", Value::Nil),
    ]);
    let mut out = Text::new(1000);
    to_json(&value, &mut out).unwrap();
    let want = r#"{"f":[1,1e+21,1e-7,0.5,-0],"n":null,"t":"a\u003cb\u003e\u0026\"\n\u0001\u2028é"}"#;
    assert_eq!(out.as_str(), want);
    assert!(to_json(&Value::Float(f64::NAN), &mut out).is_err());
}

#[test]
fn depth_is_known_without_walking() {
    let inner = Value::list(vec![Value::Int(1)]);
    assert_eq!(Value::map([("a", Value::list(vec![inner]))]).depth(), 3);
}
