//! Damaged archives: refused or read as something, but no panic, no endless work, no memory for what is only
//! claimed, and nothing outside of the root.

use std::io::Cursor;

use store::layer::index_layer;
use store::tree::Tree;

use super::cases::{Case, Random, check_cases};
use super::stacks;
use crate::support::{Archive, Scene, on_top, seal, unpack};

/// A thing that goes wrong with an archive. Places are taken modulo its length.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// The archive that the rest happens to.
    Of {
        seed: u64,
    },
    Flip {
        byte: usize,
        bit: u8,
    },
    Cut {
        length: usize,
    },
    /// A header field (offset and length) becomes what it is in another block.
    Splice {
        to: usize,
        from: usize,
        field: (usize, usize),
    },
    /// A header field says a number that is hard to bear.
    Number {
        block: usize,
        field: (usize, usize),
        kind: usize,
    },
    Type {
        block: usize,
        flag: u8,
    },
    Remove {
        block: usize,
    },
    Repeat {
        block: usize,
    },
    Swap {
        a: usize,
        b: usize,
    },
}

const FIELDS: &[(usize, usize)] = &[
    (0, 100),
    (100, 8),
    (108, 8),
    (116, 8),
    (124, 12),
    (136, 12),
    (156, 1),
    (157, 100),
    (257, 8),
    (329, 8),
    (337, 8),
    (345, 155),
    (386, 96),
    (482, 13),
];
const FLAGS: &[u8] = b"\x001234567gxLKSVADNM";

#[test]
fn damaged_archives_do_no_harm() {
    let base = Scene::new();
    let bytes = Archive::default().file("a/b", "lower").symlink("c", "../outside").end();
    let index = unpack(&bytes, &base, &Tree::default()).unwrap();
    let lower = on_top(&Tree::default(), index, &base);
    let before = peak_memory();
    check_cases(1000, damages, |case| check(case, &lower));
    let grown = peak_memory() - before;
    assert!(grown < 512 << 10, "{grown} KiB of memory for archives of a few KiB");
}

fn damages(random: &mut Random) -> Case<Damage> {
    let mut damages = vec![Damage::Of { seed: random.next() % 50 }];
    for _ in 0..1 + random.below(4) {
        let mut place = || random.next() as usize >> 1;
        let (a, b) = (place(), place());
        let field = *random.pick(FIELDS);
        damages.push(match random.below(12) {
            0..=2 => Damage::Flip { byte: a, bit: random.below(8) as u8 },
            3 => Damage::Cut { length: a },
            4..=5 => Damage::Splice { to: a, from: b, field },
            6..=7 => Damage::Number { block: a, field, kind: random.below(6) },
            8 => Damage::Type { block: a, flag: *random.pick(FLAGS) },
            9 => Damage::Remove { block: a },
            10 => Damage::Repeat { block: a },
            _ => Damage::Swap { a, b },
        });
    }
    vec![damages]
}

impl Damage {
    fn apply(self, bytes: &mut Vec<u8>) {
        let blocks = bytes.len() / 512;
        if blocks == 0 {
            return;
        }
        let start = |block: usize| block % blocks * 512;
        match self {
            Damage::Of { .. } => {}
            Damage::Flip { byte, bit } => {
                let byte = byte % bytes.len();
                bytes[byte] ^= 1 << bit;
                mend(bytes, byte / 512 * 512);
            }
            Damage::Cut { length } => bytes.truncate(length % bytes.len()),
            Damage::Splice { to, from, field: (offset, length) } => {
                let (to, from) = (start(to), start(from) + offset);
                bytes.copy_within(from..from + length, to + offset);
                mend(bytes, to);
            }
            Damage::Number { block, field: (offset, length), kind } => {
                let at = start(block) + offset;
                let text: &[u8] = match kind {
                    0 => b"77777777777777",
                    1 => &[0xff; 12],
                    2 => b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                    3 => b"-0000000001",
                    4 => b"99999999999",
                    _ => b"00000000000",
                };
                let length = length.min(text.len());
                bytes[at..at + length].copy_from_slice(&text[..length]);
                mend(bytes, start(block));
            }
            Damage::Type { block, flag } => {
                bytes[start(block) + 156] = flag;
                mend(bytes, start(block));
            }
            Damage::Remove { block } => drop(bytes.drain(start(block)..start(block) + 512)),
            Damage::Repeat { block } => {
                let copy = bytes[start(block)..start(block) + 512].to_vec();
                let at = start(block);
                bytes.splice(at..at, copy);
            }
            Damage::Swap { a, b } => {
                for offset in 0..512 {
                    bytes.swap(start(a) + offset, start(b) + offset);
                }
            }
        }
    }
}

/// Makes the checksum fit again, if the block looks like a header: then what it says is believed.
fn mend(bytes: &mut [u8], start: usize) {
    if let Some(block) = bytes.get_mut(start..start + 512)
        && &block[257..262] == b"ustar"
    {
        seal(block);
    }
}

fn check(case: &Case<Damage>, lower: &Tree) -> Result<(), String> {
    let damages = case.concat();
    let seed = damages.iter().find_map(|damage| match damage {
        Damage::Of { seed } => Some(*seed),
        _ => None,
    });
    let mut random = Random::new(seed.unwrap_or(0));
    let mut bytes = stacks::any_archive(&mut random);
    damages.iter().for_each(|damage| damage.apply(&mut bytes));
    let indexed = index_layer(Cursor::new(&bytes), lower);
    let scene = Scene::new();
    let unpacked = unpack(&bytes, &scene, lower);
    scene.check_outside();
    match (indexed, unpacked) {
        (Ok(indexed), Ok(unpacked)) if indexed != unpacked => Err("two indexes".to_owned()),
        (Err(error), Ok(_)) => Err(format!("unpacked, but: {error}")),
        _ => Ok(()),
    }
}

/// The most memory this process had, in KiB.
pub(crate) fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
