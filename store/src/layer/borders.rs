//! Where a layer is cut into pieces that are compressed independently of each other.
//!
//! A border depends on what is around it and on nothing before: a file that grows, appears or vanishes moves the
//! borders next to it and no others, so the pieces elsewhere are the same bytes as before. Small files are kept
//! together: whether a piece ends before an entry is decided by a hash of its header, with a chance that grows with
//! the size of the entry. Files of [`LARGE`] and more begin a piece of their own and are cut every [`PIECE`] bytes
//! from their beginning.
//!
//! What is no tar, or not any more, is cut every [`PIECE`] bytes.

use std::ops::Range;

/// Bytes of a piece, about. Compressing pieces of this size without what went before costs under half a percent.
const PIECE: u64 = 1 << 20;
/// A piece is not ended before it has so many bytes, and is always ended at an entry once it has [`MOST`].
const LEAST: u64 = 256 << 10;
const MOST: u64 = 2 << 20;
/// Files from this size on begin a piece.
const LARGE: u64 = 1 << 20;
const BLOCK: usize = 512;

/// No piece is longer: an entry just under [`LARGE`] after one just under [`MOST`].
pub(super) const LONGEST: usize = (MOST + LARGE) as usize + 2 * BLOCK;

/// Follows the bytes of a tar and says where the pieces end.
#[derive(Debug)]
pub(super) struct Borders {
    state: State,
    /// Of the header being collected.
    header: Vec<u8>,
    /// Since the last border.
    length: u64,
}

#[derive(Debug)]
enum State {
    Header,
    /// Of an entry: what is left of it with its padding, and of the way to the next cut within it.
    Content {
        left: u64,
        until_cut: Option<u64>,
    },
    Unknown,
}

impl Borders {
    pub(super) fn new() -> Borders {
        Borders { state: State::Header, header: Vec::with_capacity(BLOCK), length: 0 }
    }

    /// How many of `bytes` belong to the piece at hand, and whether it ends after them.
    pub(super) fn next(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            match &mut self.state {
                State::Header => {
                    let count = rest.len().min(BLOCK - self.header.len());
                    self.header.extend_from_slice(&rest[..count]);
                    taken += count;
                    self.length += count as u64;
                    if self.header.len() == BLOCK && self.enter() {
                        self.length = 0;
                        return (taken, true);
                    }
                }
                State::Content { left, until_cut } => {
                    let next = until_cut.map_or(*left, |cut| cut.min(*left));
                    let count = (rest.len() as u64).min(next);
                    taken += count as usize;
                    self.length += count;
                    *left -= count;
                    let cut = until_cut.as_mut().is_some_and(|cut| {
                        *cut -= count;
                        *cut == 0
                    });
                    if *left == 0 {
                        let large = until_cut.is_some();
                        self.state = State::Header;
                        if large && self.length >= LEAST {
                            self.length = 0;
                            return (taken, true);
                        }
                    } else if cut {
                        // A short rest stays with the last piece.
                        *until_cut = Some(if *left < PIECE + LEAST { *left + 1 } else { PIECE });
                        self.length = 0;
                        return (taken, true);
                    }
                }
                State::Unknown => {
                    let count = (rest.len() as u64).min(PIECE.saturating_sub(self.length));
                    taken += count as usize;
                    self.length += count;
                    if self.length >= PIECE {
                        self.length = 0;
                        return (taken, true);
                    }
                }
            }
        }
        (taken, false)
    }

    /// A header is complete. True if a piece ends after it.
    fn enter(&mut self) -> bool {
        let header = std::mem::take(&mut self.header);
        let size = content_size(&header);
        let Some((size, left)) = size.and_then(|it| Some((it, it.checked_next_multiple_of(512)?)))
        else {
            // The end, or no tar.
            let zeros = header.iter().all(|&byte| byte == 0);
            self.state = if zeros { State::Header } else { State::Unknown };
            self.header = header;
            self.header.clear();
            return self.length >= MOST;
        };
        let large = size >= LARGE;
        let ends =
            large || self.length >= MOST || (self.length >= LEAST && is_chosen(&header, left));
        self.header = header;
        self.header.clear();
        self.state = match left {
            0 => State::Header,
            _ if large => {
                let first = if left < PIECE + LEAST { left + 1 } else { PIECE };
                State::Content { left, until_cut: Some(first) }
            }
            _ => State::Content { left, until_cut: None },
        };
        ends
    }
}

/// One of so many entries that the pieces have about [`PIECE`] bytes.
fn is_chosen(header: &[u8], size: u64) -> bool {
    let hash = blake3::hash(&header[NAME]);
    let mut first = [0; 4];
    first.copy_from_slice(&hash.as_bytes()[..4]);
    u64::from(u32::from_le_bytes(first)) < ((size + BLOCK as u64) << 32) / PIECE
}

/// The name without what changes with the content: a file that is written again keeps its borders.
const NAME: Range<usize> = 0..100;

/// What follows a header. `None` if it is none.
fn content_size(header: &[u8]) -> Option<u64> {
    let octal = |field: &[u8]| -> Option<u64> {
        let text = std::str::from_utf8(field).ok()?;
        let text = text.trim_matches(|c| c == ' ' || c == '\0');
        if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
    };
    let sum = octal(&header[148..156])?;
    let plain: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    let without: u64 = header[148..156].iter().map(|&byte| u64::from(byte)).sum();
    if sum != plain - without + 8 * u64::from(b' ') {
        return None;
    }
    match header[156] {
        // Links, devices, directories and pipes have a size of no meaning.
        b'1'..=b'6' => Some(0),
        _ if header[124] & 0x80 != 0 => {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&header[128..136]);
            Some(u64::from_be_bytes(bytes))
        }
        _ => octal(&header[124..136]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Entry, EntryKind, LayerWriter};

    type Files = Vec<(String, Vec<u8>)>;
    type Act<'a> = &'a dyn Fn(&mut Files);

    fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut writer = LayerWriter::new(Vec::new());
        for (path, content) in files {
            let kind = EntryKind::File { size: content.len() as u64, digest: None, offset: None };
            let mut bytes = content.as_slice();
            writer.append(&Entry::new(path.as_bytes(), kind, 0o644), Some(&mut bytes)).unwrap();
        }
        writer.finish().unwrap().0
    }

    /// Small ones and a large one.
    fn files() -> Files {
        let mut files: Vec<_> = (0..4000)
            .map(|number: u32| {
                let length = (number.wrapping_mul(2_654_435_761) >> 19) as usize;
                (format!("d/{number:05}"), vec![(number % 251) as u8; length])
            })
            .collect();
        files.push(("large".to_owned(), (0..7_300_000_u32).map(|n| (n >> 8) as u8).collect()));
        files
    }

    fn pieces(bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
        let (mut borders, mut pieces, mut piece) = (Borders::new(), Vec::new(), Vec::new());
        for mut part in bytes.chunks(step) {
            while !part.is_empty() {
                let (count, ends) = borders.next(part);
                piece.extend_from_slice(&part[..count]);
                part = &part[count..];
                if ends {
                    pieces.push(std::mem::take(&mut piece));
                }
            }
        }
        pieces.push(piece);
        pieces
    }

    #[test]
    fn pieces_do_not_depend_on_how_the_bytes_arrive() {
        let bytes = tar(&files());
        let whole = pieces(&bytes, bytes.len());
        assert_eq!(whole.concat(), bytes);
        assert!(whole.len() > bytes.len() / (2 << 20), "{} pieces", whole.len());
        assert!(whole.iter().all(|piece| piece.len() <= LONGEST));
        let short = whole.iter().rev().skip(1).filter(|piece| piece.len() < LEAST as usize).count();
        assert!(short <= 2, "{short} short pieces");
        for step in [1 << 16, 70_001, 511] {
            assert!(pieces(&bytes, step) == whole, "{step}");
        }
    }

    #[test]
    fn a_change_disturbs_its_neighbours_only() {
        let before = pieces(&tar(&files()), 1 << 20);
        let change = |act: Act<'_>| {
            let mut files = files();
            act(&mut files);
            let after = pieces(&tar(&files), 1 << 20);
            after.iter().filter(|piece| !before.contains(piece)).count()
        };
        let cases: [(&str, Act<'_>); 6] = [
            ("changed", &|files| files[2000].1[0] ^= 1),
            ("grown", &|files| files[2000].1.extend([7; 1024])),
            ("added", &|files| files.insert(2000, ("d/01999x".to_owned(), vec![1; 3000]))),
            ("removed", &|files| drop(files.remove(2000))),
            ("first", &|files| files[0].1.extend([7; 5000])),
            ("large", &|files| files[4000].1[5_000_000] ^= 1),
        ];
        for (what, act) in cases {
            let new = change(act);
            assert!((1..=3).contains(&new), "{what}: {new} new pieces of {}", before.len());
        }
    }

    #[test]
    fn what_is_no_tar_is_cut_all_the_same() {
        let noise: Vec<u8> = (0..5_000_000_u32).map(|n| (n.wrapping_mul(97) >> 7) as u8).collect();
        let cut = pieces(&noise, 100_000);
        assert_eq!(cut.concat(), noise);
        assert_eq!(cut.len(), 5);
        let half = [tar(&files()[..50]), noise].concat();
        assert!(pieces(&half, 4096).iter().all(|piece| piece.len() <= LONGEST));
    }
}
