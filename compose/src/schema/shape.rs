//! How the tables are written: what a value may look like.

/// What a value may be. Several of scalar, list and mapping may be allowed at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) scalars: u8,
    pub(super) rule: Rule,
    pub(super) list: Option<&'static Shape>,
    /// No two entries of the list are equal.
    pub(super) unique: bool,
    pub(super) map: Option<&'static Fields>,
    /// An example in the user's words.
    pub(super) example: Option<&'static str>,
}

/// What more is asked of a scalar.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    Any,
    OneOf(&'static [&'static str]),
    /// Whole numbers only between these.
    Range(i64, i64),
    Matches(Pattern),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    ContainerName,
    PullPolicy,
}

/// A mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) known: &'static [(&'static str, Shape)],
    pub(super) required: &'static [&'static str],
    pub(super) rest: Rest,
}

/// Keys that the table does not name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rest {
    /// Only `x-…`.
    Extensions,
    /// None at all.
    Refused,
    /// Anything.
    Free,
    /// Names of things: every key, with this value.
    Each(&'static Shape),
    /// The same, and the key must look like a name.
    Named(&'static Shape),
    /// The same; other keys are not looked at.
    NamedOrFree(&'static Shape),
    /// The same, for limits: other keys than lower-case ones are not looked at.
    LowerCase(&'static Shape),
}

pub(super) const STR: u8 = 1;
pub(super) const INT: u8 = 2;
/// Whole numbers too.
pub(super) const NUM: u8 = 4 | INT;
pub(super) const BOOL: u8 = 8;
pub(super) const NULL: u8 = 16;

impl Shape {
    pub(super) const fn of(scalars: u8) -> Shape {
        Shape { scalars, rule: Rule::Any, list: None, unique: false, map: None, example: None }
    }

    pub(super) const fn list(mut self, item: &'static Shape) -> Shape {
        self.list = Some(item);
        self
    }

    /// A list in which nothing is twice.
    pub(super) const fn set(self, item: &'static Shape) -> Shape {
        let mut shape = self.list(item);
        shape.unique = true;
        shape
    }

    pub(super) const fn map(mut self, fields: &'static Fields) -> Shape {
        self.map = Some(fields);
        self
    }

    pub(super) const fn one_of(mut self, values: &'static [&'static str]) -> Shape {
        self.rule = Rule::OneOf(values);
        self
    }

    pub(super) const fn range(mut self, least: i64, most: i64) -> Shape {
        self.rule = Rule::Range(least, most);
        self
    }

    pub(super) const fn matches(mut self, pattern: Pattern) -> Shape {
        self.rule = Rule::Matches(pattern);
        self
    }

    pub(super) const fn like(mut self, example: &'static str) -> Shape {
        self.example = Some(example);
        self
    }
}

impl Fields {
    pub(super) const fn of(known: &'static [(&'static str, Shape)]) -> Fields {
        Fields { known, required: &[], rest: Rest::Extensions }
    }

    pub(super) const fn required(mut self, keys: &'static [&'static str]) -> Fields {
        self.required = keys;
        self
    }

    pub(super) const fn rest(mut self, rest: Rest) -> Fields {
        self.rest = rest;
        self
    }

    /// Names with one kind of value.
    pub(super) const fn each(shape: &'static Shape) -> Fields {
        Fields::of(&[]).rest(Rest::Each(shape))
    }
}

impl Pattern {
    pub(super) fn text(self) -> &'static str {
        match self {
            Pattern::ContainerName => "[a-zA-Z0-9][a-zA-Z0-9_.-]+",
            Pattern::PullPolicy => {
                "always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+"
            }
        }
    }

    /// Whether the pattern is found anywhere in the text.
    pub(super) fn is_found_in(self, text: &str) -> bool {
        match self {
            Pattern::ContainerName => text.as_bytes().windows(2).any(|pair| {
                let tail = pair[1].is_ascii_alphanumeric() || b"_.-".contains(&pair[1]);
                pair[0].is_ascii_alphanumeric() && tail
            }),
            Pattern::PullPolicy => {
                const WORDS: &[&str] = &[
                    "always",
                    "never",
                    "build",
                    "if_not_present",
                    "missing",
                    "refresh",
                    "daily",
                    "weekly",
                ];
                WORDS.iter().any(|word| text.contains(word)) || contains_every(text)
            }
        }
    }
}

fn contains_every(text: &str) -> bool {
    text.match_indices("every_").any(|(at, word)| {
        let rest = &text[at + word.len()..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest[digits..].starts_with(['w', 'd', 'h', 'm', 's'])
    })
}
