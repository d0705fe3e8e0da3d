//! The material of random trees: few names, so that they meet, and every value that is hard to keep.

use std::fmt;
use std::ops::Deref;

use store::layer::ContentDigest;
use store::layer::entry::{Xattrs, join, split_parent};

use super::cases::Random;

/// Bytes that show themselves as text, in few words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            short if short.len() <= 20 => write!(f, "\"{}\"", short.escape_ascii()),
            long => write!(f, "{} bytes {:.8}", long.len(), ContentDigest::of(long).to_string()),
        }
    }
}

impl Deref for Bytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

/// Equal but for case or normalisation, neighbours in one order and not in the other, no text at all.
const NAMES: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"a-b",
    b"a.b",
    b"A",
    b"\xc3\xa9",
    b"e\xcc\x81",
    b"\xff\xfe",
    b"line\nbreak",
    b"tab\there",
    b" ",
    b"back\\slash",
    b"...",
    b".wh",
    b"wh.a",
];

/// One to three names; now and then a very long one.
pub(crate) fn path(random: &mut Random) -> Bytes {
    let mut path = name(random);
    while path.len() < 700 && random.once_in(2) {
        path = join(&path, &name(random));
    }
    Bytes(path)
}

fn name(random: &mut Random) -> Vec<u8> {
    match random.below(30) {
        0 => vec![b'n'; 255],
        1 => vec![b'n'; 101],
        // Mostly the first few.
        2..=9 => random.pick(NAMES).to_vec(),
        _ => random.pick(&NAMES[..3]).to_vec(),
    }
}

/// `a/b` → `a/PREFIXb`.
pub(crate) fn beside(path: &[u8], prefix: &[u8]) -> Vec<u8> {
    let (parent, name) = split_parent(path).unwrap();
    join(parent, &[prefix, name].concat())
}

pub(crate) fn content(random: &mut Random) -> Bytes {
    let size = *random.pick(&[0, 1, 5, 511, 512, 513, 5000, 200_000]);
    let zeros = random.once_in(3);
    Bytes((0..size).map(|_| if zeros { 0 } else { random.next() as u8 }).collect())
}

pub(crate) fn link(random: &mut Random) -> Bytes {
    Bytes(match random.below(5) {
        0 => b"/".to_vec(),
        1 => [b"../../", path(random).as_slice()].concat(),
        2 => [b"/", path(random).as_slice()].concat(),
        3 => vec![b't'; 300],
        _ => path(random).0,
    })
}

pub(crate) fn mode(random: &mut Random) -> u32 {
    *random.pick(&[0o755, 0o644, 0, 0o7777, 0o4755, 0o2750, 0o1777, 0o600])
}

/// The largest of a header's seven octal digits and beyond.
pub(crate) fn id(random: &mut Random) -> u32 {
    *random.pick(&[0, 0, 0, 1000, 65_534, 0o7_777_777, 0o10_000_000, u32::MAX - 1])
}

/// What ext4 can keep, which is less than archives can.
pub(crate) fn time(random: &mut Random) -> i64 {
    *random.pick(&[
        0,
        1,
        1_000_000_000,
        -1,
        -86_400,
        -2_147_483_648,
        0o77_777_777_777,
        12_000_000_000,
    ])
}

pub(crate) fn xattrs(random: &mut Random) -> Xattrs {
    let mut xattrs = Xattrs::new();
    if random.once_in(3) {
        let values = [&b"v"[..], b"\0=\n\xff", b" ", b"other"];
        let value = random.pick(&values);
        xattrs.insert(b"user.x".to_vec(), value.to_vec());
    }
    if random.once_in(8) {
        xattrs.insert(b"user.y \xc3\xa9".to_vec(), vec![0xfe; 300]);
    }
    xattrs
}
