//! [`Call`]: a system call and its arguments, kept for display.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A system call as a person would write it: `openat(7</srv/root>, "etc/passwd", O_RDONLY)`.
///
/// Built only once the call has failed, so that success costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    name: &'static str,
    arguments: Vec<String>,
}

impl Call {
    pub fn new(name: &'static str) -> Call {
        Call { name, arguments: Vec::new() }
    }

    /// A file descriptor with the path it stands for.
    pub fn fd(self, fd: impl AsFd) -> Call {
        let text = describe_fd(fd.as_fd());
        self.text(text)
    }

    /// A path or name, quoted.
    pub fn path(self, path: impl AsRef<Path>) -> Call {
        let text = quote(path.as_ref().as_os_str().as_bytes());
        self.text(text)
    }

    /// Flags, numbers and everything else that displays itself.
    pub fn text(mut self, argument: impl fmt::Display) -> Call {
        self.arguments.push(argument.to_string());
        self
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.arguments.join(", "))
    }
}

fn describe_fd(fd: BorrowedFd<'_>) -> String {
    let number = fd.as_raw_fd();
    if number < 0 {
        return "AT_FDCWD".to_owned();
    }
    match std::fs::read_link(format!("/proc/self/fd/{number}")) {
        Ok(path) => format!("{number}<{}>", path.display()),
        Err(_) => number.to_string(),
    }
}

fn quote(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_arguments_as_written() {
        let call = Call::new("mkdirat").path("a\nb").text("0755");
        assert_eq!(call.to_string(), r#"mkdirat("a\nb", 0755)"#);
    }

    #[test]
    fn shows_where_a_descriptor_points() {
        let file = std::fs::File::open("/").unwrap();
        let text = Call::new("openat").fd(&file).to_string();
        assert!(text.ends_with("</>)"), "{text}");
    }
}
