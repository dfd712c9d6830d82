//! The path: read once at load, followed at every run.

use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(i64),
    Every,
}

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let expected = || "a path such as `$.db`, `$.items[0].name` or `$.nodes[*].up`".to_owned();
        let mut rest = text.trim().strip_prefix('$').ok_or_else(expected)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, tail) = read_step(rest).ok_or_else(expected)?;
            steps.push(step);
            rest = tail;
        }
        Ok(Self(steps))
    }

    /// Every value the path leads to.
    pub(super) fn select<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        self.0
            .iter()
            .fold(vec![root], |found, step| found.into_iter().flat_map(|value| follow(step, value)).collect())
    }
}

fn read_step(text: &str) -> Option<(Step, &str)> {
    if let Some(inner) = text.strip_prefix('[') {
        let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'));
        if let Some(quote) = quote {
            let (name, tail) = inner[1..].split_once(quote)?;
            return Some((Step::Name(name.to_owned()), tail.strip_prefix(']')?));
        }
        let (index, tail) = inner.split_once(']')?;
        let step = if index == "*" { Step::Every } else { Step::Index(index.trim().parse().ok()?) };
        return Some((step, tail));
    }
    let inner = text.strip_prefix('.')?;
    let end = inner.find(['.', '[']).unwrap_or(inner.len());
    let (name, tail) = inner.split_at(end);
    match name {
        "" => None,
        "*" => Some((Step::Every, tail)),
        _ => Some((Step::Name(name.to_owned()), tail)),
    }
}

fn follow<'v>(step: &Step, value: &'v Value) -> Vec<&'v Value> {
    match (step, value) {
        (Step::Name(name), Value::Object(members)) => members.get(name).into_iter().collect(),
        (Step::Index(index), Value::Array(items)) => {
            let at = if *index < 0 { items.len() as i64 + index } else { *index };
            usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
        }
        (Step::Every, Value::Array(items)) => items.iter().collect(),
        (Step::Every, Value::Object(members)) => members.values().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_rfc_9535_says() {
        let root: Value = serde_json::from_str(
            r#"{"db":"up","a.b":1,"nodes":[{"up":true},{"up":false}],"deep":{"x":{"y":[1,2,3]}}}"#,
        )
        .unwrap();
        for (path, expected) in [
            ("$.db", r#"["up"]"#),
            ("$['a.b']", "[1]"),
            ("$[\"db\"]", r#"["up"]"#),
            ("$.nodes[*].up", "[true,false]"),
            ("$.nodes[0].up", "[true]"),
            ("$.deep.x.y[-1]", "[3]"),
            ("$.deep.*.y[1]", "[2]"),
            ("$.nodes[7]", "[]"),
            ("$.nodes[-7]", "[]"),
            ("$.db.x", "[]"),
        ] {
            let found = Path::parse(path).unwrap().select(&root);
            assert_eq!(serde_json::to_string(&found).unwrap(), expected, "{path}");
        }
        assert_eq!(Path::parse("$").unwrap().select(&root), [&root]);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "db", "$db", "$.", "$..db", "$[", "$[x]", "$['x", "$.a[1", "$[?(@.x)]", "$['a'"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
