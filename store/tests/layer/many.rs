//! Many files, whose bytes are read ahead: each gets its own, and what has changed meanwhile is noticed.

use std::fs;
use std::io::Write;

use store::id_map::IdMap;
use store::layer::{
    ContentDigest, EntryKind, LayerError, LayerIndex, LayerWriter, scan, write_layer,
    write_snapshot,
};
use store::tree::Tree;

use crate::support::{Scene, root};

const FILES: usize = 900;

/// Of every size that matters: none, some, as much as is read ahead and a byte more.
fn content(number: usize) -> Vec<u8> {
    let length = match number % 9 {
        0 => 0,
        1 => 32 << 10,
        2 => (32 << 10) + 1,
        3 => 300_000 + number,
        _ => number * 7 % 5000,
    };
    (0..length).map(|at| (at / 3 + number) as u8).collect()
}

fn path(number: usize) -> String {
    format!("d{}/f{number:04}", number / 100)
}

fn scene() -> (Scene, LayerIndex) {
    let scene = Scene::new();
    for number in 0..FILES {
        if number % 100 == 0 {
            scene.dir.create_dir(format!("d{}", number / 100), 0o755).unwrap();
        }
        let mut file = scene.dir.create_file(path(number), 0o644).unwrap();
        file.write_all(&content(number)).unwrap();
    }
    scene.dir.symlink("d0", "link").unwrap();
    scene.dir.hard_link(path(4), "other-name").unwrap();
    let index = scan(&scene.dir, &Tree::default(), IdMap::Identity).unwrap();
    (scene, index)
}

type WriteFiles =
    fn(&LayerIndex, &sys::RootDir, &mut LayerWriter<Vec<u8>>) -> Result<(), LayerError>;
const WAYS: [WriteFiles; 2] = [write_layer, write_snapshot];

#[test]
fn each_file_gets_its_bytes() {
    if !root() {
        return;
    }
    let (scene, index) = scene();
    let mut archives = WAYS.map(|write| {
        let mut writer = LayerWriter::new(Vec::new());
        write(&index, &scene.dir, &mut writer).unwrap();
        writer.finish().unwrap()
    });
    for number in 0..FILES {
        for (bytes, written) in &archives {
            let entry = written.get(path(number).as_bytes()).unwrap();
            let EntryKind::File { size, digest, offset: Some(offset) } = entry.kind else {
                panic!("{number}: {entry:?}");
            };
            let (start, expected) = (offset as usize, content(number));
            assert!(bytes[start..start + size as usize] == expected, "{number}");
            assert_eq!(digest, Some(ContentDigest::of(&expected)), "{number}");
        }
    }
    let [(first, _), (second, _)] = &mut archives;
    assert!(first == second);
}

#[test]
fn what_has_changed_since_it_was_looked_at_is_an_error() {
    if !root() {
        return;
    }
    for (number, write) in [(5, WAYS[0]), (5, WAYS[1]), (700, WAYS[1]), (898, WAYS[1])] {
        let (scene, index) = scene();
        let path = path(number);
        let attempt = || {
            let mut writer = LayerWriter::new(Vec::new());
            write(&index, &scene.dir, &mut writer).map(|()| writer.finish().unwrap().0.len())
        };
        let changes: [(&str, &dyn Fn()); 4] = [
            ("longer", &|| {
                let more = [content(number), b"more".to_vec()].concat();
                fs::write(scene.path().join(&path), more).unwrap();
            }),
            ("shorter", &|| fs::write(scene.path().join(&path), "").unwrap()),
            ("gone", &|| scene.dir.remove_file(&path).unwrap()),
            ("a directory", &|| scene.dir.create_dir(&path, 0o755).unwrap()),
        ];
        let length = attempt().unwrap();
        assert!(length > 0);
        for (what, change) in changes {
            change();
            let error = attempt().unwrap_err();
            let named = match &error {
                LayerError::SizeChanged { path, .. } | LayerError::Scan { path, .. } => path,
                other => panic!("{what}: {other:?}"),
            };
            assert!(named.ends_with(&path), "{what}: {error}");
        }
    }
}
