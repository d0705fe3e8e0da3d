//! What changes below directories, told by inotify.
//!
//! A directory that comes later is watched from then on, and everything in it counts as changed: it may have come before it was
//! watched. Of a path that does not exist yet the nearest directory above is watched until it does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::WatchError;

/// Changes belong together until nothing more has changed for so long.
const QUIET: Duration = Duration::from_millis(200);
/// A batch is no longer than this, whatever goes on.
const LONGEST: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody has enough.
const PATIENCE: Duration = Duration::from_millis(100);

pub struct FileWatcher<'a> {
    inotify: OwnedFd,
    roots: Vec<PathBuf>,
    leaves_out: &'a dyn Fn(&Path) -> bool,
    watched: BTreeMap<i32, PathBuf>,
}

/// An event as the kernel tells it; without a name it is about the directory itself.
struct Told {
    watch: i32,
    flags: ReadFlags,
    name: Option<Vec<u8>>,
}

impl std::fmt::Debug for FileWatcher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWatcher").field("roots", &self.roots).finish_non_exhaustive()
    }
}

impl<'a> FileWatcher<'a> {
    /// Watches files and directories; directories of which nothing is wanted are left out.
    pub fn new(
        roots: Vec<PathBuf>,
        leaves_out: &'a dyn Fn(&Path) -> bool,
    ) -> Result<FileWatcher<'a>, WatchError> {
        let failed = |source: Errno| WatchError::Watch {
            path: roots.first().cloned().unwrap_or_default(),
            source: source.into(),
        };
        let inotify =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(failed)?;
        let mut watcher = FileWatcher { inotify, roots, leaves_out, watched: BTreeMap::new() };
        for root in watcher.roots.clone() {
            watcher.begin(&root)?;
        }
        Ok(watcher)
    }

    fn begin(&mut self, root: &Path) -> Result<(), WatchError> {
        if root.is_dir() {
            return self.tree(root, &mut BTreeSet::new());
        }
        let above = root.ancestors().skip(1).find(|path| path.is_dir());
        self.directory(above.unwrap_or(Path::new("/")))
    }

    /// The next changes that belong together; none when somebody has enough.
    pub fn next(&mut self, enough: &AtomicBool) -> Result<BTreeSet<PathBuf>, WatchError> {
        let mut changed = BTreeSet::new();
        let mut began = None;
        while !enough.load(Ordering::SeqCst) {
            let wait = if began.is_some() { QUIET } else { PATIENCE };
            let heard = self.is_told(wait)?;
            if heard {
                self.read(&mut changed)?;
                if !changed.is_empty() {
                    began = began.or(Some(Instant::now()));
                }
            }
            let over = began.is_some_and(|began: Instant| began.elapsed() > LONGEST);
            if began.is_some() && (!heard || over) {
                return Ok(changed);
            }
        }
        Ok(BTreeSet::new())
    }

    fn is_told(&self, wait: Duration) -> Result<bool, WatchError> {
        let limit = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], Some(&limit)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(self.failed(errno)),
        }
    }

    fn failed(&self, errno: Errno) -> WatchError {
        let path = self.roots.first().cloned().unwrap_or_default();
        WatchError::Watch { path, source: errno.into() }
    }

    fn read(&mut self, changed: &mut BTreeSet<PathBuf>) -> Result<(), WatchError> {
        for Told { watch, flags, name } in self.events()? {
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                // What was lost is not known: all of it may have changed.
                changed.extend(self.roots.iter().cloned());
                continue;
            }
            if flags.contains(ReadFlags::IGNORED) {
                self.watched.remove(&watch);
                continue;
            }
            let Some(directory) = self.watched.get(&watch) else { continue };
            let path = match &name {
                Some(name) => directory.join(std::ffi::OsStr::from_bytes(name)),
                None => directory.clone(),
            };
            let is_new = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            if flags.contains(ReadFlags::ISDIR) && is_new && self.concerns(&path) {
                self.tree(&path, changed)?;
            }
            if self.roots.iter().any(|root| path.starts_with(root)) {
                changed.insert(path);
            }
        }
        Ok(())
    }

    /// Those that have been told and not been read yet.
    fn events(&self) -> Result<Vec<Told>, WatchError> {
        let mut buffer = [MaybeUninit::uninit(); 8 << 10];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_bytes().to_vec());
                    events.push(Told { watch: event.wd(), flags: event.events(), name });
                }
                Err(Errno::WOULDBLOCK) => return Ok(events),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.failed(errno)),
            }
        }
    }

    /// Whether something that is watched is in a directory, or may come to be.
    fn concerns(&self, directory: &Path) -> bool {
        self.roots.iter().any(|root| directory.starts_with(root) || root.starts_with(directory))
    }

    /// A directory and those in it; what else is in them is noted.
    fn tree(&mut self, directory: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), WatchError> {
        let mut waiting = vec![directory.to_owned()];
        while let Some(directory) = waiting.pop() {
            if !self.concerns(&directory) || (self.leaves_out)(&directory) {
                continue;
            }
            self.directory(&directory)?;
            // It may have gone again.
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => waiting.push(path),
                    Ok(_) if self.roots.iter().any(|root| path.starts_with(root)) => {
                        found.insert(path);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn directory(&mut self, path: &Path) -> Result<(), WatchError> {
        let flags = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MODIFY
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR
            | WatchFlags::EXCL_UNLINK;
        match inotify::add_watch(&self.inotify, path, flags) {
            Ok(watch) => {
                self.watched.insert(watch, path.to_owned());
                Ok(())
            }
            // It has gone again.
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(Errno::NOSPC) => Err(WatchError::TooMany { path: path.to_owned() }),
            Err(errno) => {
                let source = io::Error::from(errno);
                Err(WatchError::Watch { path: path.to_owned(), source })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Place {
            Place(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }

        /// Names of what has changed, until all that are expected have.
        fn hear(&self, watcher: &mut FileWatcher<'_>, expected: &[&str]) {
            let mut heard = BTreeSet::new();
            let began = Instant::now();
            while !expected.iter().all(|name| heard.contains(&self.path(name))) {
                assert!(began.elapsed() < Duration::from_secs(20), "{expected:?}: {heard:?}");
                heard.extend(watcher.next(&AtomicBool::new(false)).unwrap());
            }
        }
    }

    #[test]
    fn files_that_change_come_and_go_are_told() {
        let place = Place::new();
        place.write("src/a");
        let mut watcher = FileWatcher::new(vec![place.path("src")], &|_| false).unwrap();
        place.write("src/a");
        place.hear(&mut watcher, &["src/a"]);
        place.write("src/new/deep/b");
        place.hear(&mut watcher, &["src/new/deep/b"]);
        place.write("src/new/deep/c");
        place.hear(&mut watcher, &["src/new/deep/c"]);
        fs::rename(place.path("src/a"), place.path("src/z")).unwrap();
        place.hear(&mut watcher, &["src/a", "src/z"]);
        fs::remove_file(place.path("src/z")).unwrap();
        place.hear(&mut watcher, &["src/z"]);
    }

    #[test]
    fn what_comes_later_is_told() {
        let place = Place::new();
        let mut watcher = FileWatcher::new(vec![place.path("not/yet")], &|_| false).unwrap();
        place.write("other");
        place.write("not/yet/there");
        place.hear(&mut watcher, &["not/yet/there"]);
    }

    #[test]
    fn a_single_file_is_told_alone() {
        let place = Place::new();
        place.write("one");
        let mut watcher = FileWatcher::new(vec![place.path("one")], &|_| false).unwrap();
        place.write("two");
        place.write("one");
        let heard = watcher.next(&AtomicBool::new(false)).unwrap();
        assert_eq!(heard, BTreeSet::from([place.path("one")]));
    }

    #[test]
    fn who_has_enough_hears_nothing() {
        let place = Place::new();
        let mut watcher = FileWatcher::new(vec![place.path("")], &|_| false).unwrap();
        assert!(watcher.next(&AtomicBool::new(true)).unwrap().is_empty());
    }
}
