//! Instructions that take plain words: EXPOSE, MAINTAINER, STOPSIGNAL, USER, VOLUME, WORKDIR.

use crate::ast::Word;
use crate::error::ErrorKind;
use crate::syntax::Arguments;

use super::Request;

/// The rest of the line as one value.
pub(super) fn single(request: &mut Request<'_>) -> Option<Word> {
    request.flags(&[]);
    match &request.node.arguments {
        Arguments::Text(word) => Some(word.clone()),
        _ => {
            let instruction = request.name();
            request.fail(ErrorKind::ExactlyOneArgument { instruction })
        }
    }
}

pub(super) fn expose(request: &mut Request<'_>) -> Option<Vec<Word>> {
    request.flags(&[]);
    list(request)
}

pub(super) fn volume(request: &mut Request<'_>) -> Option<Vec<Word>> {
    request.flags(&[]);
    let words = list(request)?;
    for word in words.iter().filter(|word| word.text.trim().is_empty()) {
        request.error(ErrorKind::EmptyVolume, word.span);
    }
    Some(words.into_iter().map(|word| Word::new(word.text.trim(), word.span)).collect())
}

fn list(request: &mut Request<'_>) -> Option<Vec<Word>> {
    let words = request.words().to_vec();
    if words.is_empty() {
        let instruction = request.name();
        return request.fail(ErrorKind::AtLeastOneArgument { instruction });
    }
    Some(words)
}
