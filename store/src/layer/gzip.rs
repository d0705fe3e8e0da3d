//! [`Gzip`]: pieces of a layer as gzip members, each of its piece alone.
//!
//! Most of what is large in an image is compressed already, or random: deflate looks for repetitions in it at every byte
//! and finds none, which takes two to three times as long as compressing text. So at the levels that are chosen for
//! their speed a piece is looked at in a few places first, and kept as it is if it gets smaller in none of them.

use std::fmt;
use std::io;

use libdeflater::{CompressionLvl, Compressor as Deflate};

/// Up to this level speed counts; who asks for a higher one asks for the smallest bytes.
const FAST: u32 = 3;
/// So many places, each so long, evenly spread: what is different for 68 KiB of a piece of 1 MiB is seen.
const SAMPLES: usize = 16;
const SAMPLE: usize = 4 << 10;
/// A place that gets smaller by less than one part of so many is not worth anything.
const WORTHWHILE: usize = 50;

/// Whether pieces that get no smaller are kept as they are.
pub(crate) fn is_quick(level: u32) -> bool {
    (1..=FAST).contains(&level)
}

/// One for each thread, for one piece after the other: it begins anew with each.
pub struct Gzip {
    deflate: Deflate,
    /// Where what does not get smaller is kept as it is.
    stored: Option<Deflate>,
    sample: Vec<u8>,
}

impl Gzip {
    /// Level 0 to 9.
    pub fn new(level: u32) -> io::Result<Gzip> {
        let stored = is_quick(level).then(|| at_level(0)).transpose()?;
        Ok(Gzip { deflate: at_level(level.min(9))?, stored, sample: Vec::new() })
    }

    /// Puts it at the beginning of `packed`, which grows if it has to. Returns the length.
    pub fn compress(&mut self, plain: &[u8], packed: &mut Vec<u8>) -> io::Result<usize> {
        let as_it_is = self.gets_no_smaller(plain);
        let deflate = match &mut self.stored {
            Some(stored) if as_it_is => stored,
            _ => &mut self.deflate,
        };
        let bound = deflate.gzip_compress_bound(plain.len());
        packed.resize(bound.max(packed.len()), 0);
        let length = deflate.gzip_compress(plain, &mut packed[..bound]);
        length.map_err(|error| io::Error::other(error.to_string()))
    }

    /// By samples, of pieces that are much larger than these.
    fn gets_no_smaller(&mut self, plain: &[u8]) -> bool {
        if self.stored.is_none() || plain.len() < 2 * SAMPLES * SAMPLE {
            return false;
        }
        self.sample.resize(self.deflate.deflate_compress_bound(SAMPLE), 0);
        let places =
            plain.chunks(plain.len() / SAMPLES).map(|part| &part[..part.len().min(SAMPLE)]);
        places.into_iter().all(|place| {
            let length = self.deflate.deflate_compress(place, &mut self.sample);
            length.is_ok_and(|length| length + place.len() / WORTHWHILE >= place.len())
        })
    }
}

fn at_level(level: u32) -> io::Result<Deflate> {
    let level = i32::try_from(level).ok().and_then(|level| CompressionLvl::new(level).ok());
    level.map(Deflate::new).ok_or_else(|| io::Error::other("gzip has no such level"))
}

impl fmt::Debug for Gzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gzip").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..length).map(next).collect()
    }

    fn text(length: usize) -> Vec<u8> {
        let line = |number: usize| format!("line {number} of {}\n", number * number % 7919);
        let mut text: Vec<u8> =
            (0..length / 12).flat_map(|number| line(number).into_bytes()).collect();
        text.truncate(length);
        text
    }

    fn packed(plain: &[u8], level: u32) -> Vec<u8> {
        let mut packed = vec![1, 2, 3];
        let length = Gzip::new(level).unwrap().compress(plain, &mut packed).unwrap();
        packed.truncate(length);
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&*packed).read_to_end(&mut read).unwrap();
        assert!(read == plain, "level {level}");
        packed
    }

    #[test]
    fn what_gets_no_smaller_is_kept_as_it_is_at_quick_levels_only() {
        let (noise, length) = (noise(1 << 20), 1 << 20);
        let gzip = |plain: &[u8], level| {
            let mut deflate = at_level(level).unwrap();
            let mut out = vec![0; deflate.gzip_compress_bound(plain.len())];
            let length = deflate.gzip_compress(plain, &mut out).unwrap();
            out.truncate(length);
            out
        };
        for level in 0..=9 {
            let is_quick = is_quick(level);
            let expected = gzip(&noise, if is_quick { 0 } else { level });
            assert!(packed(&noise, level) == expected, "level {level}");
            assert!(expected.len() < length + length / 5000);
            let text = text(length);
            assert!(packed(&text, level) == gzip(&text, level), "level {level}");
        }
        assert!(Gzip::new(10).is_ok(), "as the highest there is");
    }

    /// A piece of one kind with something of another in it, wherever it is.
    #[test]
    fn a_piece_is_compressed_if_any_part_of_it_gets_smaller() {
        let (length, part) = (1 << 20, (1 << 20) / SAMPLES + SAMPLE);
        for start in [0, 1, 70_000, length / 2 + 77, length - part] {
            let mut plain = noise(length);
            plain[start..start + part].copy_from_slice(&text(part));
            assert!(packed(&plain, 1).len() < length - part / 3, "{start}");
        }
        // Nothing is guessed of what is small.
        let mut small = noise(2 * SAMPLES * SAMPLE - 1);
        small[100..2000].fill(0);
        assert!(packed(&small, 1).len() < small.len());
    }
}
