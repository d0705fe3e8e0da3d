//! What a hostile file may cost.

use super::YamlError;

/// The largest compose file anyone was seen to write has 30 kB.
pub const MAX_BYTES: usize = 8 << 20;
/// Values nested in values.
pub const MAX_DEPTH: usize = 100;
/// Values of one file, those that aliases repeat counted each time.
pub const MAX_NODES: usize = 1_000_000;

/// Bytes of a key. Paths are made of keys.
pub(super) const MAX_KEY: usize = 4096;
/// Values marked `!reset` or `!override`, those that aliases repeat counted each time.
pub(super) const MAX_RESETS: usize = 10_000;

/// Bytes of their paths.
pub(super) const MAX_RESET_BYTES: usize = 64 << 20;

/// Text that aliases repeat, in bytes. As much is kept for those that may come.
const MAX_ALIASED_BYTES: usize = 64 << 20;

/// Below these counts aliases may be used freely.
const FREE_ALIASED: usize = 100;
const FREE_TOTAL: usize = 1_000;
/// The share of values that may come from aliases falls from 99 to 10 percent between these sizes.
const SMALL: usize = 400_000;
const LARGE: usize = 4_000_000;

/// Counts the values of a document as aliases multiply them.
#[derive(Debug, Default)]
pub(super) struct Budget {
    total: usize,
    aliased: usize,
    aliased_bytes: usize,
    anchored: (usize, usize),
}

impl Budget {
    pub(super) fn written(&mut self) -> Result<(), YamlError> {
        self.total += 1;
        self.check()
    }

    /// An alias stands for `count` values with `bytes` of text.
    pub(super) fn aliased(&mut self, count: usize, bytes: usize) -> Result<(), YamlError> {
        self.aliased_bytes = self.aliased_bytes.saturating_add(bytes);
        if self.aliased_bytes > MAX_ALIASED_BYTES {
            return Err(YamlError::ExcessiveAliasing);
        }
        self.total = self.total.saturating_add(count);
        self.aliased = self.aliased.saturating_add(count);
        if self.aliased > FREE_ALIASED
            && self.total > FREE_TOTAL
            && self.aliased as f64 / self.total as f64 > allowed_share(self.total)
        {
            return Err(YamlError::ExcessiveAliasing);
        }
        self.check()
    }

    /// `count` values with `bytes` of text are kept for aliases.
    pub(super) fn anchored(&mut self, count: usize, bytes: usize) -> Result<(), YamlError> {
        let (values, text) = self.anchored;
        self.anchored = (values.saturating_add(count), text.saturating_add(bytes));
        let fits = self.anchored.0 <= MAX_NODES && self.anchored.1 <= MAX_ALIASED_BYTES;
        if fits { Ok(()) } else { Err(YamlError::ExcessiveAliasing) }
    }

    fn check(&self) -> Result<(), YamlError> {
        if self.total <= MAX_NODES {
            return Ok(());
        }
        Err(if self.aliased * 2 > self.total {
            YamlError::ExcessiveAliasing
        } else {
            YamlError::TooManyNodes { limit: MAX_NODES }
        })
    }
}

fn allowed_share(total: usize) -> f64 {
    let along = (total.clamp(SMALL, LARGE) - SMALL) as f64 / (LARGE - SMALL) as f64;
    0.99 - 0.89 * along
}
