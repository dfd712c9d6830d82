//! Our parser against the one of another project, over other people's queries and generated ones: both must
//! accept the same texts and mean the same by them, except where the other is known to differ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests may be blunt")]

mod common;

use std::path::PathBuf;

use breakwatch_promql::parse;
use common::expr::Generator;
use fastrand::Rng;

fn corpus() -> Vec<String> {
    let Some(root) = breakwatch_sim::conformance("") else { return Vec::new() };
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let mut queries: Vec<String> = read(root.join("promql-compliance-queries.txt"))
        .lines()
        .filter_map(|line| line.rsplit('\t').next().map(str::to_owned))
        .collect();
    for tier in ["tier1", "tier2"] {
        for entry in std::fs::read_dir(root.join("promql").join(tier)).unwrap() {
            let text = read(entry.unwrap().path());
            queries.extend(text.lines().filter_map(|line| eval_query(line.trim())));
        }
    }
    queries
}

/// The query of an `eval` line.
fn eval_query(line: &str) -> Option<String> {
    let mut words = line.splitn(3, char::is_whitespace);
    words.next().filter(|word| word.starts_with("eval"))?;
    // `instant at T query` or `range from A to B step S query`.
    let skipped = if words.next()? == "instant" { 2 } else { 6 };
    let mut rest = words.next()?;
    for _ in 0..skipped {
        rest = rest.trim_start().split_once(char::is_whitespace)?.1;
    }
    Some(rest.trim().to_owned())
}

/// Why the two may differ, as patterns.
const KNOWN: [(&str, &str); 8] = [
    (r"(?i)anchored|smoothed", "it has no range extensions"),
    (r"</|>/|start_timestamp", "we have no native histograms and start timestamps"),
    (r"(?i)(step|range|start|end)\(\)", "it knows start() and end() only after @"),
    (r"\[[^\]]*[-+*/%^(]|offset *[-+]?\(|min_of|max_of", "it has no computed durations"),
    (r"info\(", "it wants a matcher that excludes the empty value"),
    (r"^\+", "it forgets a plus sign"),
    (r", [0-9]+[smhdwy]", "it prints a duration among arguments as a number"),
    (r"\\x[c-f]", "it takes strings that are not UTF-8"),
];

fn is_known(query: &str) -> bool {
    KNOWN.iter().any(|(pattern, _)| regex::Regex::new(pattern).unwrap().is_match(query))
}

#[test]
fn both_parsers_agree() {
    let mut queries = corpus();
    for seed in 0..3000 {
        let mut random = Rng::with_seed(seed);
        queries.push(Generator { random: &mut random, modifiers: true }.expression(4));
    }
    let (mut agreed, mut explained, mut differences) = (0, 0, Vec::new());
    for query in &queries {
        let ours = parse(query).map(|expr| expr.to_string());
        let theirs = promql_parser::parser::parse(query).map(|expr| expr.to_string());
        let difference = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => {
                // Both print in their own way; read by one parser the trees can be compared.
                match parse(theirs).map(|expr| expr.to_string()) {
                    Ok(again) if again == *ours => None,
                    again => Some(format!("we mean {ours}, they {theirs} ({again:?})")),
                }
            }
            (Err(_), Err(_)) => None,
            (Ok(_), Err(theirs)) => Some(format!("only we accept it: {theirs}")),
            (Err(ours), Ok(_)) => Some(format!("only they accept it: {ours}")),
        };
        match difference {
            None => agreed += 1,
            Some(_) if is_known(query) => explained += 1,
            Some(difference) => differences.push(format!("{query}\n    {difference}")),
        }
    }
    println!("{agreed} agreed, {explained} differences known, of {}", queries.len());
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}
