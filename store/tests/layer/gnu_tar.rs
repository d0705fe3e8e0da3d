//! Archives made by GNU tar read as GNU tar reads them.

use std::io::Cursor;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use store::tree::Tree;

use crate::round_trip::rich_tree;
use crate::support::{Scene, listing, root, unpack};

fn have_tar() -> bool {
    let found = Command::new("tar").arg("--version").output();
    let gnu = found.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("GNU"));
    if !gnu {
        eprintln!("skipped: GNU tar is not installed");
    }
    gnu
}

fn tar(arguments: &[&str], dir: &Path, file: &Path) {
    let out = Command::new("tar")
        .args(["--numeric-owner", "-f"])
        .arg(file)
        .arg("-C")
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn check(formats: &[&str], fill: impl Fn(&Scene), extra: &[&str]) {
    if !root() || !have_tar() {
        return;
    }
    let source = Scene::new();
    fill(&source);
    for format in formats {
        let file = source.temp.path().join("outside/archive.tar");
        let format = format!("--format={format}");
        let create = [&["-c", &format], extra, &["."]].concat();
        tar(&create, &source.path(), &file);
        let theirs = Scene::new();
        tar(&[&["-x", "-p"], extra].concat(), &theirs.path(), &file);
        let ours = Scene::new();
        unpack(&std::fs::read(&file).unwrap(), &ours, &Tree::default()).unwrap();
        assert_eq!(listing(&ours.dir), listing(&theirs.dir), "{format}");
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_rich_tree_in_posix_format() {
    check(&["posix"], |scene| rich_tree(&scene.dir), &["--xattrs", "--xattrs-include=*"]);
}

#[test]
fn a_rich_tree_in_gnu_format() {
    check(&["gnu"], |scene| rich_tree(&scene.dir), &[]);
}

#[test]
fn plain_files_in_the_old_formats() {
    let fill = |scene: &Scene| {
        scene.dir.create_dir_all("some/dir", 0o755).unwrap();
        scene.dir.create_file("some/dir/file", 0o640).unwrap().write_all(b"x").unwrap();
        scene.dir.symlink("file", "some/dir/link").unwrap();
        scene.dir.hard_link("some/dir/file", "some/hard").unwrap();
        let long = format!("{}/{}", "p".repeat(90), "n".repeat(90));
        scene.dir.create_dir_all("p".repeat(90), 0o755).unwrap();
        scene.dir.create_file(&long, 0o600).unwrap();
    };
    check(&["ustar"], fill, &[]);
    let short = |scene: &Scene| {
        scene.dir.create_dir_all("some/dir", 0o755).unwrap();
        scene.dir.create_file("some/dir/file", 0o640).unwrap().write_all(b"x").unwrap();
    };
    check(&["v7", "oldgnu"], short, &[]);
}

#[test]
fn sparse_files_in_every_format() {
    let fill = |scene: &Scene| {
        let mut file = scene.dir.create_file("many", 0o644).unwrap();
        for number in 0..100_u64 {
            file.seek(SeekFrom::Start(number * 65_536)).unwrap();
            file.write_all(b"island").unwrap();
        }
        file.set_len(100 * 65_536).unwrap();
        scene.dir.create_file("hole", 0o644).unwrap().set_len(1 << 20).unwrap();
        let mut end = scene.dir.create_file("end", 0o644).unwrap();
        end.seek(SeekFrom::Start(1_000_000)).unwrap();
        end.write_all(b"end").unwrap();
    };
    check(&["gnu", "oldgnu"], fill, &["--sparse"]);
    for version in ["0.0", "0.1", "1.0"] {
        let option = format!("--sparse-version={version}");
        if !root() || !have_tar() {
            return;
        }
        let source = Scene::new();
        fill(&source);
        let file = source.temp.path().join("outside/archive.tar");
        tar(&["-c", "--format=posix", "--sparse", &option, "."], &source.path(), &file);
        let ours = Scene::new();
        unpack(&std::fs::read(&file).unwrap(), &ours, &Tree::default()).unwrap();
        let contents = |scene: &Scene| {
            let read = |name| std::fs::read(scene.path().join(name)).unwrap();
            [read("many"), read("hole"), read("end")]
        };
        assert!(contents(&ours) == contents(&source), "{version}");
    }
}

#[test]
fn compressed_archives_are_recognised() {
    if !have_tar() {
        return;
    }
    let source = Scene::new();
    source.dir.create_file("f", 0o644).unwrap().write_all(&[b'x'; 10_000]).unwrap();
    for (option, program) in
        [("--gzip", "gzip"), ("--xz", "xz"), ("--bzip2", "bzip2"), ("--zstd", "zstd")]
    {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("skipped: {program} is not installed");
            continue;
        }
        let file = source.temp.path().join("outside/archive");
        tar(&["-c", option, "."], &source.path(), &file);
        let mut bytes = std::fs::read(&file).unwrap();
        let plain = store::layer::decompressor(Cursor::new(bytes.clone())).unwrap();
        let index = store::layer::index_layer(plain, &Tree::default()).unwrap();
        assert!(index.get(b"f").is_some(), "{program}");
        assert!(store::layer::is_archive(&*bytes), "{program}");
        bytes.truncate(bytes.len() / 2);
        let plain = store::layer::decompressor(Cursor::new(bytes)).unwrap();
        assert!(store::layer::index_layer(plain, &Tree::default()).is_err(), "{program} cut");
    }
}

#[test]
fn other_files_are_no_archives() {
    let gzipped_text = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for bytes in [b"".as_slice(), b"text", &[0; 1024], &[b'x'; 600], &gzipped_text] {
        assert!(!store::layer::is_archive(bytes), "{}", bytes.escape_ascii());
    }
}
