//! Compressing layers, and reading whatever compression an archive comes in.

use std::io::{self, BufReader, Read, Write};
use std::num::NonZero;

use super::parallel::{Memory, Method, Parallel, PieceRecord};

/// The memory a stream may ask for to be decompressed: twice what `xz -9` needs, and what zstd accepts unless told
/// otherwise. Each unpacking could take it.
const MAX_WINDOW: u64 = 128 << 20;

/// The form of a layer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    None,
    /// Level 0 to 9.
    Gzip {
        level: u32,
    },
    /// Level 1 to 22.
    Zstd {
        level: i32,
    },
}

/// How an archive's first bytes say it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detected {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Compression {
    /// What `docker save` and registries expect.
    pub const GZIP: Compression = Compression::Gzip { level: 1 };
    pub const ZSTD: Compression = Compression::Zstd { level: 3 };
}

impl Detected {
    /// From the first bytes; six are enough.
    pub fn of(start: &[u8]) -> Detected {
        match start {
            [0x1f, 0x8b, ..] => Detected::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Detected::Zstd,
            // A zstd stream may begin with a skippable frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Detected::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Detected::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Detected::Bzip2,
            _ => Detected::Plain,
        }
    }
}

/// Reads the plain bytes of an archive, whichever way it is compressed.
pub fn decompressor<'a>(reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(detect(reader)?.1)
}

/// As [`decompressor`], telling what was found.
pub fn detect<'a>(
    mut reader: impl Read + Send + 'a,
) -> io::Result<(Detected, Box<dyn Read + Send + 'a>)> {
    let mut start = Vec::with_capacity(6);
    reader.by_ref().take(6).read_to_end(&mut start)?;
    let detected = Detected::of(&start);
    let whole = BufReader::with_capacity(128 << 10, io::Cursor::new(start).chain(reader));
    let plain: Box<dyn Read + Send + 'a> = match detected {
        Detected::Plain => Box::new(whole),
        // One member after the other: parallel compressors write many.
        Detected::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        Detected::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(whole)?;
            decoder.window_log_max(MAX_WINDOW.ilog2())?;
            Box::new(Bounded(decoder))
        }
        Detected::Xz => {
            // The dictionary and what goes with it.
            let limit = (MAX_WINDOW >> 10) as u32 + 1024;
            Box::new(Bounded(lzma_rust2::XzReader::new_mem_limit(whole, true, limit)))
        }
        Detected::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(whole)),
    };
    Ok((detected, plain))
}

/// Says which limit it was when a stream asks for a larger window than [`MAX_WINDOW`].
struct Bounded<R>(R);

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            // The two decoders' own words for it.
            let is_limit = error.kind() == io::ErrorKind::OutOfMemory
                || error.to_string().contains("too much memory");
            match is_limit {
                true => io::Error::other(format!(
                    "it was compressed with a window of more than {} MiB",
                    MAX_WINDOW >> 20
                )),
                false => error,
            }
        })
    }
}

/// A writer that compresses; the bytes depend on the content and the settings only.
pub struct Compressor<W: Write>(Inner<W>);

enum Inner<W: Write> {
    Plain(W),
    Packed(Box<Parallel<W>>),
}

pub fn compressor<W: Write>(writer: W, compression: Compression) -> io::Result<Compressor<W>> {
    compressor_with(writer, compression, None, None)
}

/// With so many threads instead of one for each processor, and with what was compressed before.
pub(crate) fn compressor_with<W: Write>(
    writer: W,
    compression: Compression,
    workers: Option<NonZero<usize>>,
    memory: Option<Memory>,
) -> io::Result<Compressor<W>> {
    let method = match compression {
        Compression::None => return Ok(Compressor(Inner::Plain(writer))),
        Compression::Gzip { level } => Method::Gzip { level },
        Compression::Zstd { level } => Method::Zstd { level },
    };
    let parallel = Parallel::new(writer, method, workers, memory)?;
    Ok(Compressor(Inner::Packed(Box::new(parallel))))
}

impl<W: Write> Compressor<W> {
    /// Writes what is buffered and the end mark. Returns the writer, which is not flushed.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.finish_with_pieces()?.0)
    }

    /// Also what the stream is made of, if it was to be remembered.
    pub(crate) fn finish_with_pieces(self) -> io::Result<(W, Vec<PieceRecord>)> {
        match self.0 {
            Inner::Plain(writer) => Ok((writer, Vec::new())),
            Inner::Packed(parallel) => parallel.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain(writer) => writer.write(bytes),
            Inner::Packed(parallel) => parallel.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Plain(writer) => writer.flush(),
            Inner::Packed(parallel) => parallel.flush(),
        }
    }
}

impl<W: Write> std::fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            Inner::Plain(_) => "Compressor(plain)",
            Inner::Packed(_) => "Compressor(packed)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(bytes: &[u8], compression: Compression) -> Vec<u8> {
        let mut writer = compressor(Vec::new(), compression).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    /// Parallel compressors write several streams one after the other, eStargz and zstd:chunked put frames between
    /// them that a reader is to skip.
    #[test]
    fn streams_of_several_parts_are_read_to_their_end() {
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let other = [&[0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0][..]].concat();
        let gzip = |bytes: &[u8]| compressed(bytes, Compression::GZIP);
        let zstd = |bytes: &[u8]| compressed(bytes, Compression::ZSTD);
        let bzip2 = |bytes: &[u8]| {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        };
        let xz = |bytes: &[u8]| {
            let options = lzma_rust2::XzOptions::with_preset(0);
            let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        };
        for (stream, kind) in [
            ([bzip2(b"one"), bzip2(b"two")].concat(), Detected::Bzip2),
            // Zeros may stand between two xz streams.
            ([xz(b"one"), vec![0; 8], xz(b"two")].concat(), Detected::Xz),
            ([gzip(b"one"), gzip(b""), gzip(b"two")].concat(), Detected::Gzip),
            ([zstd(b"one"), zstd(b"two")].concat(), Detected::Zstd),
            (
                [skipped.clone(), zstd(b"one"), other, zstd(b"two"), skipped].concat(),
                Detected::Zstd,
            ),
            (b"onetwo".to_vec(), Detected::Plain),
        ] {
            let mut plain = String::new();
            let (detected, mut reader) = detect(stream.as_slice()).unwrap();
            reader.read_to_string(&mut plain).unwrap();
            assert_eq!((detected, plain.as_str()), (kind, "onetwo"));
        }
    }
}
