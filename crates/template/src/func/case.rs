//! Upper, lower and title case as Go does them.
//!
//! Go maps character by character (`ß` has no capital of one character, so it stays); Rust's own conversion may
//! make two characters of one.

/// `strings.ToUpper`
pub(super) fn to_upper(text: &str) -> String {
    text.chars().map(upper).collect()
}

/// `strings.ToLower`
pub(super) fn to_lower(text: &str) -> String {
    text.chars().map(lower).collect()
}

fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        // Greek vowels with iota below: the capital of one character is the title-case form.
        _ => iota_capital(c).unwrap_or(c),
    }
}

fn lower(c: char) -> char {
    // The dotted capital I is the one character whose lower case is longer.
    if c == 'İ' { 'i' } else { c.to_lowercase().next().unwrap_or(c) }
}

fn iota_capital(c: char) -> Option<char> {
    let offset = match c {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => return None,
    };
    char::from_u32(u32::from(c) + offset)
}

/// `title`: the first letter of each word in title case. `rest_lower` says whether the other letters become small:
/// Alertmanager's function does that, Prometheus' leaves them.
pub(super) fn title(text: &str, rest_lower: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for (i, c) in chars.iter().copied().enumerate() {
        let joined = in_word && joins(c, i.checked_sub(1).and_then(|p| chars.get(p)), chars.get(i + 1));
        if !c.is_alphanumeric() && !joined {
            // A connector such as `_` may carry on a word that has not begun its letters.
            in_word = in_word && c == '_';
            out.push(c);
        } else if c.is_lowercase() || c.is_uppercase() {
            match (in_word, rest_lower) {
                (false, _) => out.extend(title_char(c)),
                (true, true) => out.extend(c.to_lowercase()),
                (true, false) => out.push(c),
            }
            in_word = true;
        } else {
            in_word = in_word || c.is_alphabetic() || c.is_numeric();
            out.push(c);
        }
    }
    out
}

/// Whether a character inside a word keeps it together: a combining mark, or punctuation between two letters or
/// two digits, as in `don't`, `example.org` and `3.5`.
fn joins(c: char, before: Option<&char>, after: Option<&char>) -> bool {
    let both = |test: fn(char) -> bool| before.is_some_and(|c| test(*c)) && after.is_some_and(|c| test(*c));
    match c {
        '_' => true,
        '\'' | '.' | '\u{2018}' | '\u{2019}' | '\u{2024}' => {
            both(char::is_alphabetic) || both(char::is_numeric)
        }
        ':' | '\u{b7}' | '\u{2027}' => both(char::is_alphabetic),
        ',' | ';' => both(char::is_numeric),
        '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200d}' => true,
        _ => false,
    }
}

fn title_char(c: char) -> impl Iterator<Item = char> {
    let digraph = match c {
        'Ǆ' | 'ǆ' => Some('ǅ'),
        'Ǉ' | 'ǉ' => Some('ǈ'),
        'Ǌ' | 'ǌ' => Some('ǋ'),
        'Ǳ' | 'ǳ' => Some('ǲ'),
        'ß' => None,
        _ => iota_capital(c),
    };
    let mapped: Vec<char> = match (digraph, c) {
        (Some(title), _) => vec![title],
        (None, 'ß') => vec!['S', 's'],
        _ => c.to_uppercase().collect(),
    };
    mapped.into_iter()
}
