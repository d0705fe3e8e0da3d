//! Directories, archives and listings for the tests.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::id_map::IdMap;
use store::layer::{
    ContentDigest, LayerError, LayerIndex, LayerWriter, WhiteoutForm, apply, scan, write_layer,
};
use store::tree::{Tree, TreeContent, TreeLayer};
use sys::RootDir;
use sys::root_dir::FileKind;
use tempfile::TempDir;

/// Whether this test can run; prints the reason when not.
pub(crate) fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: needs root to create devices and owners");
    }
    root
}

/// A root directory with a guarded neighbour: `Scene::check` fails when anything but the root
/// changed.
pub(crate) struct Scene {
    pub(crate) temp: TempDir,
    pub(crate) dir: RootDir,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let temp = TempDir::new().unwrap();
        std::fs::create_dir(temp.path().join("root")).unwrap();
        std::fs::create_dir(temp.path().join("outside")).unwrap();
        std::fs::write(temp.path().join("outside/secret"), "secret").unwrap();
        let dir = RootDir::open(temp.path().join("root")).unwrap();
        Scene { temp, dir }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.temp.path().join("root")
    }

    #[track_caller]
    pub(crate) fn check_outside(&self) {
        let outside = RootDir::open(self.temp.path().join("outside")).unwrap();
        let names: Vec<_> = outside.read_dir("").unwrap();
        assert_eq!(names.len(), 1, "something appeared outside: {names:?}");
        let secret = outside.metadata("secret").unwrap();
        assert_eq!((secret.nlink, secret.size), (1, 6), "the file outside was touched");
        assert_eq!(std::fs::read_dir(self.temp.path()).unwrap().count(), 2);
    }
}

/// One line for each path: everything a layer can say about it.
pub(crate) fn listing(dir: &RootDir) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inodes = HashMap::new();
    list_into(dir, Path::new(""), &mut lines, &mut inodes);
    lines
}

fn list_into(
    dir: &RootDir,
    path: &Path,
    lines: &mut Vec<String>,
    inodes: &mut HashMap<u64, PathBuf>,
) {
    for child in dir.read_dir(path).unwrap() {
        let path = path.join(&child.name);
        let metadata = dir.metadata(&path).unwrap();
        let what = match metadata.kind {
            FileKind::File => {
                let mut bytes = Vec::new();
                dir.open_file(&path).unwrap().read_to_end(&mut bytes).unwrap();
                format!("{} {}", bytes.len(), ContentDigest::of(&bytes))
            }
            FileKind::Symlink => format!("→ {:?}", dir.read_link(&path).unwrap()),
            FileKind::CharDevice | FileKind::BlockDevice => {
                format!("{}:{}", metadata.rdev_major(), metadata.rdev_minor())
            }
            _ => String::new(),
        };
        let first = inodes.entry(metadata.ino).or_insert_with(|| path.clone());
        let link = if *first == path { PathBuf::new() } else { first.clone() };
        let xattrs: Vec<String> = dir
            .xattrs(&path)
            .unwrap()
            .into_iter()
            .map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()))
            .collect();
        lines.push(format!(
            "{:?} {:?} {:04o} {}:{} @{} {what} {link:?} {xattrs:?}",
            path, metadata.kind, metadata.mode, metadata.uid, metadata.gid, metadata.mtime.secs
        ));
        if metadata.kind == FileKind::Dir {
            list_into(dir, &path, lines, inodes);
        }
    }
}

/// A directory as a layer archive with its index.
pub(crate) fn archive(dir: &RootDir, parents: &Tree) -> (Vec<u8>, LayerIndex) {
    let index = scan(dir, parents, IdMap::Identity).unwrap();
    let mut writer = LayerWriter::new(Vec::new());
    write_layer(&index, dir, &mut writer).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn unpack(
    bytes: &[u8],
    scene: &Scene,
    parents: &Tree,
) -> Result<LayerIndex, LayerError> {
    let form = WhiteoutForm::Overlay;
    apply(Cursor::new(bytes), &scene.dir, parents, form, IdMap::Identity)
}

/// The unpacked layer as a tree of one more layer.
pub(crate) fn on_top(parents: &Tree, index: LayerIndex, scene: &Scene) -> Tree {
    let dir = Arc::new(scene.dir.try_clone().unwrap());
    parents.with_layer(TreeLayer::new(Arc::new(index), TreeContent::Dir(dir)))
}

/// Builds archives that no honest program would.
#[derive(Default)]
pub(crate) struct Archive(pub(crate) Vec<u8>);

impl Archive {
    pub(crate) fn member(mut self, flag: u8, path: &str, link: &str, data: &[u8]) -> Archive {
        self.push(flag, path.as_bytes(), link.as_bytes(), data);
        self
    }

    pub(crate) fn file(self, path: &str, data: &str) -> Archive {
        self.member(b'0', path, "", data.as_bytes())
    }

    pub(crate) fn dir(self, path: &str) -> Archive {
        self.member(b'5', path, "", b"")
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Archive {
        self.member(b'2', path, target, b"")
    }

    pub(crate) fn hardlink(self, path: &str, target: &str) -> Archive {
        self.member(b'1', path, target, b"")
    }

    pub(crate) fn pax(mut self, records: &[(&str, &[u8])]) -> Archive {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length.to_string().len() + rest != length {
                length = length.to_string().len() + rest;
            }
            data.extend_from_slice(format!("{length} {key}=").as_bytes());
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        self.push(b'x', b"pax", b"", &data);
        self
    }

    pub(crate) fn edit(mut self, at_from_end: usize, bytes: &[u8]) -> Archive {
        let start = self.0.len() - at_from_end;
        self.0[start..start + bytes.len()].copy_from_slice(bytes);
        let header = &mut self.0[start / 512 * 512..][..512];
        seal(header);
        self
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    pub(crate) fn push(&mut self, flag: u8, path: &[u8], link: &[u8], data: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(flag));
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(data.len() as u64);
        let block = header.as_mut_bytes();
        block[..path.len()].copy_from_slice(path);
        block[157..157 + link.len()].copy_from_slice(link);
        seal(block);
        self.0.extend_from_slice(block);
        self.0.extend_from_slice(data);
        let padded = self.0.len().next_multiple_of(512);
        self.0.resize(padded, 0);
    }
}

pub(crate) fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
