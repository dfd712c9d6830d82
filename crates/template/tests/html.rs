//! Escaping by place, as Go's `html/template` documents it, and what a page's values cannot do.

#![allow(clippy::unwrap_used, reason = "tests may be blunt")]

#[path = "oracle/data.rs"]
mod data;

use std::sync::Arc;

use breakwatch_model::Timestamp;
use breakwatch_template::{Context, Escaping, TemplateSet};

fn render(text: &str) -> String {
    let set = TemplateSet::new(Arc::new(data::functions().with_tmpl()));
    let context = Context::at(Timestamp::from_secs(0));
    let template = set.parse("t", text).unwrap();
    match set.render_template(&template, &data::data(), Escaping::Html, &context) {
        Ok(page) => page,
        Err(error) => format!("error: {error}"),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, want) in cases {
        assert_eq!(render(text), *want, "{text}");
    }
}

#[test]
fn text_and_attributes() {
    check(&[
        ("<p>{{.Str}}</p>", "<p>héllo &lt;b&gt;&amp;&#34;&#39;</p>"),
        ("{{\"a+b\"}} {{.Safe}} {{.Int}} {{.Nil}}|{{.Labels.nothing}}|", "a&#43;b <i>safe</i> 42 ||"),
        ("<title>{{.Safe}}</title>{{.Safe}}", "<title>&lt;i&gt;safe&lt;/i&gt;</title><i>safe</i>"),
        ("<textarea>a<b{{.Str}}</textarea>", "<textarea>a&lt;bhéllo &lt;b&gt;&amp;&#34;&#39;</textarea>"),
        ("<p title=\"{{.Str}}\">", "<p title=\"héllo &lt;b&gt;&amp;&#34;&#39;\">"),
        ("<p title='{{.Safe}}'>", "<p title='safe'>"),
        ("<p title={{.Str}}>", "<p title=héllo&#32;&lt;b&gt;&amp;&#34;&#39;>"),
        ("<p title={{.Empty}} id=x>", "<p title=ZgotmplZ id=x>"),
        ("<p {{.Labels.job}}=\"x\" {{\"onclick\"}}=\"y\">", "<p api=\"x\" ZgotmplZ=\"y\">"),
        ("a < b <3 {{.Int}} <", "a &lt; b &lt;3 42 &lt;"),
        ("<!-- {{.Str}} --><p><!-- note -->x", "<p>x"),
        ("<!DOCTYPE html><html>", "<!DOCTYPE html><html>"),
    ]);
}

#[test]
fn urls() {
    check(&[
        ("<a href=\"{{.Link}}\">", "<a href=\"https://x.org/a%20b?q=1&amp;r=%c3%a9\">"),
        ("<a href=\"/p?q={{.Link}}\">", "<a href=\"/p?q=https%3a%2f%2fx.org%2fa%20b%3fq%3d1%26r%3d%c3%a9\">"),
        (
            "<a href=\"/{{.Str}}#{{.Str}}\">",
            "<a href=\"/h%c3%a9llo%20%3cb%3e&amp;%22%27#h%c3%a9llo%20%3cb%3e%26%22%27\">",
        ),
        ("<a href=\"{{\"javascript:alert(1)\"}}\">", "<a href=\"#ZgotmplZ\">"),
        (
            "<a href=\"{{\"JavaScript:x\"}}\"> <img src={{\"data:x\"}}>",
            "<a href=\"#ZgotmplZ\"> <img src=#ZgotmplZ>",
        ),
        (
            "<a href=\"{{\"mailto:a@b\"}}\"><a href=\"{{\"//x/y:z\"}}\">",
            "<a href=\"mailto:a@b\"><a href=\"//x/y:z\">",
        ),
        ("<a href=\"{{.SafeURL}}\">", "<a href=\"javascript:ok%28%29\">"),
        (
            "<form action='{{\"vbscript:x\"}}'><p data-url=\"{{\"x:y\"}}\">",
            "<form action='#ZgotmplZ'><p data-url=\"#ZgotmplZ\">",
        ),
        (
            "<a title=\"&quot;{{.Int}}\" href=\"a&amp;b={{\"c d\"}}\">",
            "<a title=\"&quot;42\" href=\"a&amp;b=c%20d\">",
        ),
        ("<img srcset=\"{{\"/a.png 2x, javascript:b 1x\"}}\">", "<img srcset=\"/a.png 2x,#ZgotmplZ\">"),
    ]);
}

#[test]
fn styles_and_scripts() {
    check(&[
        ("<p style=\"color: {{\"red\"}}; width: {{.Int}}px\">", "<p style=\"color: red; width: 42px\">"),
        ("<p style=\"{{\"background: url(x)\"}}\">", "<p style=\"ZgotmplZ\">"),
        (
            "<style>p { color: {{\"#fff\"}} } {{\"expression(x)\"}}</style>{{.Str}}",
            "<style>p { color: #fff } ZgotmplZ</style>héllo &lt;b&gt;&amp;&#34;&#39;",
        ),
        ("<script>var x = 1;</script>{{.Int}}", "<script>var x = 1;</script>42"),
        (
            "<script>var x = {{.Int}};</script>",
            "error: template: t:1:18: executing \"t\" at <.Int>: values inside <script> are not supported",
        ),
        (
            "<p onclick=\"f({{.Int}})\">",
            "error: template: t:1:16: executing \"t\" at <.Int>: values inside script attributes are not supported",
        ),
    ]);
}

#[test]
fn the_templates_own_escapers_are_not_doubled() {
    check(&[
        ("{{.Str | html}} {{html .Str}}", "héllo &lt;b&gt;&amp;&#34;&#39; héllo &lt;b&gt;&amp;&#34;&#39;"),
        ("<a href=\"?q={{.Str | urlquery}}\">", "<a href=\"?q=h%C3%A9llo&#43;%3Cb%3E%26%22%27\">"),
        ("{{.Link | urlquery}}", "https%3A%2F%2Fx.org%2Fa&#43;b%3Fq%3D1%26r%3D%C3%A9"),
        (
            "{{.Str | html | print}}",
            "error: template: t:1:2: executing \"t\" at <.Str | html | print>: predefined escaper \"html\" disallowed in template",
        ),
    ]);
}

#[test]
fn the_place_is_followed_through_templates_and_branches() {
    check(&[
        (
            "{{define \"u\"}}{{.}}/x?r={{.}}{{end}}<a href=\"{{template \"u\" .Link}}\">",
            "<a href=\"https://x.org/a%20b?q=1&amp;r=%c3%a9/x?r=https%3a%2f%2fx.org%2fa%20b%3fq%3d1%26r%3d%c3%a9\">",
        ),
        ("<a {{if .True}}href{{else}}title{{end}}=\"{{\"javascript:x\"}}\">", "<a href=\"#ZgotmplZ\">"),
        ("{{define \"u\"}}<b>{{.}}</b>{{end}}{{tmpl \"u\" .Str}}", "<b>héllo &lt;b&gt;&amp;&#34;&#39;</b>"),
        ("{{range .Strings}}<p title={{.}}>{{end}}", "<p title=a><p title=b><p title=c&#32;d>"),
    ]);
}
