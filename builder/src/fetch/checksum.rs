//! `ADD --checksum=sha256:…`: SHA-256, SHA-384 or SHA-512 of a file.

use std::fmt;
use std::io::{self, Read};

use serde::Serialize;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// `ALGORITHM:HEX`, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checksum(String);

/// The words are BuildKit's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    #[error("invalid checksum digest format")]
    Format,
    #[error("unsupported digest algorithm")]
    Algorithm,
    #[error("invalid checksum digest length")]
    Length,
}

impl Checksum {
    pub(crate) fn parse(text: &str) -> Result<Checksum, ChecksumError> {
        let (algorithm, hex) = text.split_once(':').ok_or(ChecksumError::Format)?;
        let length = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => return Err(ChecksumError::Algorithm),
        };
        if hex.len() != length {
            return Err(ChecksumError::Length);
        }
        if !hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return Err(ChecksumError::Format);
        }
        Ok(Checksum(text.to_owned()))
    }

    /// The checksum of the same kind that the bytes have.
    pub(crate) fn same_of(&self, reader: impl Read) -> io::Result<Checksum> {
        let algorithm = self.0.split_once(':').map_or("", |(algorithm, _)| algorithm);
        let hex = match algorithm {
            "sha384" => of::<Sha384>(reader)?,
            "sha512" => of::<Sha512>(reader)?,
            _ => of::<Sha256>(reader)?,
        };
        Ok(Checksum(format!("{algorithm}:{hex}")))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn of<D: Digest>(mut reader: impl Read) -> io::Result<String> {
    let mut hasher = D::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        for (text, start) in [
            (format!("sha256:{}", "0".repeat(64)), "sha256:ba7816bf"),
            (format!("sha384:{}", "0".repeat(96)), "sha384:cb00753f"),
            (format!("sha512:{}", "0".repeat(128)), "sha512:ddaf35a1"),
        ] {
            let checksum = Checksum::parse(&text).unwrap();
            let found = checksum.same_of(&b"abc"[..]).unwrap();
            assert!(found.to_string().starts_with(start), "{found}");
            assert_eq!(Checksum::parse(&found.to_string()).unwrap(), found);
        }
    }

    #[test]
    fn mistakes() {
        for (text, error) in [
            ("md5:00".to_owned(), ChecksumError::Algorithm),
            ("00".to_owned(), ChecksumError::Format),
            ("sha256:00".to_owned(), ChecksumError::Length),
            (format!("sha256:{}", "G".repeat(64)), ChecksumError::Format),
        ] {
            assert_eq!(Checksum::parse(&text), Err(error), "{text}");
        }
    }
}
