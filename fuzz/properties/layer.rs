//! Whatever bytes are called a layer: they are refused or have one index, which survives being written down.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use std::io::{Cursor, Read};

use store::layer::{Entry, EntryKind, LayerIndex, decompressor, index_layer};
use store::tree::{Tree, TreeContent, TreeLayer};

/// More than any case here holds once it is decompressed; a bomb is cut off.
const ENOUGH: u64 = 4 << 20;

pub fn check(bytes: &[u8]) {
    let _ = store::layer::is_archive(Cursor::new(bytes));
    let Ok(reader) = decompressor(Cursor::new(bytes)) else { return };
    let mut plain = Vec::new();
    if reader.take(ENOUGH).read_to_end(&mut plain).is_err() {
        return;
    }
    let alone = index_layer(Cursor::new(&plain), &Tree::default());
    let above = index_layer(Cursor::new(&plain), &lower());
    for index in [alone, above].into_iter().flatten() {
        look_at(&index);
        assert_eq!(LayerIndex::from_bytes(&index.to_bytes()).expect("an index"), index);
    }
}

/// A layer below with whatever names the cases use: a directory, a link that leads out, a file.
fn lower() -> Tree {
    let entries = vec![
        Entry::new("a", EntryKind::Dir { opaque: false }, 0o755),
        Entry::new("a/b", EntryKind::File { size: 1, digest: None, offset: None }, 0o644),
        Entry::new("c", EntryKind::Symlink { target: b"../../outside".to_vec() }, 0o777),
        Entry::new("d", EntryKind::Symlink { target: b"d".to_vec() }, 0o777),
    ];
    let index = std::sync::Arc::new(LayerIndex::new(entries));
    Tree::new(vec![TreeLayer::new(index, TreeContent::Unavailable)])
}

/// Paths are clean, below the root, and each there once, in order.
fn look_at(index: &LayerIndex) {
    let entries: Vec<Entry> = index.iter().collect();
    for pair in entries.windows(2) {
        let order = store::layer::compare_paths(&pair[0].path, &pair[1].path);
        assert!(order.is_lt(), "{} and {}", show(&pair[0].path), show(&pair[1].path));
    }
    for entry in entries {
        let parts = || entry.path.split(|byte| *byte == b'/');
        let clean = parts().all(|part| !matches!(part, b"" | b"." | b".."));
        assert!(entry.path.is_empty() || clean, "{} is no clean path", show(&entry.path));
        assert!(!entry.path.contains(&0), "{} has a NUL", show(&entry.path));
        assert_eq!(index.get(&entry.path).as_ref(), Some(&entry));
    }
}

fn show(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}

/// Makes the checksums of all headers fit: then what they say is believed.
pub fn mend(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
