//! Every class of bytes of every kind of blob: fields of headers, keys and values of documents, compressed data and their
//! sums. A flipped bit in any of them is found, and the blob is named.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use store::{Descriptor, FormOptions, Index, LayerForm, Store, media_type};

use crate::support::{assert_valid, image, reference, sandbox};

/// Where the bytes of each class are.
type Classes = BTreeMap<&'static str, Vec<usize>>;

const TAR_HEADER: [(&str, usize); 17] = [
    ("name", 0),
    ("mode", 100),
    ("owner", 108),
    ("group", 116),
    ("size", 124),
    ("time", 136),
    ("header sum", 148),
    ("type", 156),
    ("link", 157),
    ("magic", 257),
    ("version", 263),
    ("owner name", 265),
    ("group name", 297),
    ("device", 329),
    ("prefix", 345),
    ("header padding", 500),
    ("", 512),
];

fn classes_of(bytes: &[u8]) -> Classes {
    match bytes {
        [0x1f, 0x8b, ..] => gzip(bytes),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd(bytes),
        [b'{', ..] => json(bytes),
        _ => tar(bytes),
    }
}

fn ranges(parts: &[(&'static str, std::ops::Range<usize>)]) -> Classes {
    parts.iter().map(|(class, range)| (*class, range.clone().collect())).collect()
}

fn gzip(bytes: &[u8]) -> Classes {
    let end = bytes.len();
    ranges(&[
        ("gzip magic", 0..2),
        ("gzip method", 2..3),
        ("gzip flags", 3..4),
        ("gzip time", 4..8),
        ("gzip system", 8..10),
        ("deflated data", 10..end - 8),
        ("gzip sum", end - 8..end - 4),
        ("gzip length", end - 4..end),
    ])
}

fn zstd(bytes: &[u8]) -> Classes {
    let end = bytes.len();
    ranges(&[("zstd magic", 0..4), ("zstd descriptor", 4..5), ("zstd data", 5..end)])
}

fn json(bytes: &[u8]) -> Classes {
    let mut classes = Classes::new();
    let mut at = 0;
    while at < bytes.len() {
        let begin = at;
        let class = match bytes[at] {
            b'"' => {
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if bytes.get(at + 1) == Some(&b':') { "key" } else { "text" }
            }
            b'0'..=b'9' => "number",
            byte if byte.is_ascii_alphabetic() => "literal",
            _ => "structure",
        };
        at += 1;
        classes.entry(class).or_default().extend(begin..at);
    }
    classes
}

fn tar(bytes: &[u8]) -> Classes {
    let mut classes = Classes::new();
    let mut at = 0;
    while bytes[at] != 0 {
        for pair in TAR_HEADER.windows(2) {
            let field = at + pair[0].1..at + pair[1].1;
            classes.entry(pair[0].0).or_default().extend(field);
        }
        let size = std::str::from_utf8(&bytes[at + 124..at + 135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap();
        let class = if bytes[at + 156] == b'x' { "attributes" } else { "content" };
        at += 512;
        classes.entry(class).or_default().extend(at..at + size);
        let next = at + size.next_multiple_of(512);
        classes.entry("padding").or_default().extend(at + size..next);
        at = next;
    }
    classes.entry("end").or_default().extend(at..bytes.len());
    classes
}

/// Layers in every form, their configuration and manifests, an index.
fn everything(store: &Store) -> Vec<PathBuf> {
    let long = format!("d/{}", "n".repeat(150));
    let layers: [&[(&str, &str)]; 2] =
        [&[("d/", ""), (&long, "hello"), ("empty", "")], &[("!empty", ""), ("d/b", "world")]];
    let plain = image(store, &["plain"], &layers);
    for (form, name) in [(LayerForm::GZIP, "gzip"), (LayerForm::ZSTD, "zstd")] {
        let changed = store.with_layer_form(&plain, FormOptions { form, force: false }).unwrap();
        store.add_names(&changed.descriptor, &[reference(name)]).unwrap();
    }
    let mut entry = plain.descriptor.clone();
    entry.platform = Some(plain.platform());
    let index = Index::new(vec![entry]).to_bytes();
    store.put_bytes(&index).unwrap();
    let index = Descriptor::of(media_type::IMAGE_INDEX, &index);
    store.add_names(&index, &[reference("index")]).unwrap();
    let blobs = store.blobs().unwrap();
    blobs.iter().map(|blob| store.blob_path(blob)).collect()
}

#[test]
fn a_flipped_bit_is_found_in_every_class_of_bytes() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let blobs = everything(store);
    assert_valid(store);
    // Two layers in three forms, a configuration, a manifest for each form, an index.
    assert_eq!(blobs.len(), 2 * 3 + 1 + 3 + 1);
    let (mut tried, mut seen) = (0, BTreeSet::new());
    for path in blobs {
        let good = fs::read(&path).unwrap();
        let classes = classes_of(&good);
        let all: usize = classes.values().map(Vec::len).sum();
        assert_eq!(all, good.len(), "every byte is of one class");
        let name = format!("images/blobs/sha256/{}", path.file_name().unwrap().to_str().unwrap());
        for (class, positions) in classes.iter().filter(|(_, positions)| !positions.is_empty()) {
            let last = positions.len() - 1;
            for (number, at) in [0, last / 2, last].map(|which| positions[which]).iter().enumerate()
            {
                let mut damaged = good.clone();
                damaged[*at] ^= 1 << ((at + 3 * number) % 8);
                fs::write(&path, damaged).unwrap();
                let problems = store.validate().unwrap();
                let named = problems.iter().any(|problem| problem.to_string().contains(&name));
                assert!(named, "{class} of {name} at {at}: {problems:?}");
                tried += 1;
            }
            seen.insert(*class);
        }
        fs::write(&path, &good).unwrap();
        assert_valid(store);
    }
    let fields = TAR_HEADER.iter().map(|(class, _)| *class).filter(|class| !class.is_empty());
    let others = ["attributes", "content", "padding", "end", "key", "text", "number", "structure"];
    let compressed = ["gzip magic", "deflated data", "gzip sum", "gzip length", "zstd data"];
    for class in fields.chain(others).chain(compressed) {
        assert!(seen.contains(class), "no bytes of class {class}");
    }
    println!("{tried} bits flipped in {} classes", seen.len());
}
