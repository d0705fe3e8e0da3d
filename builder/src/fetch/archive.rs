//! Archives as contexts: tar in any compression, unpacked as ADD does it, so that no name and no link in it
//! reaches out of the directory.

use std::io::Read;

use store::Store;
use store::id_map::IdMap;
use store::layer::{apply_archive, decompressor, is_archive};
use store::tree::Tree;
use sys::RootDir;

use super::{FetchError, Fetched};

/// Unpacks an archive; `origin` is what messages call it.
pub fn unpack(
    reader: impl Read + Send,
    origin: &str,
    store: &Store,
) -> Result<Fetched, FetchError> {
    let fetched = Fetched::new(store, origin)?;
    let failed = |source| FetchError::Archive { origin: origin.to_owned(), source };
    let plain = decompressor(reader)
        .map_err(|source| FetchError::Read { origin: origin.to_owned(), source })?;
    let dir = RootDir::open(fetched.path())
        .map_err(|source| FetchError::Open { origin: origin.to_owned(), source })?;
    apply_archive(plain, &dir, &Tree::default(), IdMap::Identity).map_err(failed)?;
    Ok(fetched)
}

/// Whether the first bytes are those of an archive: docker's rule to tell a context from a Dockerfile. What is
/// compressed is taken for an archive, because no Dockerfile is.
pub fn looks_like_archive(start: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"];
    COMPRESSED.iter().any(|magic| start.starts_with(magic)) || is_archive(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_archive() {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut tar::Header::new_gnu(), "a", &b""[..]).unwrap();
        let archive = builder.into_inner().unwrap();
        assert!(looks_like_archive(&archive[..512]));
        assert!(looks_like_archive(b"\x28\xb5\x2f\xfd"));
        for text in ["", "FROM scratch\n", "B", &"# a long comment\n".repeat(100)] {
            assert!(!looks_like_archive(text.as_bytes()), "{text:?}");
        }
    }
}
