//! What a load may cost in all, however its files include, extend and name each other.

use thiserror::Error;

/// Text of compose files, one that is read twice counted twice.
const MAX_TEXT: usize = 32 << 20;
/// Entries of `include`, in all files.
const MAX_INCLUDES: usize = 1_000;
/// Services that extend each other.
const MAX_CHAIN: usize = 100;
/// Values that `extends` repeats, and bytes of text in them.
const MAX_EXTENDED: (usize, usize) = (1_000_000, 64 << 20);
/// Documents of one file: each is merged over all before.
const MAX_DOCUMENTS: usize = 100;
/// Variables and labels that services take from files, and their text.
const MAX_ENV: usize = 64 << 20;
/// Problems that are told.
pub(super) const MAX_PROBLEMS: usize = 1_000;
/// Problems that come with the nearest known name, which takes time to find.
pub(super) const MAX_HINTS: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BoundError {
    #[error("the compose files have more than {limit} bytes")]
    Text { limit: usize },
    #[error("include: more than {limit} files")]
    Includes { limit: usize },
    #[error("extends: more than {limit} services deep")]
    Chain { limit: usize },
    #[error("extends: more than {values} values or {bytes} bytes are repeated")]
    Extended { values: usize, bytes: usize },
    #[error("more than {limit} documents in one file")]
    Documents { limit: usize },
    #[error("services take more than {limit} bytes from env files and label files")]
    EnvFiles { limit: usize },
}

/// What was used up.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    text: usize,
    includes: usize,
    extended: (usize, usize),
    env: usize,
}

impl Bounds {
    pub(super) fn text(&mut self, bytes: usize) -> Result<(), BoundError> {
        self.text += bytes;
        within(self.text, MAX_TEXT, BoundError::Text { limit: MAX_TEXT })
    }

    pub(super) fn include(&mut self) -> Result<(), BoundError> {
        self.includes += 1;
        within(self.includes, MAX_INCLUDES, BoundError::Includes { limit: MAX_INCLUDES })
    }

    pub(super) fn chain(services: usize) -> Result<(), BoundError> {
        within(services, MAX_CHAIN, BoundError::Chain { limit: MAX_CHAIN })
    }

    /// A service with `(values, bytes)` is put below another.
    pub(super) fn extend(&mut self, (values, bytes): (usize, usize)) -> Result<(), BoundError> {
        self.extended = (self.extended.0 + values, self.extended.1 + bytes);
        let (values, bytes) = MAX_EXTENDED;
        let error = BoundError::Extended { values, bytes };
        within(self.extended.0, values, error.clone())?;
        within(self.extended.1, bytes, error)
    }

    pub(super) fn documents(count: usize) -> Result<(), BoundError> {
        within(count, MAX_DOCUMENTS, BoundError::Documents { limit: MAX_DOCUMENTS })
    }

    pub(super) fn env_file(&mut self, bytes: usize) -> Result<(), BoundError> {
        self.env += bytes;
        within(self.env, MAX_ENV, BoundError::EnvFiles { limit: MAX_ENV })
    }
}

fn within(used: usize, limit: usize, error: BoundError) -> Result<(), BoundError> {
    if used <= limit { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_counted_in_all() {
        let mut bounds = Bounds::default();
        assert!((0..4).all(|_| bounds.text(8 << 20).is_ok()));
        assert_eq!(bounds.text(1), Err(BoundError::Text { limit: MAX_TEXT }));
    }
}
