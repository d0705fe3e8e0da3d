//! Template text to tokens. Spaces are tokens: `.A.B` is one operand, `.A .B` are two.

use std::ops::Range;

use super::error::Flaw;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Between actions, trimmed where the actions ask for it.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    Space,
    /// A keyword, a function, `true`, `false` or `nil`.
    Word(String),
    /// `.Name`
    Field(String),
    /// `$` or `$name`, with the `$`.
    Variable(String),
    Dot,
    Int(i64),
    Float(f64),
    String(String),
    Pipe,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    LeftParen,
    RightParen,
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// All tokens of a template.
pub(super) fn tokens(template: &str) -> Result<Vec<Token>, Flaw> {
    let mut lexer = Lexer { template, at: 0, tokens: Vec::new() };
    let mut trim_left = false;
    while lexer.at < template.len() {
        let start = lexer.at;
        let open = template[start..].find("{{").map_or(template.len(), |offset| start + offset);
        let opens_trimming = is_trimming_open(&template[open..]);
        let mut text = &template[start..open];
        if trim_left {
            text = text.trim_start_matches(SPACE);
        }
        if opens_trimming {
            text = text.trim_end_matches(SPACE);
        }
        if !text.is_empty() {
            lexer.push(Kind::Text(text.to_owned()), start..open);
        }
        if open == template.len() {
            break;
        }
        trim_left = lexer.action(open, opens_trimming)?;
    }
    Ok(lexer.tokens)
}

/// `{{-` counts only with a space behind it: `{{-3}}` is a number.
fn is_trimming_open(text: &str) -> bool {
    text.strip_prefix("{{-").is_some_and(|rest| rest.starts_with(SPACE))
}

struct Lexer<'a> {
    template: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// One action from its `{{` on. True if the text behind it is to be trimmed.
    fn action(&mut self, open: usize, trimming: bool) -> Result<bool, Flaw> {
        self.at = open + if trimming { 3 } else { 2 };
        let inside = &self.template[self.at..];
        let spaces = inside.len() - inside.trim_start_matches(SPACE).len();
        let comment = if trimming { &inside[spaces..] } else { inside };
        if comment.starts_with("/*") {
            self.at = self.template.len() - comment.len();
            return self.comment(open);
        }
        self.push(Kind::Open, open..self.at);
        loop {
            if let Some(trims) = self.close() {
                return Ok(trims);
            }
            if self.rest().is_empty() {
                let message = "unclosed action: `{{` without `}}`";
                return Err(Flaw::new(open..open + 2, message));
            }
            self.token()?;
        }
    }

    fn comment(&mut self, open: usize) -> Result<bool, Flaw> {
        let Some(end) = self.rest().find("*/") else {
            return Err(Flaw::new(open..open + 2, "unclosed comment: `/*` without `*/`"));
        };
        self.at += end + 2;
        let rest = self.rest();
        let plain = rest.starts_with("}}");
        let trimming = rest.trim_start_matches(SPACE).starts_with("-}}");
        if plain {
            self.at += 2;
        } else if trimming && rest.starts_with(SPACE) {
            self.at += rest.find("}}").map_or(0, |offset| offset + 2);
        } else {
            let message = "a comment ends before the end of its action";
            return Err(Flaw::new(open..self.at, message));
        }
        Ok(!plain)
    }

    /// Takes `}}` or ` -}}`.
    fn close(&mut self) -> Option<bool> {
        let rest = self.rest();
        let length = if rest.starts_with("}}") {
            2
        } else if rest.starts_with(SPACE) && rest[1..].starts_with("-}}") {
            4
        } else {
            return None;
        };
        self.push(Kind::Close, self.at..self.at + length);
        self.at += length;
        Some(length == 4)
    }

    fn token(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(()) };
        let next = rest[first.len_utf8()..].chars().next().unwrap_or(' ');
        let (kind, length) = match first {
            ' ' | '\t' | '\r' | '\n' => (Kind::Space, self.spaces()),
            '|' => (Kind::Pipe, 1),
            ',' => (Kind::Comma, 1),
            '(' => (Kind::LeftParen, 1),
            ')' => (Kind::RightParen, 1),
            '=' => (Kind::Assign, 1),
            ':' if next == '=' => (Kind::Declare, 2),
            '"' => self.quoted()?,
            '`' => self.raw()?,
            '\'' => self.character()?,
            '$' => {
                let length = 1 + word_length(&rest[1..]);
                (Kind::Variable(rest[..length].to_owned()), length)
            }
            '.' if is_word(next) && !next.is_ascii_digit() => {
                let length = word_length(&rest[1..]);
                (Kind::Field(rest[1..=length].to_owned()), 1 + length)
            }
            '.' if next.is_ascii_digit() => self.number()?,
            '.' => (Kind::Dot, 1),
            '+' | '-' | '0'..='9' => self.number()?,
            _ if is_word(first) => {
                let length = word_length(rest);
                (Kind::Word(rest[..length].to_owned()), length)
            }
            _ => {
                let span = start..start + first.len_utf8();
                return Err(Flaw::new(span, format!("unexpected `{first}` in an action")));
            }
        };
        self.at += length;
        self.push(kind.clone(), start..self.at);
        self.must_end(&kind)
    }

    /// Names must be followed by something that cannot be part of another operand: `.A"b"` is a mistake.
    fn must_end(&self, kind: &Kind) -> Result<(), Flaw> {
        let is_name = matches!(kind, Kind::Word(_) | Kind::Field(_) | Kind::Variable(_));
        let rest = self.rest();
        let Some(next) = rest.chars().next().filter(|_| is_name) else { return Ok(()) };
        let ends = matches!(next, '.' | ',' | '|' | ':' | '(' | ')' | '=') || SPACE.contains(&next);
        if ends || rest.starts_with("}}") {
            return Ok(());
        }
        let span = self.at..self.at + next.len_utf8();
        Err(Flaw::new(span, format!("unexpected `{next}` behind a name")))
    }

    /// Spaces, but not the one of ` -}}`.
    fn spaces(&self) -> usize {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches(SPACE).len();
        if length > 1 && rest[length..].starts_with("-}}") { length - 1 } else { length }
    }

    fn quoted(&self) -> Result<(Kind, usize), Flaw> {
        let rest = self.rest();
        let mut text = String::new();
        let mut at = 1;
        while let Some(char) = rest[at..].chars().next() {
            match char {
                '"' => return Ok((Kind::String(text), at + 1)),
                '\n' => break,
                '\\' => {
                    let (char, length) = self.escape(at)?;
                    text.push(char);
                    at += length;
                }
                _ => {
                    text.push(char);
                    at += char.len_utf8();
                }
            }
        }
        Err(Flaw::new(self.at..self.at + 1, "unterminated string"))
    }

    fn raw(&self) -> Result<(Kind, usize), Flaw> {
        let inside = &self.rest()[1..];
        match inside.find('`') {
            Some(end) => Ok((Kind::String(inside[..end].replace('\r', "")), end + 2)),
            None => Err(Flaw::new(self.at..self.at + 1, "unterminated raw string")),
        }
    }

    /// `'x'`: the number of a character.
    fn character(&self) -> Result<(Kind, usize), Flaw> {
        let wrong = || Flaw::new(self.at..self.at + 1, "unterminated character constant");
        let rest = self.rest();
        let (char, length) = match rest[1..].chars().next() {
            Some('\\') => self.escape(1)?,
            Some(char) if char != '\'' && char != '\n' => (char, char.len_utf8()),
            _ => return Err(wrong()),
        };
        if !rest[1 + length..].starts_with('\'') {
            return Err(wrong());
        }
        Ok((Kind::Int(i64::from(u32::from(char))), length + 2))
    }

    /// The escape at `offset` from here, as Go writes them.
    fn escape(&self, offset: usize) -> Result<(char, usize), Flaw> {
        let start = self.at + offset;
        let rest = &self.template[start..];
        let code = |skip: usize, digits: usize, base: u32| {
            let text = rest.get(skip..skip + digits)?;
            char::from_u32(u32::from_str_radix(text, base).ok()?).map(|c| (c, skip + digits))
        };
        let found = match rest[1..].chars().next() {
            Some('a') => Some(('\x07', 2)),
            Some('b') => Some(('\x08', 2)),
            Some('f') => Some(('\x0c', 2)),
            Some('n') => Some(('\n', 2)),
            Some('r') => Some(('\r', 2)),
            Some('t') => Some(('\t', 2)),
            Some('v') => Some(('\x0b', 2)),
            Some(char @ ('\\' | '"' | '\'')) => Some((char, 2)),
            Some('x') => code(2, 2, 16),
            Some('u') => code(2, 4, 16),
            Some('U') => code(2, 8, 16),
            Some('0'..='7') => code(1, 3, 8),
            _ => None,
        };
        found.ok_or_else(|| Flaw::new(start..start + 1, "unknown escape"))
    }

    fn number(&self) -> Result<(Kind, usize), Flaw> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with(['+', '-']));
        let mut length = sign;
        for char in rest[sign..].chars() {
            let exponent = matches!(rest[..length].chars().last(), Some('e' | 'E' | 'p' | 'P'))
                && !rest[sign..].starts_with("0x");
            if !(is_word(char) || char == '.' || matches!(char, '+' | '-') && exponent) {
                break;
            }
            length += char.len_utf8();
        }
        let text = &rest[..length];
        let kind = number(text).ok_or_else(|| {
            Flaw::new(self.at..self.at + length.max(1), format!("`{text}` is not a number"))
        })?;
        Ok((kind, length))
    }

    fn rest(&self) -> &str {
        &self.template[self.at..]
    }

    fn push(&mut self, kind: Kind, span: Range<usize>) {
        self.tokens.push(Token { kind, span });
    }
}

/// Go's integer literals with their prefixes and underscores, and decimal fractions.
fn number(text: &str) -> Option<Kind> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let digits = digits.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let radix = |prefix: &str, base| {
        lower.strip_prefix(prefix).map(|digits| i64::from_str_radix(digits, base))
    };
    let prefixed = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2));
    let octal = || (lower.len() > 1).then(|| radix("0", 8)).flatten();
    let whole = lower.bytes().all(|byte| byte.is_ascii_digit());
    let int = match prefixed {
        Some(int) => Some(int.ok()?),
        None if whole => Some(octal().unwrap_or_else(|| lower.parse()).ok()?),
        None => None,
    };
    match int {
        Some(int) => Some(Kind::Int(if negative { int.checked_neg()? } else { int })),
        None if lower.starts_with(|char: char| char.is_ascii_digit() || char == '.') => {
            let float: f64 = lower.parse().ok()?;
            Some(Kind::Float(if negative { -float } else { float }))
        }
        None => None,
    }
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

fn word_length(text: &str) -> usize {
    text.find(|char| !is_word(char)).unwrap_or(text.len())
}
