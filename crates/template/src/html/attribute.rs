//! What the value of an HTML attribute is.

/// What an attribute's value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AttributeKind {
    Plain,
    Url,
    Style,
    Srcset,
    Script,
}

/// Attributes that hold a URL.
const URLS: [&str; 18] = [
    "action",
    "archive",
    "background",
    "cite",
    "classid",
    "codebase",
    "data",
    "formaction",
    "href",
    "icon",
    "longdesc",
    "manifest",
    "poster",
    "profile",
    "src",
    "usemap",
    "xmlns",
    "ping",
];

/// Attributes that change what others mean; their names may not come from data.
const UNSAFE: [&str; 25] = [
    "accept-charset",
    "async",
    "challenge",
    "charset",
    "content",
    "crossorigin",
    "defer",
    "enctype",
    "form",
    "formenctype",
    "formmethod",
    "formnovalidate",
    "http-equiv",
    "keytype",
    "language",
    "method",
    "novalidate",
    "pattern",
    "rel",
    "sandbox",
    "srcdoc",
    "target",
    "type",
    "value",
    "is",
];

/// What an attribute of this name holds. `data-` and a namespace before the name do not matter.
pub(super) fn kind(name: &str) -> AttributeKind {
    let name = name.to_ascii_lowercase();
    let bare = match name.strip_prefix("data-") {
        Some(bare) => bare,
        None => match name.split_once(':') {
            Some(("xmlns", _)) => return AttributeKind::Url,
            Some((_, bare)) => bare,
            None => &name,
        },
    };
    match bare {
        "style" => AttributeKind::Style,
        "srcset" => AttributeKind::Srcset,
        _ if URLS.contains(&bare) => AttributeKind::Url,
        _ if UNSAFE.contains(&bare) => AttributeKind::Plain,
        _ if bare.starts_with("on") => AttributeKind::Script,
        // Names nobody has listed but whose sound says what they hold.
        _ if bare.contains("src") || bare.contains("uri") || bare.contains("url") => AttributeKind::Url,
        _ => AttributeKind::Plain,
    }
}

/// Whether an attribute of this name may come from data.
pub(super) fn may_be_data(name: &str) -> bool {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    plain && kind(name) == AttributeKind::Plain && !UNSAFE.contains(&name)
}
