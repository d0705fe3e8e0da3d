//! Sending what was written on its way to the disk.
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

/// Begins to write these bytes of a file to its disk and waits for nothing, so that who syncs the file later waits less.
pub fn begin(file: impl AsFd, bytes: Range<u64>) -> io::Result<()> {
    let fd = file.as_fd().as_raw_fd();
    let offset = |at: u64| libc::off64_t::try_from(at).map_err(io::Error::other);
    let (start, length) = (offset(bytes.start)?, offset(bytes.end.saturating_sub(bytes.start))?);
    // SAFETY: the call reads no memory of ours.
    let result = unsafe { libc::sync_file_range(fd, start, length, libc::SYNC_FILE_RANGE_WRITE) };
    if result != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_files_have_something_to_write() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"text").unwrap();
        begin(&file, 0..4).unwrap();
        begin(&file, 2..1 << 40).unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        assert_eq!(begin(&reader, 0..4).unwrap_err().raw_os_error(), Some(libc::ESPIPE));
        assert!(begin(&file, 0..u64::MAX).is_err());
    }
}
