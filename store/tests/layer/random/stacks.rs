//! Random layers on top of each other mean the same to the model, the merged tree, the unpacked
//! snapshots under the kernel's overlayfs, and a plain copy.

use std::io::Cursor;

use store::id_map::IdMap;
use store::layer::{LayerIndex, WhiteoutForm, apply, index_layer};
use store::tree::Tree;

use super::cases::{Case, Random, check_cases};
use super::model::{File, Member, Model, Stop};
use super::names::{self, Bytes};
use super::view::{What, of_dir, of_tree, same};
use crate::merge::Overlay;
use crate::support::{Archive, Scene, on_top, root, seal, unpack};

#[test]
fn stacked_layers_mean_what_the_model_says() {
    if !root() {
        return;
    }
    check_cases(200, layers, check);
}

/// A layer like those of the cases, as an archive with GNU extensions too.
pub(super) fn any_archive(random: &mut Random) -> Vec<u8> {
    let members: Vec<Member> = (0..1 + random.below(10)).map(|_| member(random)).collect();
    let mut bytes = bytes_of(&members);
    bytes.truncate(bytes.len() - 1024);
    let sparse: &[(&str, &[u8])] =
        &[("GNU.sparse.size", b"5000"), ("GNU.sparse.map", b"0,3,4096,1")];
    Archive(bytes)
        .member(b'L', "././@LongLink", "", &[b'n'; 130])
        .member(b'K', "././@LongLink", "", b"d/target\0")
        .symlink("short", "short")
        .pax(sparse)
        .file("sparse", "abcd")
        .hardlink("another", "sparse")
        .file("d/.wh.x", "")
        .end()
}

fn layers(random: &mut Random) -> Case<Member> {
    let mut model = Model::default();
    let mut case = Vec::new();
    for _ in 0..1 + random.below(4) {
        let mut members: Vec<Member> = Vec::new();
        for _ in 0..random.below(14) {
            let member = member(random);
            members.push(member);
            // A layer that cannot be ends the case, so not too often; the same for what is not judged.
            if model.with(&members).is_err() && !random.once_in(40) {
                members.pop();
            }
        }
        case.push(members);
        match model.with(case.last().unwrap()) {
            Ok(next) => model = next,
            Err(_) => break,
        }
    }
    case
}

fn member(random: &mut Random) -> Member {
    let path = names::path(random);
    match random.below(10) {
        0 => Member::Whiteout { path },
        1 => Member::Opaque { path: if random.once_in(20) { Bytes::default() } else { path } },
        2 => Member::Link { path, target: names::path(random) },
        _ => Member::Put { path, file: file(random) },
    }
}

fn file(random: &mut Random) -> File {
    let what = match random.below(12) {
        0..=3 => What::Dir,
        4..=7 => What::File(names::content(random)),
        8 => What::Symlink(names::link(random)),
        9 => What::Fifo,
        10 => What::Char(1 + random.next() as u32 % 4095, random.next() as u32 % (1 << 20)),
        _ => What::Block(random.next() as u32 % 4096, random.next() as u32 % (1 << 20)),
    };
    File {
        mode: names::mode(random),
        uid: names::id(random),
        gid: names::id(random),
        mtime: Some(names::time(random)),
        xattrs: names::xattrs(random),
        what,
    }
}

/// The same layer as archive bytes.
fn bytes_of(members: &[Member]) -> Vec<u8> {
    let mut archive = Archive::default();
    for member in members {
        let (path, link, file) = match member {
            Member::Put { path, file } => (path.to_vec(), Vec::new(), Some(file)),
            Member::Link { path, target } => (path.to_vec(), target.to_vec(), None),
            Member::Whiteout { path } => (names::beside(path, b".wh."), Vec::new(), None),
            Member::Opaque { path } => {
                ([path.as_slice(), &b"/.wh..wh..opq"[..]].concat(), Vec::new(), None)
            }
        };
        let (mut flag, mut data, mut device) = (b'0', Vec::new(), (0, 0));
        let mut records = vec![(b"path".to_vec(), path), (b"linkpath".to_vec(), link)];
        match file.map(|file| &file.what) {
            None if matches!(member, Member::Link { .. }) => flag = b'1',
            None => {}
            Some(What::Dir) => flag = b'5',
            Some(What::File(bytes)) => data.clone_from(&bytes.0),
            Some(What::Symlink(target)) => {
                flag = b'2';
                records[1].1.clone_from(&target.0);
            }
            Some(What::Fifo) => flag = b'6',
            Some(&What::Char(major, minor)) => (flag, device) = (b'3', (major, minor)),
            Some(&What::Block(major, minor)) => (flag, device) = (b'4', (major, minor)),
        }
        if let Some(file) = file {
            records.push((b"uid".to_vec(), file.uid.to_string().into_bytes()));
            records.push((b"gid".to_vec(), file.gid.to_string().into_bytes()));
            let mtime = file.mtime.unwrap_or(0);
            records.push((b"mtime".to_vec(), mtime.to_string().into_bytes()));
            for (name, value) in &file.xattrs {
                records.push(([b"SCHILY.xattr.", name.as_slice()].concat(), value.clone()));
            }
        }
        records.retain(|(_, value)| !value.is_empty());
        let records: Vec<(&str, &[u8])> = records
            .iter()
            .map(|(key, value)| (std::str::from_utf8(key).unwrap(), value.as_slice()))
            .collect();
        archive = archive.pax(&records);
        let header = archive.0.len();
        archive.push(flag, b"in the records", b"there too", &data);
        let block = &mut archive.0[header..header + 512];
        let octal = |value: u32| format!("{value:07o}\0").into_bytes();
        block[100..108].copy_from_slice(&octal(file.map_or(0o644, |file| file.mode)));
        block[329..337].copy_from_slice(&octal(device.0));
        block[337..345].copy_from_slice(&octal(device.1));
        seal(block);
    }
    archive.end()
}

fn check(case: &Case<Member>) -> Result<(), String> {
    let mut model = Some(Model::default());
    let mut tree = Tree::default();
    let (mut scenes, copy) = (Vec::new(), Scene::new());
    for (number, members) in case.iter().enumerate() {
        let bytes = bytes_of(members);
        let scene = Scene::new();
        let unpacked = unpack(&bytes, &scene, &tree);
        let indexed = index_layer(Cursor::new(&bytes), &tree);
        let form = WhiteoutForm::Remove;
        let copied = apply(Cursor::new(&bytes), &copy.dir, &tree, form, IdMap::Identity);
        model = match (model, &unpacked) {
            (None, _) => None,
            (Some(before), result) => match (before.with(members), result) {
                // From here on the views are compared with each other.
                (Err(Stop::Unjudged), _) => None,
                (Ok(after), Ok(_)) => Some(after),
                (Err(_), Err(_)) => return Ok(()),
                (Ok(_), Err(error)) => return Err(format!("layer {number} is refused: {error:?}")),
                (Err(why), Ok(_)) => return Err(format!("layer {number} is accepted: {why:?}")),
            },
        };
        let index = match (unpacked, indexed, copied) {
            (Err(_), Err(_), Err(_)) => return Ok(()),
            (Ok(index), Ok(other), Ok(third)) => {
                equal("index without unpacking", &other, &index)?;
                equal("index of the copy", &third, &index)?;
                let stored =
                    LayerIndex::from_bytes(&index.to_bytes()).map_err(|e| e.to_string())?;
                equal("stored index", &stored, &index)?;
                index
            }
            results => return Err(format!("layer {number}: not all agree: {results:?}")),
        };
        tree = on_top(&tree, index, &scene);
        scenes.push(scene);
    }
    let shown = of_tree(&tree);
    if let Some(model) = &model {
        same("tree", &shown, &model.lines())?;
    }
    same("copy", &of_dir(&copy.dir), &shown)?;
    if scenes.is_empty() {
        return Ok(());
    }
    let Some(mounted) = Overlay::mount(&scenes) else { return Ok(()) };
    same("overlay", &of_dir(&mounted.dir), &shown)
}

fn equal(name: &str, found: &LayerIndex, expected: &LayerIndex) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{name}: {found:#?}\nexpected: {expected:#?}\n"))
}
