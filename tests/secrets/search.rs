//! Looks for the bytes of a secret in everything a build leaves, however they are wrapped.

use std::fs;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Deeper than layers in archives in layers.
const DEPTH: usize = 6;

/// A secret in the forms that do not hide it.
pub(super) struct Needles(Vec<Vec<u8>>);

impl Needles {
    pub(super) fn new(secret: &str) -> Needles {
        let bytes = secret.as_bytes();
        assert!(bytes.len() > 8, "too short to be found by base64");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut needles = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        // Wherever it begins in what is encoded; the first and the last characters depend on what is around.
        for before in 0..3 {
            let text = STANDARD_NO_PAD.encode([vec![0; before], bytes.to_vec()].concat());
            let whole = (before + bytes.len()) / 3 * 4;
            let text = &text[(before * 8).div_ceil(6)..whole];
            needles.push(text.as_bytes().to_vec());
            needles.push(text.replace('+', "-").replace('/', "_").into_bytes());
        }
        Needles(needles)
    }

    /// Every file below a directory that holds it, in its name or its content.
    pub(super) fn files(&self, directory: &Path) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(directory, &mut found);
        found
    }

    fn walk(&self, path: &Path, found: &mut Vec<String>) {
        let Ok(metadata) = fs::symlink_metadata(path) else { return };
        let mut note = |what: &str| found.push(format!("{what} {}", path.display()));
        if self.are_in(path.file_name().unwrap_or_default().as_encoded_bytes()) {
            note("the name");
        }
        if metadata.is_symlink() {
            let target = fs::read_link(path).unwrap_or_default();
            if self.are_in(target.as_os_str().as_encoded_bytes()) {
                note("the link");
            }
        } else if metadata.is_file() {
            // It may go while we look.
            if self.are_in(&fs::read(path).unwrap_or_default()) {
                note("the file");
            }
        } else if metadata.is_dir() {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                self.walk(&entry.path(), found);
            }
        }
    }

    pub(super) fn are_in(&self, bytes: &[u8]) -> bool {
        self.within(bytes, DEPTH)
    }

    fn within(&self, bytes: &[u8], depth: usize) -> bool {
        if self.0.iter().any(|needle| contains(bytes, needle)) {
            return true;
        }
        if depth == 0 {
            return false;
        }
        let mut inner = Vec::new();
        let unpacked = match bytes {
            [0x1f, 0x8b, ..] => {
                flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut inner).is_ok()
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut inner).is_ok()
            }
            // Objects and packs of git are many such streams; what an object of its own is, is one.
            [0x78, ..] => flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut inner).is_ok(),
            _ => false,
        };
        if unpacked && self.within(&inner, depth - 1) {
            return true;
        }
        is_tar(bytes) && self.in_members(bytes, depth - 1)
    }

    fn in_members(&self, bytes: &[u8], depth: usize) -> bool {
        let mut archive = tar::Archive::new(bytes);
        let Ok(entries) = archive.entries() else { return false };
        entries.flatten().any(|mut entry| {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).is_ok() && self.within(&content, depth)
        })
    }
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    // The first byte alone is found many times faster than a window is compared.
    let first = needle[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

#[test]
fn what_is_wrapped_is_found() {
    use std::io::Write;
    let needles = Needles::new("an-0rdinary-s3cret");
    let text = b"before an-0rdinary-s3cret after".to_vec();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    archive.append_data(&mut header, "name", &text[..]).unwrap();
    let tar = archive.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    assert!(!contains(&gzip, b"an-0rdinary-s3cret"));
    let zstd = zstd::encode_all(&gzip[..], 1).unwrap();
    for bytes in [&text, &tar, &gzip, &zstd] {
        assert!(needles.are_in(bytes));
    }
    for before in ["", "u:", "user:", "longer:"] {
        let text = STANDARD_NO_PAD.encode(format!("{before}an-0rdinary-s3cret"));
        assert!(needles.are_in(text.as_bytes()), "{text}");
    }
    assert!(needles.are_in(b"616e2d307264696e6172792d733363726574"));
    assert!(!needles.are_in(b"an-0rdinary-secret"));
}
