//! The bytes of a directory's files in the order of an index. Where there are many, another thread opens and reads the small
//! ones while the caller works on those before.
//!
//! What is read ahead is bounded: portions of so many files and bytes, a few at a time.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use sys::{RootDir, SysError};

use super::diff::{as_path, scan_error};
use super::entry::{Entry, EntryKind, split_parent};
use super::error::show;
use super::{LayerError, LayerIndex, holes};

/// Larger ones are opened ahead and read by the caller.
const SMALL: u64 = 32 << 10;
const PORTION_FILES: usize = 64;
const PORTION_BYTES: usize = 256 << 10;
const PORTIONS: usize = 2;
/// Of the files that are only opened: several layers may be written at once.
const PORTION_OPEN: usize = 4;
/// So few are read sooner than a thread has started.
const FEW: usize = 256;

/// How a file is opened.
pub(super) type Open = fn(&RootDir, &Path) -> Result<File, SysError>;

/// What is done with an entry and, of a file, its bytes.
type Take<'a> = &'a mut dyn FnMut(&Entry, Option<&mut dyn Read>) -> Result<(), LayerError>;

/// Gives all entries of `index`, and the bytes of those that are files in `dir`.
pub(super) fn each(
    index: &LayerIndex,
    dir: &RootDir,
    open: Open,
    take: Take<'_>,
) -> Result<(), LayerError> {
    let mut files = Files { dir, open, parent: None };
    if index.len() < FEW {
        return one_by_one(index, &mut files, take);
    }
    std::thread::scope(|scope| {
        let (portions, read) = sync_channel(PORTIONS);
        let reading = move || read_on(index, files, &portions);
        if Builder::new().name("read".to_owned()).spawn_scoped(scope, reading).is_err() {
            return one_by_one(index, &mut Files { dir, open, parent: None }, take);
        }
        // Dropped here, it ends the thread.
        let mut ahead = Ahead { read, portion: Portion::default(), next: 0, at: 0 };
        for entry in index {
            match entry.is_file() {
                true => ahead.give(&entry, take)?,
                false => take(&entry, None)?,
            }
        }
        Ok(())
    })
}

fn one_by_one(index: &LayerIndex, files: &mut Files<'_>, take: Take<'_>) -> Result<(), LayerError> {
    for entry in index {
        match entry.is_file() {
            true => take(&entry, Some(&mut *holes::reader(files.open(&entry)?)))?,
            false => take(&entry, None)?,
        }
    }
    Ok(())
}

struct Files<'a> {
    dir: &'a RootDir,
    open: Open,
    /// The directory of the last one: those in a directory come together.
    parent: Option<(Vec<u8>, RootDir)>,
}

impl Files<'_> {
    fn open(&mut self, entry: &Entry) -> Result<File, LayerError> {
        let (parent, _) = split_parent(&entry.path).unwrap_or_default();
        let failed = |source| scan_error(&entry.path, source);
        let handle = match self.parent.take() {
            Some((path, handle)) if path == parent => handle,
            _ => self.dir.subdir_nofollow(as_path(parent)).map_err(failed)?,
        };
        let file = (self.open)(&handle, as_path(entry.name())).map_err(failed)?;
        self.parent = Some((parent.to_vec(), handle));
        Ok(file)
    }
}

/// Files one after the other.
#[derive(Default)]
struct Portion {
    items: Vec<Option<Item>>,
    /// Of the small ones.
    bytes: Vec<u8>,
}

enum Item {
    /// So many of the bytes.
    Read(usize),
    Open(File),
    /// The last one.
    Failed(LayerError),
}

fn read_on(index: &LayerIndex, mut files: Files<'_>, portions: &SyncSender<Portion>) {
    let (mut portion, mut open) = (Portion::default(), 0);
    for entry in index.iter().filter(Entry::is_file) {
        let item = files.open(&entry).and_then(|file| read(&entry, file, &mut portion.bytes));
        let item = item.unwrap_or_else(Item::Failed);
        let failed = matches!(item, Item::Failed(_));
        portion.items.push(Some(item));
        open += usize::from(matches!(portion.items.last(), Some(Some(Item::Open(_)))));
        let full = portion.items.len() == PORTION_FILES
            || portion.bytes.len() >= PORTION_BYTES
            || open == PORTION_OPEN
            || failed;
        if full {
            open = 0;
        }
        if full && portions.send(std::mem::take(&mut portion)).is_err() || failed {
            return;
        }
    }
    // Nobody listens any more, or takes what is left.
    let _ = portions.send(portion);
}

/// One byte more than the file is to have shows whether it has grown.
fn read(entry: &Entry, file: File, bytes: &mut Vec<u8>) -> Result<Item, LayerError> {
    let size = match entry.kind {
        EntryKind::File { size, .. } if size <= SMALL => size as usize,
        _ => return Ok(Item::Open(file)),
    };
    let start = bytes.len();
    bytes.resize(start + size + 1, 0);
    let filled = fill(&file, &mut bytes[start..], size);
    let filled =
        filled.map_err(|source| LayerError::ReadFile { path: show(&entry.path), source })?;
    bytes.truncate(start + filled);
    Ok(Item::Read(filled))
}

/// Reads to the end, which is reached where a read of more gives just what is expected.
fn fill(mut file: &File, space: &mut [u8], expected: usize) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        match file.read(&mut space[filled..]) {
            Ok(0) => return Ok(filled),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled == expected || filled == space.len() {
            return Ok(filled);
        }
    }
}

/// The other thread's files, in the order of the index.
struct Ahead {
    read: Receiver<Portion>,
    portion: Portion,
    next: usize,
    /// Where the bytes of the next one begin.
    at: usize,
}

impl Ahead {
    fn give(&mut self, entry: &Entry, take: Take<'_>) -> Result<(), LayerError> {
        if self.next == self.portion.items.len() {
            self.portion = self.read.recv().unwrap_or_default();
            (self.next, self.at) = (0, 0);
        }
        let item = self.portion.items.get_mut(self.next).and_then(Option::take);
        self.next += 1;
        match item {
            Some(Item::Read(count)) => {
                let mut bytes = &self.portion.bytes[self.at..self.at + count];
                self.at += count;
                take(entry, Some(&mut bytes))
            }
            Some(Item::Open(file)) => take(entry, Some(&mut *holes::reader(file))),
            Some(Item::Failed(error)) => Err(error),
            None => {
                let source = io::Error::other("the thread that reads ahead is gone");
                Err(LayerError::ReadFile { path: show(&entry.path), source })
            }
        }
    }
}
