//! Shell patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*`, `?` and escapes, no bracket expressions.
//!
//! BuildKit translates them to regular expressions; these match the same texts, in particular `*` and `?`
//! never match a newline. Matching keeps sets of positions and goes over the value once for each token.

/// What one place of a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Char(char),
    /// `?`
    Any,
    /// `*`
    Star,
}

/// A backslash before something that needs none; `None` is the end of the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid escape '\\{}'", .0.unwrap_or(char::REPLACEMENT_CHARACTER))]
pub struct InvalidEscape(pub Option<char>);

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

/// Which of the possible matches is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Shortest,
    Longest,
}

impl Pattern {
    pub fn parse(pattern: &str) -> Result<Pattern, InvalidEscape> {
        let mut tokens = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(next) = chars.next() {
            tokens.push(match next {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => match chars.peek() {
                    // Escaped for the sake of the `${…}` around the pattern, not of the pattern.
                    Some('}' | '/') => continue,
                    _ => match chars.next() {
                        Some(escaped @ ('*' | '?' | '\\')) => Token::Char(escaped),
                        other => return Err(InvalidEscape(other)),
                    },
                },
                _ => Token::Char(next),
            });
        }
        Ok(Pattern(tokens))
    }

    pub fn tokens(&self) -> &[Token] {
        &self.0
    }

    /// `value` without the part at its start that matches.
    pub fn trim_prefix(&self, value: &str, length: Length) -> String {
        let value: Vec<char> = value.chars().collect();
        let end = match_length(&self.0, &value, length).unwrap_or(0);
        value[end..].iter().collect()
    }

    /// `value` without the part at its end that matches.
    pub fn trim_suffix(&self, value: &str, length: Length) -> String {
        let tokens: Vec<Token> = self.0.iter().rev().copied().collect();
        let value: Vec<char> = value.chars().rev().collect();
        let end = match_length(&tokens, &value, length).unwrap_or(0);
        value[end..].iter().rev().collect()
    }

    /// The leftmost longest match replaced by the text as it is.
    pub fn replace_first(&self, value: &str, replacement: &str) -> String {
        let value: Vec<char> = value.chars().collect();
        match Search::new(&self.0, &value).next(0) {
            Some((start, end)) => {
                let (before, after) = (value[..start].iter(), value[end..].iter());
                before.copied().chain(replacement.chars()).chain(after.copied()).collect()
            }
            None => value.iter().collect(),
        }
    }

    /// Every match replaced. An empty match counts unless it directly follows another match. As in BuildKit (Go's
    /// `ReplaceAllString`), `$0` in the replacement is the matched text, other `$name`s are empty, `$$` is `$`.
    pub fn replace_all(&self, value: &str, replacement: &str) -> String {
        self.replace_all_within(value, replacement, usize::MAX).unwrap_or_default()
    }

    /// As [`Pattern::replace_all`]; `None` for a result that could have more than `limit` bytes, which is not made.
    pub fn replace_all_within(
        &self,
        value: &str,
        replacement: &str,
        limit: usize,
    ) -> Option<String> {
        let value: Vec<char> = value.chars().collect();
        let search = Search::new(&self.0, &value);
        let mut replaced = String::new();
        let (mut at, mut last_end) = (0, None);
        while let Some((start, end)) = search.next(at) {
            replaced.extend(&value[at..start]);
            if end > start || last_end != Some(start) {
                let matched: String = value[start..end].iter().collect();
                let dollars = replacement.matches('$').count();
                let most = dollars.saturating_mul(matched.len()).saturating_add(replacement.len());
                if replaced.len().saturating_add(most) > limit {
                    return None;
                }
                fill_template(replacement, &matched, &mut replaced);
                last_end = Some(end);
            }
            at = end;
            if end == start {
                replaced.extend(value.get(at));
                at += 1;
            }
        }
        replaced.extend(value.get(at..).unwrap_or_default());
        (replaced.len() <= limit).then_some(replaced)
    }
}

/// Matches anywhere in a value.
struct Search<'a> {
    tokens: &'a [Token],
    value: &'a [char],
    /// For each position of the value whether a match starts there, the end included.
    starts: Vec<bool>,
    /// The newlines of a match: only characters of the pattern match one.
    newlines: usize,
}

impl<'a> Search<'a> {
    fn new(tokens: &'a [Token], value: &'a [char]) -> Search<'a> {
        // After each token, from the last one: where the tokens from it on can match.
        let mut starts = vec![true; value.len() + 1];
        for token in tokens.iter().rev() {
            match token {
                Token::Star => {
                    for at in (0..value.len()).rev() {
                        starts[at] |= starts[at + 1] && value[at] != '\n';
                    }
                }
                Token::Any => step_back(&mut starts, |at| value[at] != '\n'),
                Token::Char(wanted) => step_back(&mut starts, |at| value[at] == *wanted),
            }
        }
        let newlines = tokens.iter().filter(|token| **token == Token::Char('\n')).count();
        Search { tokens, value, starts, newlines }
    }

    /// Start and end of the leftmost longest match from a position on.
    fn next(&self, from: usize) -> Option<(usize, usize)> {
        let start = from + self.starts.get(from..)?.iter().position(|starts| *starts)?;
        if !self.tokens.contains(&Token::Star) {
            return Some((start, start + self.tokens.len()));
        }
        let rest = &self.value[start..];
        let mut line_ends = rest.iter().enumerate().filter(|(_, c)| **c == '\n');
        let reach = line_ends.nth(self.newlines).map_or(rest.len(), |(at, _)| at);
        let length = match_length(self.tokens, &rest[..reach], Length::Longest)?;
        Some((start, start + length))
    }
}

/// How many characters at the start of `value` match.
fn match_length(tokens: &[Token], value: &[char], length: Length) -> Option<usize> {
    if !tokens.contains(&Token::Star) {
        let fits = |(token, found): (&Token, &char)| match token {
            Token::Char(wanted) => wanted == found,
            _ => *found != '\n',
        };
        let long_enough = value.len() >= tokens.len();
        return (long_enough && tokens.iter().zip(value).all(fits)).then_some(tokens.len());
    }
    // reached[i]: the tokens so far can match exactly value[..i].
    let mut reached = vec![false; value.len() + 1];
    reached[0] = true;
    for token in tokens {
        match token {
            Token::Star => {
                for at in 0..value.len() {
                    reached[at + 1] |= reached[at] && value[at] != '\n';
                }
            }
            Token::Any => step(&mut reached, |at| value[at] != '\n'),
            Token::Char(wanted) => step(&mut reached, |at| value[at] == *wanted),
        }
    }
    match length {
        Length::Shortest => reached.iter().position(|reached| *reached),
        Length::Longest => reached.iter().rposition(|reached| *reached),
    }
}

/// Every reached position moves one on, where the character there is accepted.
fn step(reached: &mut [bool], accepts: impl Fn(usize) -> bool) {
    for at in (1..reached.len()).rev() {
        reached[at] = reached[at - 1] && accepts(at - 1);
    }
    reached[0] = false;
}

/// Every position moves one back, over a character that is accepted.
fn step_back(starts: &mut [bool], accepts: impl Fn(usize) -> bool) {
    let end = starts.len() - 1;
    for at in 0..end {
        starts[at] = starts[at + 1] && accepts(at);
    }
    starts[end] = false;
}

/// Appends a replacement text in Go's template syntax.
fn fill_template(template: &str, matched: &str, out: &mut String) {
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (braced, from) = match rest.strip_prefix('{') {
            Some(inside) => (true, inside),
            None => (false, rest),
        };
        let word = |c: char| c == '_' || c.is_alphanumeric();
        let end = from.find(|c| !word(c)).unwrap_or(from.len());
        let name = &from[..end];
        let after = if braced { from[end..].strip_prefix('}') } else { Some(&from[end..]) };
        match after {
            Some(after) if !name.is_empty() => {
                if name == "0" {
                    out.push_str(matched);
                }
                rest = after;
            }
            _ => out.push('$'),
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value with the first match, and with every match, replaced by `-`.
    fn replaced(pattern: &str, value: &str) -> (String, String) {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        (pattern.replace_first(value, "-"), pattern.replace_all(value, "-"))
    }

    #[test]
    fn matches_are_leftmost_and_longest() {
        for (pattern, value, first, all) in [
            ("b", "abcb", "a-cb", "a-c-"),
            ("b*", "abcb", "a-", "a-"),
            ("a*b", "xaab b\nab", "x-\nab", "x-\n-"),
            ("a?", "aaa", "-a", "-a"),
            ("*", "ab\nc", "-\nc", "-\n-"),
            ("", "ab", "-ab", "-a-b-"),
            ("a\nb*", "xa\nbc\na\nb", "x-\na\nb", "x-\n-"),
            ("*\n*", "a\nb\nc\nd", "-\nc\nd", "---"),
            ("z", "ñé", "ñé", "ñé"),
            ("?", "ñé", "-é", "--"),
        ] {
            assert_eq!(replaced(pattern, value), (first.into(), all.into()), "{pattern:?} {value}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let value = "a".repeat(4_000);
        assert_eq!(replaced(&("*a".repeat(2_000) + "b"), &value), (value.clone(), value));
        let lines = "ab\n".repeat(4_000);
        assert_eq!(replaced("a*b", &lines).1, "-\n".repeat(4_000));
    }
}
