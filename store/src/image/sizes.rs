//! How much the files of each layer take: read out of the layers' indexes once for each image, and recorded.
//!
//! `cache/image-sizes/<hex>` has a line for each layer of the image `<hex>`, and the sum of these lines. Damaged, it counts as
//! none: what it says is worked out again.
use std::fs;

use super::Image;
use crate::error::Result;
use crate::layer::{ContentDigest, EntryKind, LayerIndex};
use crate::open::Store;

pub(crate) const SIZES: &str = "cache/image-sizes";

impl Store {
    /// Bytes of the files in each layer, bottom first.
    pub(super) fn layer_sizes(&self, image: &Image) -> Result<Vec<u64>> {
        let path = self.sub(SIZES).join(image.id().hex());
        let recorded = fs::read_to_string(&path).ok().and_then(|text| parse(&text));
        if let Some(sizes) = recorded
            && sizes.len() == image.layers().len()
        {
            return Ok(sizes);
        }
        let indexes = self.layer_indexes(image)?;
        let sizes: Vec<u64> = indexes.iter().map(|index| files_size(index)).collect();
        // On a disk that is full they are worked out again the next time.
        let _ =
            self.directory(SIZES).and_then(|_| self.replace_file(&path, text(&sizes).as_bytes()));
        Ok(sizes)
    }
}

/// What the files take, counted as docker does: a symbolic link is as long as its target, a further name of
/// a file is nothing.
fn files_size(index: &LayerIndex) -> u64 {
    let size = |kind: &EntryKind| match kind {
        EntryKind::File { size, .. } => *size,
        EntryKind::Symlink { target } => target.len() as u64,
        _ => 0,
    };
    index.iter().map(|entry| size(&entry.kind)).sum()
}

fn text(sizes: &[u64]) -> String {
    let lines: String = sizes.iter().map(|size| format!("{size}\n")).collect();
    format!("{lines}{}\n", ContentDigest::of(lines.as_bytes()))
}

fn parse(text: &str) -> Option<Vec<u64>> {
    let rest = text.strip_suffix('\n')?;
    let split = rest.rfind('\n').map_or(0, |end| end + 1);
    let (lines, sum) = rest.split_at(split);
    if ContentDigest::of(lines.as_bytes()).to_string() != sum {
        return None;
    }
    lines.lines().map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_back_and_damaged_ones_do_not() {
        for sizes in [&[][..], &[0], &[7, u64::MAX, 12]] {
            let written = text(sizes);
            assert_eq!(parse(&written).as_deref(), Some(sizes));
            for position in 0..written.len() {
                let mut damaged = written.clone().into_bytes();
                damaged[position] ^= 1;
                assert_eq!(parse(&String::from_utf8(damaged).unwrap()), None, "{written}");
                assert_eq!(parse(&written[..position]), None);
            }
        }
    }
}
