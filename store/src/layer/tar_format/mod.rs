//! The tar format: blocks, headers, PAX records, sparse maps. Knows nothing of layers.
//!
//! Own code instead of the `tar` crate, which stays the tests' second opinion: layers need PAX
//! attributes with binary values, negative and fractional times, sparse files, exact offsets and
//! bytes that depend on nothing but the entry.

pub(crate) mod header;
pub(crate) mod pax;
pub(crate) mod sparse;

pub(crate) const BLOCK: usize = 512;

/// How many bytes follow `size` bytes of data up to the next block.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// A field of a header or record that makes no sense; completes "entry `x` …".
pub(crate) type Problem = String;
