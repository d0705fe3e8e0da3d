//! A file that has its name only once it is complete, whatever ends the writing before: an error, Ctrl-C, `kill -9`.
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

const MAX_LINKS: usize = 40;

/// Dropped without [`NewFile::finish`], it leaves nothing; what had the name before stays. A symbolic link stays one:
/// what it leads to is replaced.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: BufWriter<File>,
    name: Name,
}

#[derive(Debug, PartialEq, Eq)]
enum Name {
    /// A device, a pipe, `/dev/stdout`: written to as it is.
    Own,
    None,
    /// Where the file system has no files without a name, it has this one meanwhile, which only a killed process
    /// leaves behind.
    Beside(PathBuf),
}

impl NewFile {
    pub fn create(path: &Path) -> io::Result<NewFile> {
        let Some(path) = replaceable(path)? else {
            let file = File::options().write(true).truncate(true).open(path)?;
            return Ok(NewFile { path: path.into(), file: BufWriter::new(file), name: Name::Own });
        };
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let (file, name) = match rustix::fs::open(directory_of(&path), flags, mode) {
            Ok(file) => (File::from(file), Name::None),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let (beside, file) = make_beside(&path, |name| File::create_new(name))?;
                (file, Name::Beside(beside))
            }
            Err(errno) => return Err(errno.into()),
        };
        Ok(NewFile { path, file: BufWriter::new(file), name })
    }

    /// Gives it the name.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        if self.name == Name::None {
            // Only a rename replaces what has the name, and only something with a name can be renamed.
            let (beside, ()) = make_beside(&self.path, |name| link(self.file.get_ref(), name))?;
            self.name = Name::Beside(beside);
        }
        if let Name::Beside(beside) = &self.name {
            fs::rename(beside, &self.path)?;
        }
        self.name = Name::Own;
        Ok(())
    }
}

/// Where the links lead, of which the last may lead to nothing yet. None for what cannot be replaced: what is no
/// regular file, and files that are reached by their descriptors in `/proc`.
fn replaceable(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(Errno::ISDIR.into()),
        Ok(found) if !found.is_file() => return Ok(None),
        _ => {}
    }
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let directory = fs::canonicalize(directory_of(&path))?;
        if directory.starts_with("/proc") {
            return Ok(None);
        }
        path = directory.join(path.file_name().ok_or(Errno::ISDIR)?);
        match fs::read_link(&path) {
            Ok(target) => path = directory.join(target),
            // No link, or nothing at all.
            Err(_) => return Ok(Some(path)),
        }
    }
    Err(Errno::LOOP.into())
}

pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn link(file: &File, name: &Path) -> io::Result<()> {
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    let linked = rustix::fs::linkat(CWD, from, CWD, name, AtFlags::SYMLINK_FOLLOW);
    Ok(match linked {
        // Without /proc it takes a privilege.
        Err(Errno::NOENT) => rustix::fs::linkat(file, "", CWD, name, AtFlags::EMPTY_PATH),
        linked => linked,
    }?)
}

/// Makes something of the name `NAME.PID.tmp`, or `NAME.PID.1.tmp` and so on: in another container, or before, there
/// may have been a process of the same number.
pub(super) fn make_beside<T>(
    path: &Path,
    mut make: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    let mut number = 0;
    loop {
        let beside = beside(path, number);
        match make(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {
                number += 1;
            }
            made => return made.map(|made| (beside, made)),
        }
    }
}

fn beside(path: &Path, number: u32) -> PathBuf {
    // Together at most the 255 bytes that a name may have.
    let name = path.file_name().unwrap_or_default().as_bytes();
    let mut beside = OsString::from(OsStr::from_bytes(&name[..name.len().min(220)]));
    let number = if number == 0 { String::new() } else { format!(".{number}") };
    beside.push(format!(".{}{number}.tmp", std::process::id()));
    path.with_file_name(beside)
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Name::Beside(beside) = &self.name {
            // The error to tell is the one that came before.
            let _ = fs::remove_file(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write(path: &Path, text: &str) {
        let mut file = NewFile::create(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
    }

    #[test]
    fn the_name_comes_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "before").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"after").unwrap();
        drop(file);
        assert_eq!(
            (names(dir.path()), fs::read(&path).unwrap()),
            (vec!["a".into()], b"before".into())
        );
        write(&path, "after");
        assert_eq!(
            (names(dir.path()), fs::read(&path).unwrap()),
            (vec!["a".into()], b"after".into())
        );
        assert!(NewFile::create(&dir.path().join("no/such")).is_err());
        // What takes the name meanwhile may be a directory: nothing is left of the file that was to replace it.
        let taken = dir.path().join("taken");
        let file = NewFile::create(&taken).unwrap();
        fs::create_dir(&taken).unwrap();
        file.finish().unwrap_err();
        assert_eq!(names(dir.path()), ["a", "taken"]);
        let error = NewFile::create(&taken).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    /// As on file systems without files without names.
    #[test]
    fn a_name_of_its_own_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let named = || {
            let (beside, file) = make_beside(&path, |name| File::create_new(name)).unwrap();
            NewFile { path: path.clone(), file: BufWriter::new(file), name: Name::Beside(beside) }
        };
        drop(named());
        assert_eq!(names(dir.path()), [] as [String; 0]);
        named().finish().unwrap();
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn names_that_a_killed_process_left_are_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a".to_owned(), "n".repeat(255)] {
            let path = dir.path().join(name);
            fs::write(beside(&path, 0), "left").unwrap();
            fs::write(beside(&path, 1), "left").unwrap();
            write(&path, "whole");
            assert_eq!(fs::read(&path).unwrap(), b"whole");
        }
        assert_eq!(names(dir.path()).len(), 6);
    }

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("d")).unwrap();
        fs::write(path("d/real"), "before").unwrap();
        symlink("d/real", path("link")).unwrap();
        symlink("link", path("second")).unwrap();
        symlink("d/new", path("dangling")).unwrap();
        symlink("round", path("round")).unwrap();
        write(&path("second"), "after");
        write(&path("dangling"), "new");
        assert_eq!(fs::read(path("d/real")).unwrap(), b"after");
        assert_eq!(fs::read(path("d/new")).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["d", "dangling", "link", "round", "second"]);
        assert!(["link", "second", "dangling"].iter().all(|name| path(name).is_symlink()));
        NewFile::create(&path("round")).unwrap_err();
    }

    /// `-o /dev/stdout` where stdout is a file: no privilege may make of the link in `/dev` a file.
    #[test]
    fn open_files_are_written_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("open");
        let open = File::create(&path).unwrap();
        fs::write(&path, "something longer").unwrap();
        let by_number = format!("/proc/self/fd/{}", open.as_raw_fd());
        let link = dir.path().join("link");
        symlink(&by_number, &link).unwrap();
        for name in [Path::new(&by_number), &link] {
            write(name, "short");
            assert_eq!(fs::read(&path).unwrap(), b"short");
        }
        assert!(link.is_symlink());
        write(Path::new("/dev/null"), "nothing");
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
