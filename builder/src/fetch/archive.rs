//! Archives as contexts: tar in any compression, unpacked as ADD does it, so that no name and no link in it
//! reaches out of the directory.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use store::Store;
use store::id_map::IdMap;
use store::layer::{apply_archive, decompressor, is_archive};
use store::tree::Tree;
use sys::RootDir;

use super::url::redacted;
use super::{Access, Checksum, FetchError, Fetched, RemoteFile, download};

/// As much of a file as tells an archive from a text.
const START: u64 = 4096;

/// What a stream turned out to be.
#[derive(Debug)]
pub enum Streamed {
    Archive(Fetched),
    Text(Vec<u8>),
}

/// Unpacks an archive; `origin` is what messages call it.
fn unpack(reader: impl Read + Send, origin: &str, store: &Store) -> Result<Fetched, FetchError> {
    let mut fetched = Fetched::new(store, origin)?;
    let failed = |source| FetchError::Archive { origin: origin.to_owned(), source };
    let plain = decompressor(reader)
        .map_err(|source| FetchError::Read { origin: origin.to_owned(), source })?;
    let dir = RootDir::open(fetched.path())
        .map_err(|source| FetchError::Open { origin: origin.to_owned(), source })?;
    let index = apply_archive(plain, &dir, &Tree::default(), IdMap::Identity).map_err(failed)?;
    fetched.time = index.iter().filter(|entry| !entry.is_dir()).map(|entry| entry.mtime).max();
    Ok(fetched)
}

/// An archive is unpacked as it comes, anything else is a text.
pub fn read_stream(
    mut reader: impl Read + Send,
    origin: &str,
    store: &Store,
) -> Result<Streamed, FetchError> {
    let failed = |source| FetchError::Read { origin: origin.to_owned(), source };
    let mut start = Vec::new();
    reader.by_ref().take(START).read_to_end(&mut start).map_err(failed)?;
    if looks_like_archive(&start) {
        return Ok(Streamed::Archive(unpack(Cursor::new(start).chain(reader), origin, store)?));
    }
    reader.read_to_end(&mut start).map_err(failed)?;
    Ok(Streamed::Text(start))
}

/// Whether a file of this machine is an archive.
pub fn is_archive_file(path: &Path) -> Result<bool, FetchError> {
    let origin = || format!("`{}`", path.display());
    let failed = |source| FetchError::Read { origin: origin(), source };
    let mut start = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(START).read_to_end(&mut start).map_err(failed)?;
    Ok(looks_like_archive(&start))
}

/// A file of this machine that is an archive, unpacked.
pub fn archive_file(path: &Path, store: &Store) -> Result<Fetched, FetchError> {
    let origin = format!("`{}`", path.display());
    let file =
        File::open(path).map_err(|source| FetchError::Read { origin: origin.clone(), source })?;
    unpack(file, &origin, store)
}

/// What is at a URL, and when the server says it was made.
pub fn read_url(url: &str, access: &Access<'_>) -> Result<(Streamed, Option<i64>), FetchError> {
    let origin = format!("`{}`", redacted(url));
    let download = download(url, access)?;
    let file = File::open(&download.path)
        .map_err(|source| FetchError::Read { origin: origin.clone(), source })?;
    let modified = download.known.modified;
    let mut streamed = read_stream(file, &origin, access.store)?;
    if let Streamed::Archive(fetched) = &mut streamed {
        fetched.time = modified.or(fetched.time);
    }
    Ok((streamed, modified))
}

/// When a file on a server was made: by its Last-Modified, else by the newest file in it where it is an archive.
pub(crate) fn time_of_url(
    url: &str,
    checksum: Option<&Checksum>,
    access: &Access<'_>,
) -> Result<Option<i64>, FetchError> {
    let file = RemoteFile::find(url, checksum, access)?;
    if let Some(modified) = file.modified() {
        return Ok(Some(modified));
    }
    let download = file.fetch(access)?;
    if let Some(modified) = download.known.modified {
        return Ok(Some(modified));
    }
    let origin = format!("`{}`", redacted(url));
    let content = File::open(&download.path)
        .map_err(|source| FetchError::Read { origin: origin.clone(), source })?;
    match read_stream(content, &origin, access.store)? {
        Streamed::Archive(fetched) => Ok(fetched.time),
        Streamed::Text(_) => Ok(None),
    }
}

/// Whether the first bytes are those of an archive: docker's rule to tell a context from a Dockerfile. What is
/// compressed is taken for an archive, because no Dockerfile is.
fn looks_like_archive(start: &[u8]) -> bool {
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
