//! The syntax tree as JSON, in the form of Prometheus' `/api/v1/parse_query`.

use serde_json::{Value, json};

use crate::ast::{AtModifier, Binary, Expr, Extension, MatrixSelector, Subquery, VectorSelector};
use crate::functions::{Function, Variadic};
use crate::number::go_shortest_fixed;

/// The tree as a JSON text. It is written, not built: a tree as deep as a chain of operators is long must not be
/// walked recursively by whoever prints or drops it.
#[must_use]
pub fn to_json(expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(&mut out, expr);
    out
}

fn write_expr(out: &mut String, expr: &Expr) {
    let mut spine = Vec::new();
    let mut leaf = expr;
    while let Expr::Binary(binary) = leaf {
        out.push_str(&format!("{{\"bool\":{},\"lhs\":", binary.return_bool));
        spine.push(binary);
        leaf = &binary.lhs;
    }
    write_node(out, leaf);
    for binary in spine.into_iter().rev() {
        let op = json!(binary.op.as_str());
        out.push_str(&format!(",\"matching\":{},\"op\":{op},\"rhs\":", matching(binary)));
        write_expr(out, &binary.rhs);
        out.push_str(",\"type\":\"binaryExpr\"}");
    }
}

/// Writes everything but a binary operation. Nesting here is bounded by the parser.
fn write_node(out: &mut String, expr: &Expr) {
    match expr {
        Expr::Aggregate(aggregate) => {
            out.push_str("{\"expr\":");
            write_expr(out, &aggregate.expr);
            out.push_str(&format!(
                ",\"grouping\":{},\"op\":\"{}\",\"param\":",
                json!(aggregate.grouping),
                aggregate.op
            ));
            match &aggregate.param {
                Some(param) => write_expr(out, param),
                None => out.push_str("null"),
            }
            out.push_str(&format!(",\"type\":\"aggregation\",\"without\":{}}}", aggregate.without));
        }
        Expr::Call(call) => {
            out.push_str("{\"args\":[");
            for (index, arg) in call.args.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_expr(out, arg);
            }
            out.push_str(&format!("],\"func\":{},\"type\":\"call\"}}", function(call.function)));
        }
        Expr::Paren(paren) => wrap(out, &paren.expr, "\"type\":\"parenExpr\""),
        Expr::Unary(unary) => {
            wrap(out, &unary.expr, &format!("\"op\":\"{}\",\"type\":\"unaryExpr\"", unary.op.as_str()));
        }
        Expr::Subquery(subquery) => {
            let rest = subquery_fields(subquery).to_string();
            wrap(out, &subquery.expr, rest.trim_start_matches('{').trim_end_matches('}'));
        }
        Expr::Matrix(matrix) => out.push_str(&matrix_selector(matrix).to_string()),
        Expr::Vector(selector) => out.push_str(&vector_selector(selector).to_string()),
        Expr::Number(number) => {
            out.push_str(
                &json!({"type": "numberLiteral", "val": go_shortest_fixed(number.value)}).to_string(),
            );
        }
        Expr::String(string) => {
            out.push_str(&json!({"type": "stringLiteral", "val": string.value}).to_string());
        }
        // Taken apart by the caller.
        Expr::Binary(_) => out.push_str("null"),
    }
}

fn wrap(out: &mut String, inner: &Expr, rest: &str) {
    out.push_str("{\"expr\":");
    write_expr(out, inner);
    out.push_str(&format!(",{rest}}}"));
}

fn matching(binary: &Binary) -> Value {
    binary.matching().map_or(Value::Null, |matching| {
        json!({
            "card": matching.cardinality.as_str(),
            "labels": matching.labels,
            "on": matching.on,
            "include": matching.include,
            "fillValues": { "lhs": matching.fill_left, "rhs": matching.fill_right },
        })
    })
}

fn function(function: &Function) -> Value {
    let types: Vec<&str> = function.args.iter().map(|arg| arg.as_str()).collect();
    let variadic = match function.variadic {
        Variadic::No => 0,
        Variadic::UpTo(count) => i64::try_from(count).unwrap_or(i64::MAX),
        Variadic::Any => -1,
    };
    json!({
        "name": function.name,
        "argTypes": types,
        "variadic": variadic,
        "returnType": function.returns.as_str(),
    })
}

fn vector_selector(selector: &VectorSelector) -> Value {
    let mut value = selector_fields(selector);
    value["type"] = json!("vectorSelector");
    value
}

fn matrix_selector(matrix: &MatrixSelector) -> Value {
    let mut value = selector_fields(&matrix.selector);
    value["type"] = json!("matrixSelector");
    value["range"] = json!(matrix.range / 1_000_000);
    value
}

fn selector_fields(selector: &VectorSelector) -> Value {
    let matcher = |matcher: &breakwatch_model::Matcher| json!({"name": matcher.name(), "value": matcher.value(), "type": matcher.op().as_str()});
    let matchers: Vec<Value> = selector.matchers.iter().map(matcher).collect();
    json!({
        "name": selector.name.as_deref().unwrap_or_default(),
        "offset": selector.offset.nanos / 1_000_000,
        "matchers": matchers,
        "timestamp": timestamp(selector.at),
        "startOrEnd": start_or_end(selector.at),
        "anchored": selector.extension == Some(Extension::Anchored),
        "smoothed": selector.extension == Some(Extension::Smoothed),
    })
}

fn subquery_fields(subquery: &Subquery) -> Value {
    json!({
        "type": "subquery",
        "range": subquery.range / 1_000_000,
        "offset": subquery.offset.nanos / 1_000_000,
        "step": subquery.step / 1_000_000,
        "timestamp": timestamp(subquery.at),
        "startOrEnd": start_or_end(subquery.at),
    })
}

fn timestamp(at: Option<AtModifier>) -> Value {
    match at {
        Some(AtModifier::Time(millis)) => json!(millis),
        _ => Value::Null,
    }
}

fn start_or_end(at: Option<AtModifier>) -> Value {
    match at {
        Some(AtModifier::Start) => json!("start"),
        Some(AtModifier::End) => json!("end"),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Value {
        serde_json::from_str(&to_json(&crate::parse(text).unwrap())).unwrap()
    }

    #[test]
    fn every_kind_of_node_is_there() {
        let value = tree(
            "topk by (job) (2, -rate(x{a!=\"b\"}[5m] offset 1m)) \
             > bool on (job) group_left (z) (max_over_time(y[1h:5m] @ end()))",
        );
        assert_eq!(value["type"], "binaryExpr");
        assert_eq!(value["bool"], true);
        assert_eq!(value["matching"]["card"], "many-to-one");
        assert_eq!(value["lhs"]["param"], json!({"type": "numberLiteral", "val": "2"}));
        let call = &value["lhs"]["expr"]["expr"];
        assert_eq!(
            call["func"],
            json!({"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"})
        );
        assert_eq!(call["args"][0]["range"], 300_000);
        assert_eq!(call["args"][0]["matchers"][0], json!({"name": "a", "value": "b", "type": "!="}));
        let subquery = &value["rhs"]["expr"]["args"][0];
        assert_eq!(subquery["startOrEnd"], "end");
        assert_eq!((&subquery["step"], &subquery["expr"]["name"]), (&json!(300_000), &json!("y")));
    }

    #[test]
    fn a_long_chain_is_written_in_order() {
        let text = format!("x{}", " + x".repeat(5000));
        let json = to_json(&crate::parse(&text).unwrap());
        assert_eq!(json.matches("binaryExpr").count(), 5000);
    }
}
