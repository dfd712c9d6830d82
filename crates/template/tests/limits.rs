//! Templates that ask for too much end as errors, soon and in little memory.

#![allow(clippy::unwrap_used, reason = "tests may be blunt")]

use std::cell::Cell;
use std::sync::Arc;

use breakwatch_model::Timestamp;
use breakwatch_template::{Context, Escaping, Functions, Limits, Stage, TemplateError, TemplateSet, Value};

fn render_in(text: &str, context: &Context<'_>) -> Result<String, TemplateError> {
    let set = TemplateSet::new(Arc::new(Functions::alertmanager()));
    let data = Value::map([("big", Value::from("x".repeat(1 << 20)))]);
    set.render_template(&set.parse("t", text)?, &data, Escaping::None, context)
}

fn render(text: &str) -> Result<String, TemplateError> {
    render_in(text, &Context::at(Timestamp::from_secs(0)))
}

fn limit(text: &str) -> String {
    let error = render(text).unwrap_err();
    assert_eq!(error.stage(), Stage::Limit, "{text}: {error}");
    error.reason().to_owned()
}

#[test]
fn loops_end() {
    let steps = "exceeded the limit of 1000000 steps";
    assert_eq!(limit("{{range 1000000000}}{{end}}"), steps);
    assert_eq!(limit("{{range 1000000}}{{range 1000000}}{{end}}{{end}}"), steps);
    assert_eq!(limit("{{range 100000}}{{match \"(a*)*b\" $.big}}{{end}}"), steps);
    assert_eq!(limit("{{$l := list}}{{range 1000000}}{{$l = append $l .}}{{end}}"), steps);
}

#[test]
fn output_and_strings_are_bounded() {
    let long = "result is longer than the limit of 1048576 bytes";
    assert_eq!(render("{{.big}}").unwrap().len(), 1 << 20);
    assert_eq!(limit("{{.big}}x"), long);
    assert_eq!(limit("{{range 100000}}0123456789abcdef{{end}}"), long);
    assert_eq!(limit("{{$x := \"ab\"}}{{range 100}}{{$x = print $x $x}}{{end}}"), long);
    assert_eq!(limit("{{$x := printf \"%1000000s%1000000s\" 1 2}}"), long);
    assert_eq!(limit("{{$x := printf \"%01000000d%.1000000f\" 1 2.0}}"), long);
    assert_eq!(limit("{{$x := reReplaceAll \"x\" \"$0$0\" .big}}"), long);
    assert_eq!(limit("{{$x := html (printf \"%500000s\" \"\" | reReplaceAll \" \" \"<\")}}"), long);
    assert_eq!(limit("{{$x := join .big (stringSlice \"a\" \"b\" \"c\")}}"), long);
    assert_eq!(limit("{{$x := toJson (list .big .big)}}"), long);
    assert_eq!(limit("{{$x := .big | urlquery | print .big}}"), long);
}

#[test]
fn making_much_is_paid_for_even_if_nothing_prints() {
    let text: String = (0..200).map(|i| format!("{{{{$v{i} := print $.big}}}}")).collect();
    assert_eq!(limit(&text), "exceeded the limit of 1000000 steps");
}

#[test]
fn depth_is_bounded() {
    let depth = "exceeded maximum template depth (128)";
    assert_eq!(limit("{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}"), depth);
    assert_eq!(
        limit(
            "{{define \"x\"}}{{if true}}{{template \"y\" (print 1)}}{{end}}{{end}}{{define \"y\"}}{{range 2}}{{template \"x\"}}{{end}}{{end}}{{template \"x\"}}"
        ),
        depth
    );
    assert_eq!(
        limit("{{$l := list 1}}{{range 100}}{{$l = list $l}}{{end}}"),
        "value is nested more than 32 deep"
    );
    assert_eq!(
        limit("{{$l := dict}}{{range 100}}{{$l = dict \"a\" $l}}{{end}}"),
        "value is nested more than 32 deep"
    );
}

#[test]
fn nesting_is_refused_before_it_is_read() {
    for deep in [
        format!("{{{{{}1{}}}}}", "(".repeat(100_000), ")".repeat(100_000)),
        "{{if 1}}".repeat(100_000),
        "{{range 1}}".repeat(100_000) + &"{{end}}".repeat(100_000),
        "{{with 1}}{{if 1}}".repeat(50_000),
    ] {
        let error = render(&deep).unwrap_err();
        assert_eq!((error.stage(), error.reason()), (Stage::Parse, "max expression depth exceeded"));
    }
    let chain = "{{if 0}}".to_owned() + &"{{else if 0}}".repeat(20_000) + "{{else}}end{{end}}";
    assert_eq!(render(&chain).unwrap(), "end");
    let many: String = (0..1000).map(|i| format!("{{{{$v{i} := 1}}}}")).collect();
    assert_eq!(render(&many).unwrap_err().reason(), "more than 1000 variables");
    let nested = "{{if 1}}".repeat(90) + "x" + &"{{end}}".repeat(90);
    assert_eq!(render(&nested).unwrap(), "x");
}

#[test]
fn patterns_are_bounded() {
    for pattern in [r"(\\pL{100}){100}", r"((((a{100}){100}){100}){100})", r"\\w{1000}{1000}"] {
        let error = render(&format!("{{{{match \"{pattern}\" \"a\"}}}}")).unwrap_err();
        assert!(error.reason().contains("error parsing regexp"), "{error}");
    }
    let many = "{{range $i, $e := list 0 0 0 0 0 0 0 0 0 0}}{{range 1000}}{{$x := match (printf \"a%d.%d\" $i .) \"b\"}}{{end}}{{end}}";
    assert_eq!(limit(many), "exceeded the limit of 1000000 steps");
}

#[test]
fn reading_much_is_paid_for() {
    let steps = "exceeded the limit of 1000000 steps";
    assert_eq!(limit("{{range 1000000}}{{if eq $.big $.big}}{{end}}{{end}}"), steps);
    assert_eq!(limit("{{range 1000000}}{{$x := toUpper $.big}}{{end}}"), steps);
    assert_eq!(limit("{{range 1000000}}{{$x := match \"(?:[ab]{0,1000})c\" $.big}}{{end}}"), steps);
    let variables: String = (0..999).map(|i| format!("{{{{$v{i} := 1}}}}")).collect();
    assert_eq!(limit(&format!("{variables}{{{{range 1000000}}}}{{{{$v0}}}}{{{{end}}}}")), steps);
    let error = render("{{mustToDate \"2006\" .big}}").unwrap_err();
    assert!(error.reason().len() < 5000 && error.reason().ends_with("..."));
}

#[test]
fn the_callers_deadline_ends_a_run() {
    let asked = Cell::new(0);
    let expired = || {
        asked.set(asked.get() + 1);
        asked.get() > 10
    };
    let context = Context { expired: Some(&expired), ..Context::at(Timestamp::from_secs(0)) };
    let error = render_in("{{range 1000000}}{{end}}", &context).unwrap_err();
    assert_eq!((error.stage(), error.reason()), (Stage::Limit, "exceeded its time limit"));
    assert_eq!(asked.get(), 11);
}

#[test]
fn limits_can_be_set() {
    let limits = Limits { steps: 100, output: 10, depth: 3 };
    let context = Context { limits, ..Context::at(Timestamp::from_secs(0)) };
    assert!(render_in("0123456789", &context).is_ok());
    assert!(render_in("0123456789a", &context).is_err());
    assert!(render_in("{{if 1}}{{if 1}}{{if 1}}{{end}}{{end}}{{end}}", &context).is_ok());
    assert!(render_in("{{if 1}}{{if 1}}{{if 1}}{{if 1}}{{end}}{{end}}{{end}}{{end}}", &context).is_err());
    assert!(render_in("{{range 101}}{{end}}", &context).is_err());
}

/// A depth at the limit fits the stack of a worker thread, also unoptimised.
#[test]
fn the_deepest_run_fits_a_small_stack() {
    let nested =
        "{{if 1}}".repeat(95) + "{{template \"x\" (print (print (print 1)))}}" + &"{{end}}".repeat(95);
    let text = "{{define \"x\"}}{{range list 1}}{{with print (len (print (.)))}}{{template \"x\" .}}{{end}}{{end}}{{end}}".to_owned() + &nested;
    let thread =
        std::thread::Builder::new().stack_size(1 << 20).spawn(move || render(&text).unwrap_err()).unwrap();
    assert_eq!(thread.join().unwrap().stage(), Stage::Limit);
}
