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
/// Alertmanager's function does that, Prometheus' leaves them. Words are found as Go's `cases` package does.
pub(super) fn title(text: &str, rest_lower: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // Whether the word has had its capital: digits before it do not count.
    let mut in_word = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c.is_lowercase() || c.is_uppercase() {
            match (in_word, rest_lower) {
                (false, _) => out.extend(title_char(c)),
                (true, true) if c == 'Σ' && ends_word(chars.as_str()) => out.push('ς'),
                (true, true) => out.extend(c.to_lowercase()),
                (true, false) => out.push(c),
            }
            in_word = true;
            continue;
        }
        out.push(c);
        let doubled = is_inner(c) && chars.as_str().starts_with(is_inner);
        in_word = in_word && keeps_word(c) && !doubled;
    }
    out
}

/// Whether no letter follows but for what may stand inside a word.
fn ends_word(rest: &str) -> bool {
    !rest.chars().find(|c| !is_inner(*c) && !is_mark(*c)).is_some_and(is_word_letter)
}

/// Punctuation that does not end a word when it stands alone inside one, as in `don't` and `example.org`.
fn is_inner(c: char) -> bool {
    matches!(
        c,
        ':' | '.'
            | '\''
            | '\u{b7}'
            | '\u{387}'
            | '\u{2018}'
            | '\u{2019}'
            | '\u{2024}'
            | '\u{2027}'
            | '\u{ff07}'
    )
}

/// Combining marks and format characters, which belong to what they follow.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{ad}' | '\u{200c}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}')
}

/// Letters of scripts that put spaces between words; ideographs and the like are each a word of their own.
fn is_word_letter(c: char) -> bool {
    let spaceless = matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}'
        | '\u{20000}'..='\u{3ffff}');
    c.is_alphabetic() && !spaceless
}

fn keeps_word(c: char) -> bool {
    is_inner(c) || is_mark(c) || is_word_letter(c) || c.is_numeric() || c == '_'
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
