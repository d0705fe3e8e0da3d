//! Large layers: many entries, long holes. Time and memory grow with what is there and no faster.
//!
//! `RBUILD_TEST_SCALE=10` makes them ten times as large: a million entries, ten gigabytes.

use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use store::id_map::IdMap;
use store::layer::holes::{self, HoleWriter};
use store::layer::{ContentDigest, LayerIndex, LayerWriter, WhiteoutForm, apply, index_layer};
use store::layer::{scan, write_layer};
use store::tree::{Tree, TreeContent, TreeLayer};

use crate::random::cases::number;
use crate::random::damage::peak_memory;
use crate::support::{Archive, Scene};

fn scale() -> usize {
    usize::try_from(number("RBUILD_TEST_SCALE").unwrap_or(1)).unwrap()
}

/// An archive of directories with a thousand small files each, made while it is read.
struct Many {
    files: usize,
    next: usize,
    ready: Cursor<Vec<u8>>,
}

impl Many {
    fn new(files: usize) -> Many {
        Many { files, next: 0, ready: Cursor::default() }
    }

    fn path(number: usize) -> String {
        format!("data/dir{:04}/file{number:07}", number / 1000)
    }
}

impl Read for Many {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.ready.position() == self.ready.get_ref().len() as u64 && self.next < self.files {
            let mut archive = Archive::default().dir(&format!("data/dir{:04}", self.next / 1000));
            for number in self.next..(self.next + 1000).min(self.files) {
                archive = archive.file(&Many::path(number), &number.to_string());
            }
            self.next += 1000;
            self.ready = Cursor::new(archive.0);
        }
        self.ready.read(buffer)
    }
}

#[test]
fn many_entries() {
    let files = 100_000 * scale();
    let before = peak_memory();
    let index = Arc::new(index_layer(Many::new(files), &Tree::default()).unwrap());
    assert_eq!(index.len(), files + files / 1000);
    let layer = TreeLayer::new(index.clone(), TreeContent::Unavailable);
    let tree = Tree::new(vec![layer]);
    for number in (0..files).step_by(97) {
        let digest = tree.content_digest(Many::path(number)).unwrap();
        assert_eq!(digest, ContentDigest::of(number.to_string().as_bytes()));
    }
    assert_eq!(tree.read_dir("data").unwrap().len(), files / 1000);
    assert_eq!(LayerIndex::from_bytes(&index.to_bytes()).unwrap(), *index);
    // In KiB; other tests that run meanwhile need some too.
    let grown = peak_memory() - before;
    assert!(grown < files as u64 * 2 + (256 << 10), "{grown} KiB for {files} files");
}

#[test]
fn many_files_on_disk_become_the_same_layer() {
    let files = 10_000 * scale();
    let (scene, none) = (Scene::new(), Tree::default());
    let form = WhiteoutForm::Overlay;
    let index = apply(Many::new(files), &scene.dir, &none, form, IdMap::Identity).unwrap();
    assert_eq!(index.len(), files + files / 1000);
    if !rustix::process::geteuid().is_root() {
        return; // files of another owner
    }
    let again = |dir| {
        let index = scan(dir, &none, IdMap::Identity).unwrap();
        let mut writer = LayerWriter::new(std::io::sink());
        write_layer(&index, dir, &mut writer).unwrap();
        writer.finish().unwrap().1
    };
    let first = again(&scene.dir);
    assert!(first.iter().all(|entry| entry.path == b"data" || index.get(&entry.path).is_some()));
    assert_eq!(first.len(), index.len() + 1, "`data` is listed now");
}

#[test]
fn holes_take_no_space_on_their_way() {
    let size = (scale() as u64) << 30;
    let scene = Scene::new();
    let mut file = scene.dir.create_file("hole", 0o644).unwrap();
    file.write_all(b"begin").unwrap();
    file.set_len(size).unwrap();
    file.seek(SeekFrom::Start(size - 3)).unwrap();
    file.write_all(b"end").unwrap();

    let none = Tree::default();
    let index = scan(&scene.dir, &none, IdMap::Identity).unwrap();
    let tar = tempfile::NamedTempFile::new().unwrap();
    let mut writer = LayerWriter::new(HoleWriter::new(tar.as_file()));
    write_layer(&index, &scene.dir, &mut writer).unwrap();
    let (sink, written) = writer.finish().unwrap();
    sink.finish().unwrap();
    check_sparse(tar.path(), size);

    let copy = Scene::new();
    let reader = holes::reader(std::fs::File::open(tar.path()).unwrap());
    let form = WhiteoutForm::Overlay;
    let read = apply(reader, &copy.dir, &none, form, IdMap::Identity).unwrap();
    assert_eq!(read.get(b"hole").unwrap().kind, written.get(b"hole").unwrap().kind);
    check_sparse(&copy.path().join("hole"), size);
    let mut end = Vec::new();
    let mut file = copy.dir.open_file("hole").unwrap();
    file.seek(SeekFrom::Start(size - 5)).unwrap();
    file.read_to_end(&mut end).unwrap();
    assert_eq!(end, b"\0\0end");
}

fn check_sparse(path: &Path, size: u64) {
    let metadata = std::fs::metadata(path).unwrap();
    let stored = metadata.blocks() * 512;
    assert!(metadata.len() >= size, "{} bytes of {size}", metadata.len());
    assert!(stored < 1 << 20, "{} takes {stored} bytes of disk", path.display());
}
