//! One input becomes another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What can be changed about a build. Paths are of files and their contexts.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Nothing,
    Bytes(PathBuf),
    Mode(PathBuf),
    DirectoryMode(PathBuf),
    /// Only the time: nobody may notice.
    Time(PathBuf),
    /// A new file in this directory.
    NewFile(PathBuf),
    Gone(PathBuf),
    Argument(String),
    Secret(PathBuf),
    /// One more file in the base image.
    ImageFile,
    /// One more variable in the base image.
    ImageVariable,
    /// One more label in the base image: no step sees it.
    ImageLabel,
}

/// What a file was, to be put back.
pub(super) struct Undo {
    path: PathBuf,
    /// Bytes (of files), mode and time; none for a file that was not there.
    before: Option<(Vec<u8>, fs::Permissions, SystemTime)>,
}

impl Change {
    /// What it does to a file, if that is what it does.
    pub(super) fn to_file(&self) -> Option<Undo> {
        let path = match self {
            Change::Bytes(path) | Change::Mode(path) | Change::Time(path) | Change::Gone(path) => {
                path.clone()
            }
            Change::Secret(path) | Change::DirectoryMode(path) => path.clone(),
            // By another name in each, so that no two make the same layer where directories are merged.
            Change::NewFile(directory) => {
                let name = directory.file_name().unwrap().to_str().unwrap();
                directory.join(format!("new in {name}"))
            }
            _ => return None,
        };
        let undo = Undo::of(&path);
        match self {
            Change::Bytes(_) | Change::Secret(_) => append(&path, b"\n# changed\n"),
            Change::NewFile(_) => fs::write(&path, "new\n").unwrap(),
            Change::Gone(_) => fs::remove_file(&path).unwrap(),
            Change::Mode(_) | Change::DirectoryMode(_) => {
                let mode = fs::metadata(&path).unwrap().permissions().mode() ^ 0o020;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            _ => set_time(&path, SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)),
        }
        Some(undo)
    }

    /// In a word and without the directories of the machine.
    pub(super) fn name(&self, within: &Path) -> String {
        format!("{self:?}").replace(within.to_str().unwrap(), "")
    }
}

impl Undo {
    fn of(path: &Path) -> Undo {
        let before = fs::metadata(path).ok().map(|metadata| {
            let time = metadata.modified().unwrap();
            let bytes = if metadata.is_dir() { Vec::new() } else { fs::read(path).unwrap() };
            (bytes, metadata.permissions(), time)
        });
        Undo { path: path.to_owned(), before }
    }

    pub(super) fn apply(self) {
        let Some((bytes, mode, time)) = self.before else {
            return fs::remove_file(&self.path).unwrap();
        };
        if !self.path.is_dir() {
            fs::write(&self.path, bytes).unwrap();
        }
        fs::set_permissions(&self.path, mode).unwrap();
        set_time(&self.path, time);
    }
}

fn append(path: &Path, more: &[u8]) {
    let bytes = [&fs::read(path).unwrap()[..], more].concat();
    fs::write(path, bytes).unwrap();
}

fn set_time(path: &Path, time: SystemTime) {
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}
