//! Random templates: mostly right, sometimes wrong, always small.

use fastrand::Rng;

const FIELDS: [&str; 25] = [
    ".Str",
    ".Empty",
    ".Int",
    ".Neg",
    ".Zero",
    ".Float",
    ".Big",
    ".Tiny",
    ".True",
    ".False",
    ".Strings",
    ".Mixed",
    ".None",
    ".Labels",
    ".Labels.job",
    ".Labels.nothing",
    ".Map",
    ".Map.a",
    ".Map.nothing",
    ".KV.Size",
    ".Pair",
    ".Pair.Name",
    ".Pairs",
    ".Nil",
    ".Dur",
];
const LITERALS: [&str; 17] = [
    "0",
    "1",
    "-3",
    "42",
    "2.5",
    "1e3",
    "0x1f",
    "'a'",
    "\"\"",
    "\"x\"",
    "\"é<\\n\"",
    "`raw`",
    "true",
    "false",
    "nil",
    "1e-7",
    "007",
];
const VERBS: [&str; 40] = [
    "%v", "%d", "%s", "%q", "%f", "%.2f", "%g", "%e", "%x", "%t", "%%", "%-5s|", "%5.1f|", "%05d", "%+d",
    "%#v", "%T", "%6v|", "%c", "%U", "%b", "%o", "%X", "%[2]v", "%*d", "%.3s", "%z", "%", "%+v", "%#x",
    "% x", "%08.3f", "%-8q|", "%.0f", "%G", "%.3g", "%#q", "%+q", "%#o", "% d",
];
const TEXTS: [&str; 8] = ["", " ", "a", "\n", " b \n ", "<p>", "é", "x=y "];

pub(crate) fn template(rng: &mut Rng) -> String {
    let mut generator = Generator { rng, variables: vec!["$".into()], loops: 0 };
    let mut text = String::new();
    if generator.rng.u8(..6) == 0 {
        text.push_str("{{define \"part\"}}[{{.}}]{{end}}");
    }
    text + &generator.list(3)
}

const PAGE_TEXTS: [&str; 24] = [
    "plain",
    " a < b ",
    "<p>",
    "</p>",
    "<b class=\"x\">",
    "<!-- note <p> -->",
    "<br/>",
    "<title>t</title>",
    "1 & 2",
    "é\n",
    "<a href=\"/a?b=c&amp;d\">l</a>",
    "<style>p { color: red }</style>",
    "<!DOCTYPE html>",
    "<input disabled>",
    "a<!--x-->b",
    "<textarea>a<b</textarea>",
    "<p title='x'>",
    "<x-y z>",
    "'",
    "\"",
    "<ul><li>",
    "</",
    "<",
    "=",
];
const PAGE_VALUES: [&str; 22] = [
    ".Str",
    ".Link",
    ".Int",
    ".Float",
    ".Strings",
    ".Labels.job",
    ".Labels.nothing",
    ".Safe",
    ".SafeURL",
    ".Str | html",
    ".Link | urlquery",
    "html .Str",
    "urlquery .Link .Int",
    "\"javascript:alert(1)\"",
    "\"mailto:a@b\"",
    "\"a+b=c`d\"",
    "safe \"<b>x</b> & 'y'\"",
    "\"//x.org/?q=%20%\"",
    "\"red\"",
    "print .Safe",
    ".Nil",
    ".Map",
];
/// Places for one value or two.
const PAGE_PLACES: [&str; 24] = [
    "V",
    "<p>V</p>",
    "<p title=\"V\">",
    "<p title='x V y'>",
    "<p title=V>",
    "<a href=\"V\">",
    "<a href=\"V/p?q=V\">",
    "<a href='/x#V'>",
    "<a href=V>",
    "<img src=\"http://h/V\">",
    "<title>V</title>",
    "<textarea>V V</textarea>",
    "<!-- V -->",
    "<p style=\"color: V\">",
    "<style>p { color: V }</style>",
    "<p class=\"a\"V>",
    "<form action=\"V\">",
    "<p data-url=\"V\">",
    "<p id=\"V\" title=\"V\">",
    "<a href=\" V\">",
    "<a href=\"a&amp;b=V\">",
    "<a title=\"&quot;V\" href=\"?a=V&amp;b=V\">",
    "<p V=\"x\">",
    "<a href=\"http:V\">",
];

/// A random HTML page with values in many places.
pub(crate) fn page(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..rng.u8(1..5) {
        text.push_str(PAGE_TEXTS[rng.usize(..PAGE_TEXTS.len())]);
        let place = PAGE_PLACES[rng.usize(..PAGE_PLACES.len())];
        for piece in place.split_inclusive('V') {
            match piece.strip_suffix('V') {
                Some(before) => {
                    text.push_str(before);
                    text += &format!("{{{{{}}}}}", PAGE_VALUES[rng.usize(..PAGE_VALUES.len())]);
                }
                None => text.push_str(piece),
            }
        }
        if rng.u8(..6) == 0 {
            let texts = [0, 1].map(|_| PAGE_TEXTS[rng.usize(..7)]);
            text += &format!("{{{{if .True}}}}{}{{{{else}}}}{}{{{{end}}}}", texts[0], texts[1]);
        }
    }
    text
}

struct Generator<'r> {
    rng: &'r mut Rng,
    variables: Vec<String>,
    loops: u32,
}

impl Generator<'_> {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.rng.usize(..from.len())]
    }

    fn list(&mut self, depth: u32) -> String {
        let scope = self.variables.len();
        let text = (0..self.rng.u8(1..4)).map(|_| self.node(depth)).collect();
        self.variables.truncate(scope);
        text
    }

    fn open(&mut self) -> &'static str {
        if self.rng.u8(..5) == 0 { "{{- " } else { "{{" }
    }

    fn close(&mut self) -> &'static str {
        if self.rng.u8(..5) == 0 { " -}}" } else { "}}" }
    }

    fn node(&mut self, depth: u32) -> String {
        let (open, close) = (self.open(), self.close());
        let kind = if depth == 0 { self.rng.u8(..5) } else { self.rng.u8(..15) };
        match kind {
            0 | 1 => self.pick(&TEXTS).to_owned(),
            2 | 3 | 5 | 6 => format!("{open}{}{close}", self.pipeline(2)),
            4 => {
                let pipe = self.pipeline(1);
                let name = format!("$v{}", self.rng.u8(..3));
                let sign = if self.variables.contains(&name) && self.rng.bool() { "=" } else { ":=" };
                self.variables.push(name.clone());
                format!("{open}{name} {sign} {pipe}{close}")
            }
            7 => format!("{open}/* note */{close}").replace("{{- /*", "{{- /*"),
            8 | 9 => {
                let word = if self.rng.bool() { "if" } else { "with" };
                let mut text = format!("{open}{word} {}{close}{}", self.pipeline(1), self.list(depth - 1));
                if self.rng.u8(..3) == 0 {
                    text += &format!("{{{{else {word} {}}}}}{}", self.pipeline(1), self.list(depth - 1));
                }
                if self.rng.bool() {
                    text += &format!("{{{{else}}}}{}", self.list(depth - 1));
                }
                text + "{{end}}"
            }
            10 | 11 => self.range(depth),
            12 => format!("{open}template \"part\" {}{close}", self.pipeline(1)),
            13 if self.loops > 0 => {
                let word = if self.rng.bool() { "break" } else { "continue" };
                format!("{{{{if {}}}}}{{{{{word}}}}}{{{{end}}}}", self.pipeline(1))
            }
            _ => format!("{open}{}{close}", self.pipeline(2)),
        }
    }

    fn range(&mut self, depth: u32) -> String {
        let scope = self.variables.len();
        let over = match self.rng.u8(..6) {
            0 => "3".to_owned(),
            1 => self.pipeline(1),
            _ => self
                .pick(&[".Strings", ".Mixed", ".Labels", ".Map", ".None", ".Pairs", "$.Strings"])
                .to_owned(),
        };
        let declared = match self.rng.u8(..3) {
            0 => "",
            1 => "$v0 := ",
            _ => "$v0, $v1 := ",
        };
        self.variables.extend(["$v0", "$v1"].into_iter().filter(|v| declared.contains(v)).map(str::to_owned));
        self.loops += 1;
        let mut text = format!("{{{{range {declared}{over}}}}}{}", self.list(depth - 1));
        self.loops -= 1;
        if self.rng.u8(..3) == 0 {
            text += &format!("{{{{else}}}}{}", self.list(depth - 1));
        }
        self.variables.truncate(scope);
        text + "{{end}}"
    }

    fn pipeline(&mut self, depth: u32) -> String {
        let mut text = self.command(depth);
        if self.rng.u8(..4) == 0 {
            let stage = self.pick(&[
                "printf \"%v\"",
                "len",
                "html",
                "urlquery",
                "js",
                "print",
                "not",
                "upper",
                "eq 1",
                "and 1",
                "or 0",
                "index .Strings",
                "printf \"%s-%v\" 1",
                "half",
                "count",
                "print 1",
            ]);
            text = format!("{text} | {stage}");
        }
        text
    }

    fn command(&mut self, depth: u32) -> String {
        match self.rng.u8(..16) {
            0..=4 => self.operand(depth),
            5 | 6 => {
                let formats: String = (0..self.rng.u8(1..3)).map(|_| self.pick(&VERBS)).collect();
                let args: String =
                    (0..self.rng.u8(..3)).map(|_| format!(" {}", self.operand(depth))).collect();
                format!("printf \"{formats}\"{args}")
            }
            7 | 8 => format!(
                "{} {} {}",
                self.pick(&["eq", "ne", "lt", "le", "gt", "ge"]),
                self.operand(depth),
                self.operand(depth)
            ),
            9 => format!("{} {} {}", self.pick(&["and", "or"]), self.operand(depth), self.operand(depth)),
            10 => format!(
                "{} {}",
                self.pick(&["not", "len", "html", "js", "urlquery", "upper", "half", "twice", "safe"]),
                self.operand(depth)
            ),
            11 => format!(
                "index {} {}",
                self.pick(&[".Strings", ".Mixed", ".Map", ".Labels", ".KV"]),
                self.operand(0)
            ),
            12 => format!(
                "slice {} {}",
                self.pick(&[".Strings", ".Mixed", "\"abcdef\""]),
                self.pick(&["0", "1", "1 2", "0 3", "2 1", "9"])
            ),
            13 => format!(
                "{} {} {}",
                self.pick(&["print", "println", "count"]),
                self.operand(depth),
                self.operand(depth)
            ),
            14 => self
                .pick(&[
                    "call .KV.Join \"a\" \"b\"",
                    ".KV.Get \"x\"",
                    ".KV.Get .Str",
                    "call .Nil",
                    "call .KV.Join 1 2",
                    ".Dur.Seconds",
                    ".KV.Time",
                    ".KV.Time.Format \"2006-01-02T15:04:05.000Z07:00\"",
                    ".KV.Time.Year",
                ])
                .to_owned(),
            _ => self.operand(depth),
        }
    }

    fn operand(&mut self, depth: u32) -> String {
        match self.rng.u8(..10) {
            0..=3 => self.pick(&FIELDS).to_owned(),
            4 | 5 => self.pick(&LITERALS).to_owned(),
            6 => self.variables[self.rng.usize(..self.variables.len())].clone(),
            7 | 8 if depth > 0 && self.rng.u8(..8) > 0 => format!("({})", self.pipeline(depth - 1)),
            8 if depth > 0 => format!("({}).Name", self.pipeline(depth - 1)),
            _ => ".".to_owned(),
        }
    }
}
