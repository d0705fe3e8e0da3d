//! [`SysError`]: a failed system call.

use std::fmt;
use std::io;

use crate::Call;

/// A system call that failed: `openat(7</srv/root>, "etc/passwd", O_RDONLY): no such file or directory`.
///
/// The cause is part of the message, so `Error::source` has nothing to add.
#[derive(Debug)]
pub struct SysError {
    pub call: Call,
    pub source: io::Error,
}

pub type Result<T> = std::result::Result<T, SysError>;

impl SysError {
    pub fn new(call: Call, source: impl Into<io::Error>) -> SysError {
        SysError { call, source: source.into() }
    }

    /// The kernel's error number, when the error came from the kernel.
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl std::error::Error for SysError {}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, Cause(&self.source))
    }
}

impl From<SysError> for io::Error {
    fn from(error: SysError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

/// The kernel's words in our style: lower-case, without the number.
struct Cause<'a>(&'a io::Error);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0.raw_os_error() {
            Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
            None => self.0.to_string(),
        };
        let mut letters = text.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        let acronym =
            letters.clone().next().is_some_and(|letter| letter.is_uppercase() || letter == '/');
        if acronym {
            return f.write_str(&text);
        }
        first.into_iter().chain(letters).try_for_each(|letter| write!(f, "{letter}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_the_call_and_its_cause() {
        let error = SysError::new(
            Call::new("mount").path("overlay").path("/run/c"),
            io::Error::from_raw_os_error(libc::ENODEV),
        );
        assert_eq!(error.to_string(), r#"mount("overlay", "/run/c"): no such device"#);
        assert_eq!(error.errno(), Some(libc::ENODEV));
        let broken = io::Error::from_raw_os_error(libc::EIO);
        assert_eq!(SysError::new(Call::new("fsync"), broken).to_string(), "fsync(): I/O error");
    }
}
