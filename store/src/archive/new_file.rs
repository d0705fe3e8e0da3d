//! A file that has its name only once it is complete, whatever ends the writing before: an error, Ctrl-C, `kill -9`.
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// Dropped without [`NewFile::finish`], it leaves nothing; what had the name before stays.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// Where the file system has no files without a name, it has this one meanwhile, which only a killed process
    /// leaves behind.
    beside: Option<PathBuf>,
}

impl NewFile {
    pub fn create(path: &Path) -> io::Result<NewFile> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let (file, beside) = match rustix::fs::open(directory, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => (File::from(file), None),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let beside = name_beside(path);
                (File::create_new(&beside)?, Some(beside))
            }
            Err(errno) => return Err(errno.into()),
        };
        Ok(NewFile { path: path.to_owned(), file: BufWriter::new(file), beside })
    }

    /// Gives it the name.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        if self.beside.is_none() {
            // Only a rename replaces what has the name, and only something with a name can be renamed.
            let beside = name_beside(&self.path);
            link(self.file.get_ref(), &beside)?;
            self.beside = Some(beside);
        }
        if let Some(beside) = &self.beside {
            fs::rename(beside, &self.path)?;
        }
        self.beside = None;
        Ok(())
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

/// `NAME.PID.tmp`
pub(super) fn name_beside(path: &Path) -> PathBuf {
    // Without the slash at the end of `dir/`.
    let mut name = path.components().collect::<PathBuf>().into_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    name.into()
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
        if let Some(beside) = &self.beside {
            // The error to tell is the one that came before.
            let _ = fs::remove_file(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
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
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"after").unwrap();
        file.finish().unwrap();
        assert_eq!(
            (names(dir.path()), fs::read(&path).unwrap()),
            (vec!["a".into()], b"after".into())
        );
        // A directory cannot be replaced: nothing is left of the file that was to do that.
        let taken = dir.path().join("taken");
        fs::create_dir(&taken).unwrap();
        NewFile::create(&taken).unwrap().finish().unwrap_err();
        assert_eq!(names(dir.path()), ["a", "taken"]);
        assert!(NewFile::create(&dir.path().join("no/such")).is_err());
    }

    /// As on file systems without files without names.
    #[test]
    fn a_name_of_its_own_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let beside = name_beside(&path);
        let named = || NewFile {
            path: path.clone(),
            file: BufWriter::new(File::create_new(&beside).unwrap()),
            beside: Some(beside.clone()),
        };
        drop(named());
        assert_eq!(names(dir.path()), [] as [String; 0]);
        named().finish().unwrap();
        assert_eq!(names(dir.path()), ["a"]);
    }
}
