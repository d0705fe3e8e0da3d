//! Regular expressions in Go's syntax, as far as path patterns translate to them: characters, `.`, classes, escapes,
//! groups, `*` and `?`, `^` and `$`. Matching keeps the set of reachable positions and is linear in the path.

/// An expression for a whole text.
#[derive(Clone, Debug)]
pub(super) struct Regex(Vec<Node>);

#[derive(Clone, Debug)]
enum Node {
    One(Class),
    /// Any number of what the class accepts.
    Many(Class),
    /// `( … )?`
    Optional(Vec<Node>),
    Begin,
    End,
    /// `\b`; `\B` when false.
    WordBoundary(bool),
}

/// A set of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn of(ranges: &[(char, char)]) -> Class {
        Class { negated: false, ranges: ranges.to_vec() }
    }

    fn accepts(&self, found: char) -> bool {
        let within = self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&found));
        within != self.negated
    }

    /// Adds what `other` accepts.
    fn add(&mut self, other: Class) {
        if !other.negated {
            self.ranges.extend(other.ranges);
            return;
        }
        let mut ranges = other.ranges;
        ranges.sort_unstable();
        let mut next = Some('\0');
        for (low, high) in ranges {
            if let Some(start) = next.filter(|start| *start < low) {
                self.ranges.push((start, before(low)));
            }
            next = next.and_then(|start| if high < start { Some(start) } else { after(high) });
        }
        if let Some(start) = next {
            self.ranges.push((start, char::MAX));
        }
    }
}

fn before(character: char) -> char {
    ('\0'..character).next_back().unwrap_or('\0')
}

fn after(character: char) -> Option<char> {
    (character..=char::MAX).nth(1)
}

impl Regex {
    /// `None` where Go reports an error, and for Unicode classes (`\pL`), which no real pattern means.
    pub(super) fn parse(expression: &str) -> Option<Regex> {
        let chars: Vec<char> = expression.chars().collect();
        let mut parser = Parser { rest: &chars };
        let nodes = parser.nodes()?;
        parser.rest.is_empty().then_some(Regex(nodes))
    }

    /// Whether the expression, which ends in `$`, matches from the start of the text.
    pub(super) fn matches(&self, text: &[char]) -> bool {
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        advance(&self.0, text, &mut reached);
        reached[text.len()]
    }
}

/// Moves the reachable positions over a sequence of nodes.
fn advance(nodes: &[Node], text: &[char], reached: &mut [bool]) {
    for node in nodes {
        if !reached.contains(&true) {
            return;
        }
        match node {
            Node::One(class) => {
                for at in (0..text.len()).rev() {
                    reached[at + 1] = reached[at] && class.accepts(text[at]);
                }
                reached[0] = false;
            }
            Node::Many(class) => {
                for at in 0..text.len() {
                    reached[at + 1] |= reached[at] && class.accepts(text[at]);
                }
            }
            Node::Optional(inner) => {
                let mut through = reached.to_vec();
                advance(inner, text, &mut through);
                reached.iter_mut().zip(through).for_each(|(reached, through)| *reached |= through);
            }
            Node::Begin => reached[1..].fill(false),
            Node::End => reached[..text.len()].fill(false),
            Node::WordBoundary(wanted) => {
                for (at, reached) in reached.iter_mut().enumerate() {
                    *reached &= is_word_boundary(text, at) == *wanted;
                }
            }
        }
    }
}

fn is_word_boundary(text: &[char], at: usize) -> bool {
    let is_word = |found: Option<&char>| {
        found.is_some_and(|found| found.is_ascii_alphanumeric() || *found == '_')
    };
    is_word(at.checked_sub(1).and_then(|before| text.get(before))) != is_word(text.get(at))
}

struct Parser<'a> {
    rest: &'a [char],
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest.first() == Some(&wanted);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn nodes(&mut self) -> Option<Vec<Node>> {
        let mut nodes = Vec::new();
        while let Some(next) = self.rest.first() {
            if *next == ')' {
                break;
            }
            let next = self.next()?;
            let class = match next {
                '^' => {
                    nodes.push(Node::Begin);
                    continue;
                }
                '$' => {
                    nodes.push(Node::End);
                    continue;
                }
                '(' => {
                    let inner = self.nodes()?;
                    if !self.eat(')') || !self.eat('?') {
                        return None;
                    }
                    nodes.push(Node::Optional(inner));
                    continue;
                }
                '\\' => match self.escape_outside(&mut nodes)? {
                    Some(class) => class,
                    None => continue,
                },
                '[' => self.class()?,
                '.' => Class { negated: true, ranges: vec![('\n', '\n')] },
                other => Class::of(&[(other, other)]),
            };
            let many = self.eat('*');
            nodes.push(if many { Node::Many(class) } else { Node::One(class) });
        }
        Some(nodes)
    }

    /// After a `\` outside a class. `Some(None)` when it was not about a character.
    fn escape_outside(&mut self, nodes: &mut Vec<Node>) -> Option<Option<Class>> {
        let assertion = match self.rest.first()? {
            'A' => Node::Begin,
            'z' => Node::End,
            'b' => Node::WordBoundary(true),
            'B' => Node::WordBoundary(false),
            'Q' => {
                self.next();
                self.quoted(nodes);
                return Some(None);
            }
            _ => return self.escape().map(Some),
        };
        self.next();
        nodes.push(assertion);
        Some(None)
    }

    /// `\Q…\E`, to the end without `\E`.
    fn quoted(&mut self, nodes: &mut Vec<Node>) {
        while let Some(next) = self.next() {
            if next == '\\' && self.eat('E') {
                return;
            }
            nodes.push(Node::One(Class::of(&[(next, next)])));
        }
    }

    /// After a `\`: a character or a class of characters.
    fn escape(&mut self) -> Option<Class> {
        if let Some(class) = self.rest.first().and_then(|name| perl_class(*name)) {
            self.next();
            return Some(class);
        }
        let found = self.escaped_char()?;
        Some(Class::of(&[(found, found)]))
    }

    fn escaped_char(&mut self) -> Option<char> {
        let next = self.next()?;
        Some(match next {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => return self.hexadecimal(),
            '0'..='7' => return self.octal(next),
            _ if next.is_ascii() && !next.is_ascii_alphanumeric() => next,
            _ => return None,
        })
    }

    /// `\x41`, `\x{41}`
    fn hexadecimal(&mut self) -> Option<char> {
        let mut code = 0;
        if self.eat('{') {
            let mut digits = 0;
            while !self.eat('}') {
                code = code * 16 + self.next()?.to_digit(16)?;
                digits += 1;
                if code > u32::from(char::MAX) {
                    return None;
                }
            }
            return char::from_u32(code).filter(|_| digits > 0);
        }
        for _ in 0..2 {
            code = code * 16 + self.next()?.to_digit(16)?;
        }
        char::from_u32(code)
    }

    /// `\0`, `\12`, `\123`; a single digit other than 0 would be a back reference, which Go does not have.
    fn octal(&mut self, first: char) -> Option<char> {
        let mut code = first.to_digit(8)?;
        let more = |parser: &Parser<'_>| parser.rest.first().and_then(|next| next.to_digit(8));
        if first != '0' {
            more(self)?;
        }
        for _ in 0..2 {
            let Some(digit) = more(self) else { break };
            self.next();
            code = code * 8 + digit;
        }
        char::from_u32(code)
    }

    /// After a `[`.
    fn class(&mut self) -> Option<Class> {
        let negated = self.eat('^');
        let mut class = Class::default();
        let mut first = true;
        while first || !self.eat(']') {
            first = false;
            if let Some(posix) = self.posix_class()? {
                class.add(posix);
                continue;
            }
            let low = match self.next()? {
                '\\' => {
                    if let Some(perl) = self.rest.first().and_then(|name| perl_class(*name)) {
                        self.next();
                        class.add(perl);
                        continue;
                    }
                    self.escaped_char()?
                }
                other => other,
            };
            let mut high = low;
            if self.rest.first() == Some(&'-') && self.rest.get(1).is_some_and(|next| *next != ']')
            {
                self.next();
                high = match self.next()? {
                    '\\' => self.escaped_char()?,
                    other => other,
                };
                if high < low {
                    return None;
                }
            }
            class.ranges.push((low, high));
        }
        class.negated = negated;
        Some(class)
    }

    /// `[:alpha:]`, `[:^alpha:]` within a class; `None` when the name is unknown.
    fn posix_class(&mut self) -> Option<Option<Class>> {
        if !self.rest.starts_with(&['[', ':']) {
            return Some(None);
        }
        let Some(length) = self.rest[2..].windows(2).position(|pair| pair == [':', ']']) else {
            return Some(None);
        };
        let name: String = self.rest[2..2 + length].iter().collect();
        let (negated, name) = match name.strip_prefix('^') {
            Some(name) => (true, name),
            None => (false, name.as_str()),
        };
        let ranges = posix_ranges(name)?;
        self.rest = &self.rest[2 + length + 2..];
        Some(Some(Class { negated, ranges: ranges.to_vec() }))
    }
}

const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

fn perl_class(name: char) -> Option<Class> {
    let ranges: &[(char, char)] = match name.to_ascii_lowercase() {
        'd' => &[('0', '9')],
        's' => &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
        'w' => WORD,
        _ => return None,
    };
    Some(Class { negated: name.is_ascii_uppercase(), ranges: ranges.to_vec() })
}

fn posix_ranges(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}
