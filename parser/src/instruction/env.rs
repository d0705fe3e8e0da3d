//! ARG, ENV and LABEL: names and values.

use crate::ast::{ArgDecl, KeyValue, Word};
use crate::error::ErrorKind;
use crate::span::Span;
use crate::syntax::Arguments;

use super::{Request, description};

pub(super) fn pairs(request: &mut Request<'_>) -> Option<Vec<KeyValue>> {
    request.flags(&[]);
    let instruction = request.name();
    let Arguments::Pairs { pairs, legacy } = &request.node.arguments else {
        return request.fail(ErrorKind::AtLeastOneArgument { instruction });
    };
    for (key, value) in pairs.iter().filter(|(key, _)| key.text.is_empty()) {
        request.error(ErrorKind::BlankName { instruction }, key.span.to(value.span));
    }
    let pair = |(key, value): &(Word, Word)| KeyValue {
        key: key.clone(),
        value: value.clone(),
        legacy: *legacy,
    };
    Some(pairs.iter().map(pair).collect())
}

pub(super) fn arg(request: &mut Request<'_>) -> Option<Vec<ArgDecl>> {
    request.flags(&[]);
    let words = request.words().to_vec();
    let instruction = request.name();
    if words.is_empty() {
        return request.fail(ErrorKind::AtLeastOneArgument { instruction });
    }
    let mut declarations = Vec::with_capacity(words.len());
    for word in words {
        let (name, default) = split(&word);
        if name.text.is_empty() {
            request.error(ErrorKind::BlankName { instruction }, word.span);
        }
        let description = description(request.node, &name.text);
        declarations.push(ArgDecl { name, default, description });
    }
    Some(declarations)
}

/// `name=default`; the spans are exact when the word is not interrupted by a line end.
fn split(word: &Word) -> (Word, Option<Word>) {
    let Some((name, default)) = word.text.split_once('=') else { return (word.clone(), None) };
    if word.span.end - word.span.start != word.text.len() {
        return (Word::new(name, word.span), Some(Word::new(default, word.span)));
    }
    let at = word.span.start + name.len();
    let default = Word::new(default, Span::new(at + 1, word.span.end));
    (Word::new(name, Span::new(word.span.start, at)), Some(default))
}
