//! Where an archive goes: a tar stream or the directory of an OCI layout.
//!
//! A tar that was not written to its end has no end mark: a reader of a pipe sees that it is cut off.
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use super::ArchiveError;
use crate::error::{Result, StoreError, io_error};

const BLOCK: u64 = 512;

/// Takes the files of an archive, each directory before what is in it.
pub(super) trait Sink {
    fn directory(&mut self, name: &str) -> Result<()>;
    /// Writes all of `content`, which is to have `size` bytes. Tells how many it had.
    fn file(&mut self, name: &str, content: &mut dyn Read, size: u64) -> Result<u64>;
    /// What remains to be written behind the last file.
    fn finish(&mut self) -> Result<()>;
}

/// Owners, times and modes are the same for everyone.
pub(super) struct TarSink<'a>(pub(super) &'a mut dyn Write);

impl Sink for TarSink<'_> {
    fn directory(&mut self, name: &str) -> Result<()> {
        self.header(tar::EntryType::Directory, 0o755, &format!("{name}/"), 0)
    }

    fn file(&mut self, name: &str, content: &mut dyn Read, size: u64) -> Result<u64> {
        self.header(tar::EntryType::Regular, 0o644, name, size)?;
        let count = copy(content, self.0)?;
        let padding = size.next_multiple_of(BLOCK) - size;
        self.0.write_all(&[0; BLOCK as usize][..padding as usize]).map_err(write_error)?;
        Ok(count)
    }

    fn finish(&mut self) -> Result<()> {
        self.0.write_all(&[0; 2 * BLOCK as usize]).map_err(write_error)?;
        self.0.flush().map_err(write_error)
    }
}

impl TarSink<'_> {
    fn header(&mut self, kind: tar::EntryType, mode: u32, name: &str, size: u64) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(write_error)?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.0.write_all(header.as_bytes()).map_err(write_error)
    }
}

/// Files below a directory that only this process knows yet.
pub(super) struct DirSink(pub(super) PathBuf);

impl Sink for DirSink {
    fn directory(&mut self, name: &str) -> Result<()> {
        let path = self.0.join(name);
        fs::create_dir(&path).map_err(io_error("create the directory", &path))
    }

    fn file(&mut self, name: &str, content: &mut dyn Read, _size: u64) -> Result<u64> {
        let path = self.0.join(name);
        let mut file = File::create_new(&path).map_err(io_error("create", &path))?;
        copy(content, &mut file)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Tells a failing source from a failing destination.
fn copy(content: &mut dyn Read, writer: &mut dyn Write) -> Result<u64> {
    // As much as is written at once: see `layer::holes`. The kernel's own copying (`copy_file_range`) takes larger pieces of
    // memory, and two to four times as long.
    let (mut buffer, mut count) = (vec![0; 32 << 10], 0);
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(count),
            Ok(read) => {
                writer.write_all(&buffer[..read]).map_err(write_error)?;
                count += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(StoreError::BlobSource { source }),
        }
    }
}

fn write_error(source: io::Error) -> StoreError {
    ArchiveError::Write { source }.into()
}
