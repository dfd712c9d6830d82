//! The mail's own words when the user has set none: plain text, and the same as HTML.

use std::fmt::Write as _;

use crate::layout::{Item, Message, Tone};

/// Facts are lined up behind names of this width.
const NAME_WIDTH: usize = 14;

/// The plain text part.
pub(super) fn text(message: &Message) -> String {
    let mut text = format!("{}\n", message.headline);
    for note in &message.notes {
        let _ = writeln!(text, "* {note}");
    }
    for item in &message.items {
        text.push('\n');
        if message.single().is_none() {
            let _ = writeln!(text, "{} {}", if item.over { "OVER  " } else { "FIRING" }, item.name);
        }
        text_item(&mut text, item);
    }
    if let Some(page) = &message.page {
        let _ = write!(text, "\n-- \nbreakwatch, all alerts: {page}\n");
    }
    text
}

fn text_item(text: &mut String, item: &Item) {
    for paragraph in [&item.story(), &item.description] {
        if !paragraph.is_empty() {
            let _ = writeln!(text, "{paragraph}");
        }
    }
    text.push('\n');
    let links = links(item).map(|(name, url)| (name.to_owned(), url.clone()));
    let facts = item.facts.iter().map(|fact| (fact.name.clone(), fact.value.clone()));
    for (name, value) in facts.chain(links) {
        let _ = writeln!(text, "{:<NAME_WIDTH$} {value}", format!("{name}:"));
    }
    if !item.evidence.is_empty() {
        text.push_str("Evidence:\n");
        for line in item.evidence.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
}

/// The HTML part. No images, no scripts, no styles from elsewhere; tables, as mail clients demand.
pub(super) fn html(message: &Message) -> String {
    let colour = match message.tone {
        Tone::Bad => "#b3261e",
        Tone::Warn => "#8a5a00",
        Tone::Good => "#1b6e35",
    };
    let headline = escape(&message.headline);
    let mut html = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{headline}</title></head>\n\
         <body style=\"margin:0;padding:16px;font-family:Helvetica,Arial,sans-serif;font-size:14px;color:#222\">\n\
         <div style=\"padding:10px 14px;background:{colour};color:#fff;font-size:16px;font-weight:bold\">{headline}</div>\n"
    );
    for note in &message.notes {
        let _ = writeln!(html, "<p style=\"margin:8px 0;color:#8a5a00\">{}</p>", escape(note));
    }
    for item in &message.items {
        if message.single().is_none() {
            let word = if item.over { "Over" } else { "Firing" };
            let _ = writeln!(html, "<h3 style=\"margin:18px 0 4px\">{word}: {}</h3>", escape(&item.name));
        }
        html_item(&mut html, item);
    }
    if let Some(page) = &message.page {
        let _ = writeln!(
            html,
            "<p style=\"margin-top:20px;color:#777;font-size:12px\">breakwatch &middot; <a href=\"{0}\">all alerts</a></p>",
            escape(page)
        );
    }
    html.push_str("</body></html>\n");
    html
}

fn html_item(html: &mut String, item: &Item) {
    for paragraph in [&item.story(), &item.description] {
        if !paragraph.is_empty() {
            let text = escape(paragraph).replace('\n', "<br>");
            let _ = writeln!(html, "<p style=\"margin:8px 0\">{text}</p>");
        }
    }
    html.push_str("<table style=\"border-collapse:collapse\">\n");
    for fact in &item.facts {
        let _ = writeln!(
            html,
            "<tr><td style=\"padding:2px 14px 2px 0;color:#777;vertical-align:top\">{}</td>\
             <td style=\"padding:2px 0\">{}</td></tr>",
            escape(&fact.name),
            escape(&fact.value)
        );
    }
    html.push_str("</table>\n");
    if !item.evidence.is_empty() {
        let _ = writeln!(
            html,
            "<pre style=\"margin:8px 0;padding:8px;background:#f4f4f4;white-space:pre-wrap\">{}</pre>",
            escape(&item.evidence)
        );
    }
    let links: Vec<String> =
        links(item).map(|(name, url)| format!("<a href=\"{}\">{name}</a>", escape(url))).collect();
    if !links.is_empty() {
        let _ = writeln!(html, "<p style=\"margin:8px 0\">{}</p>", links.join(" &middot; "));
    }
}

fn links(item: &Item) -> impl Iterator<Item = (&'static str, &String)> {
    let all = [("Dashboard", &item.dashboard), ("Runbook", &item.runbook), ("Source", &item.source)];
    all.into_iter().filter_map(|(name, url)| Some((name, url.as_ref()?)))
}

/// Text as HTML, fit for an element and for a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
