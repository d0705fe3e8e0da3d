//! Memory for what variables make of a file: a few lines that double a variable could ask for any amount of it.

use std::cell::Cell;

use super::PlanErrorKind;

/// Far more than any image's configuration has.
const ROOM: usize = 64 << 20;

/// What is left of it for one plan.
#[derive(Debug)]
pub(super) struct Room(Cell<usize>);

impl Default for Room {
    fn default() -> Room {
        Room(Cell::new(ROOM))
    }
}

impl Room {
    pub(super) fn take(&self, bytes: usize) -> Result<(), PlanErrorKind> {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.ok_or(PlanErrorKind::TooMuchText { limit: ROOM >> 20 })?);
        Ok(())
    }

    /// As [`Room::take`], for a list of texts.
    pub(super) fn take_all<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a String>,
    ) -> Result<(), PlanErrorKind> {
        self.take(texts.into_iter().map(String::len).sum())
    }
}
