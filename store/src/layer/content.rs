//! [`ContentDigest`]: identity of a file's bytes, for cache keys and comparisons.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};

/// The BLAKE3 hash of a file's bytes. Never leaves this machine's store: what is published is
/// named by SHA-256 (`Digest`); this one is three times faster and computed on every read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentDigest([u8; 32]);

/// BLAKE3 is fastest on large pieces.
const BUFFER: usize = 32 << 10;

thread_local! {
    /// What a thread reads into, one file after the other: zeros for each would take as long as hashing a small one.
    static PIECE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl ContentDigest {
    pub fn of(bytes: &[u8]) -> ContentDigest {
        ContentDigest(*blake3::hash(bytes).as_bytes())
    }

    pub fn of_reader(mut reader: impl Read) -> io::Result<ContentDigest> {
        let mut hasher = ContentHasher::default();
        let mut buffer = PIECE.take();
        buffer.resize(BUFFER, 0);
        let result = loop {
            match reader.read(&mut buffer) {
                Ok(0) => break Ok(hasher.finish()),
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        PIECE.set(buffer);
        result
    }

    pub fn from_bytes(bytes: [u8; 32]) -> ContentDigest {
        ContentDigest(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentDigest({self})")
    }
}

/// Computes a [`ContentDigest`] from the bytes written to it.
#[derive(Clone, Debug, Default)]
pub struct ContentHasher(blake3::Hasher);

impl ContentHasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(&self) -> ContentDigest {
        ContentDigest(*self.0.finalize().as_bytes())
    }
}

impl io::Write for ContentHasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
