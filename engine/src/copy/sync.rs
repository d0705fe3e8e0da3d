//! One file of this machine as one in a container: written, or taken away when it is not here any more.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sys::RootDir;
use sys::root_dir::FileKind;

use super::{CopyError, Destination, Owner, Result, Source};

/// Makes `target` in the container what `path` is here; directories with everything in them. What is new belongs to the
/// owner of its directory, so that the user of the container can change it.
pub fn sync(here: &RootDir, path: &Path, inside: &RootDir, target: &Path) -> Result<()> {
    let source = match Source::find(here, path, false) {
        Ok(source) => source,
        Err(CopyError::NotFound { .. }) => return remove(inside, target),
        Err(error) => return Err(error),
    };
    let look = |source| CopyError::Look { path: target.to_owned(), source };
    let parent = target.parent().unwrap_or(Path::new("/"));
    let parent = make_directories(inside, parent)?;
    let owner = inside.metadata(&parent).map_err(look)?;
    let owner = Owner::Of { uid: owner.uid, gid: owner.gid };
    let target = parent.join(target.file_name().unwrap_or_default());
    let there = inside.metadata_follow(&target).ok().map(|found| found.kind);
    match (source.is_dir(), there) {
        (true, Some(FileKind::Dir)) => {
            // What is in it, not itself into it.
            let contents = Source::find(here, &path.join("."), true)?;
            contents.copy_to(&Destination::find(inside, &target, &contents)?, owner)?;
        }
        (false, Some(FileKind::Dir)) | (true, Some(_)) => {
            remove(inside, &target)?;
            source.copy_to(&Destination::find(inside, &target, &source)?, owner)?;
        }
        _ => {
            source.copy_to(&Destination::find(inside, &target, &source)?, owner)?;
        }
    }
    Ok(())
}

/// Its path without links. Links that are there are followed, within the container.
fn make_directories(inside: &RootDir, path: &Path) -> Result<PathBuf> {
    let look = |source| CopyError::Look { path: path.to_owned(), source };
    let mut made = PathBuf::from("/");
    for component in path.components().skip(1) {
        let next = inside.resolve(made.join(component), true).map_err(look)?;
        match inside.metadata(&next) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let owner = inside.metadata(&made).map_err(look)?;
                let write = |source| CopyError::Write { path: next.clone(), source };
                inside.create_dir(&next, 0o755).map_err(write)?;
                inside.set_owner(&next, owner.uid, owner.gid).map_err(write)?;
            }
            Err(source) => return Err(look(source)),
        }
        made = next;
    }
    Ok(made)
}

fn remove(inside: &RootDir, target: &Path) -> Result<()> {
    let look = |source| CopyError::Look { path: target.to_owned(), source };
    let target = inside.resolve(target, false).map_err(look)?;
    match inside.remove_tree(&target) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(CopyError::Write { path: target, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Two directories that stand for this machine and a container.
    struct Pair {
        here: tempfile::TempDir,
        inside: tempfile::TempDir,
    }

    impl Pair {
        fn new() -> Pair {
            Pair { here: tempfile::tempdir().unwrap(), inside: tempfile::tempdir().unwrap() }
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.here.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn sync(&self, name: &str, target: &str) {
            let [here, inside] =
                [self.here.path(), self.inside.path()].map(|path| RootDir::open(path).unwrap());
            sync(&here, &Path::new("/").join(name), &inside, Path::new(target)).unwrap();
        }

        fn read(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.inside.path().join(name)).ok()
        }
    }

    #[test]
    fn a_file_is_written_and_goes() {
        let pair = Pair::new();
        for text in ["one", "two"] {
            pair.write("a", text);
            pair.sync("a", "/app/src/a");
            assert_eq!(pair.read("app/src/a").as_deref(), Some(text));
        }
        fs::remove_file(pair.here.path().join("a")).unwrap();
        for _ in 0..2 {
            pair.sync("a", "/app/src/a");
            assert_eq!(pair.read("app/src/a"), None);
        }
    }

    #[test]
    fn a_directory_goes_into_the_one_that_is_there() {
        let pair = Pair::new();
        pair.write("src/a", "a");
        pair.sync("src", "/app");
        pair.write("src/sub/b", "b");
        pair.sync("src", "/app");
        assert_eq!(pair.read("app/a").as_deref(), Some("a"));
        assert_eq!(pair.read("app/sub/b").as_deref(), Some("b"));
    }

    #[test]
    fn links_to_directories_are_followed_within_the_container() {
        let pair = Pair::new();
        pair.write("a", "a");
        fs::create_dir(pair.inside.path().join("real")).unwrap();
        symlink("/real", pair.inside.path().join("app")).unwrap();
        pair.sync("a", "/app/a");
        assert_eq!(pair.read("real/a").as_deref(), Some("a"));
    }

    #[test]
    fn what_becomes_a_directory_replaces_the_file() {
        let pair = Pair::new();
        pair.write("a", "a");
        pair.sync("a", "/a");
        fs::remove_file(pair.here.path().join("a")).unwrap();
        pair.write("a/b", "b");
        pair.sync("a", "/a");
        assert_eq!(pair.read("a/b").as_deref(), Some("b"));
        fs::remove_dir_all(pair.here.path().join("a")).unwrap();
        pair.write("a", "again");
        pair.sync("a", "/a");
        assert_eq!(pair.read("a").as_deref(), Some("again"));
    }
}
