//! Random changes through a mounted overlay, or in a copy, become layers that show what was there.

use std::io::{Cursor, Write};
use std::path::Path;

use store::id_map::IdMap;
use store::layer::{LayerWriter, Stamps, WhiteoutForm, apply, changes, write_layer};
use store::tree::Tree;
use sys::RootDir;
use sys::root_dir::{NodeKind, Timestamp};

use super::cases::{Case, Random, check_cases};
use super::names::{self, Bytes};
use super::view::{as_path, of_dir, of_tree, same};
use crate::merge::Overlay;
use crate::support::{Scene, archive, on_top, root, unpack};

/// What a program may do. That it fails is as good as that it works.
#[derive(Clone, Debug)]
enum Change {
    Write { path: Bytes, bytes: Bytes, mode: u32 },
    Append { path: Bytes },
    Sparse { path: Bytes },
    Dir { path: Bytes, mode: u32 },
    Symlink { path: Bytes, target: Bytes },
    Link { path: Bytes, target: Bytes },
    Node { path: Bytes, kind: NodeKind, mode: u32 },
    Rename { from: Bytes, to: Bytes },
    Remove { path: Bytes },
    Owner { path: Bytes, uid: u32, gid: u32 },
    Mode { path: Bytes, mode: u32 },
    Time { path: Bytes, secs: i64, nanos: u32 },
    Attribute { path: Bytes, name: Bytes, value: Bytes },
    NoAttribute { path: Bytes, name: Bytes },
}

#[test]
fn changes_become_layers_and_layers_become_them_again() {
    if !root() {
        return;
    }
    check_cases(120, steps, check);
}

/// The same in a copy of what is below, once with notes of how it was and once without.
#[test]
fn changes_of_copies_become_layers_too() {
    if !root() {
        return;
    }
    check_cases(60, steps, |case| check_copy(case, true).and_then(|()| check_copy(case, false)));
}

fn steps(random: &mut Random) -> Case<Change> {
    (0..1 + random.below(4))
        .map(|_| (0..random.below(25)).map(|_| change(random)).collect())
        .collect()
}

fn change(random: &mut Random) -> Change {
    let path = names::path(random);
    match random.below(24) {
        0..=4 => Change::Write { path, bytes: names::content(random), mode: names::mode(random) },
        5 => Change::Append { path },
        6 => Change::Sparse { path },
        7..=10 => Change::Dir { path, mode: names::mode(random) },
        11 => Change::Symlink { path, target: names::link(random) },
        12..=13 => Change::Link { path, target: names::path(random) },
        14 => Change::Node { path, kind: node(random), mode: names::mode(random) },
        15..=16 => Change::Rename { from: path, to: names::path(random) },
        17..=18 => Change::Remove { path },
        19 => Change::Owner { path, uid: names::id(random), gid: names::id(random) },
        20 => Change::Mode { path, mode: names::mode(random) },
        21 => {
            let nanos = *random.pick(&[0, 1, 999_999_999]);
            Change::Time { path, secs: names::time(random), nanos }
        }
        22 => {
            let xattrs = names::xattrs(random);
            let (name, value) =
                xattrs.into_iter().next().unwrap_or((b"user.z".into(), b"z".into()));
            Change::Attribute { path, name: Bytes(name), value: Bytes(value) }
        }
        _ => Change::NoAttribute { path, name: Bytes(b"user.x".to_vec()) },
    }
}

fn node(random: &mut Random) -> NodeKind {
    match random.below(4) {
        0 => NodeKind::Fifo,
        1 => NodeKind::Socket,
        2 => NodeKind::CharDevice { major: 1, minor: 3 },
        _ => NodeKind::BlockDevice { major: 259, minor: 70_000 },
    }
}

impl Change {
    fn apply(&self, dir: &RootDir) -> sys::Result<()> {
        let p = as_path;
        match self {
            Change::Write { path, bytes, mode } => {
                let mut file = dir.create_file(p(path), *mode)?;
                file.write_all(bytes).unwrap();
                Ok(())
            }
            Change::Append { path } => {
                dir.open_file(p(path))?;
                let mut file =
                    std::fs::OpenOptions::new().append(true).open(below(dir, path)).unwrap();
                file.write_all(b"appended").unwrap();
                Ok(())
            }
            Change::Sparse { path } => {
                let mut file = dir.create_file(p(path), 0o644)?;
                file.set_len(300_000).unwrap();
                file.write_all(b"start").unwrap();
                Ok(())
            }
            Change::Dir { path, mode } => dir.create_dir(p(path), *mode),
            Change::Symlink { path, target } => dir.symlink(p(target), p(path)),
            Change::Link { path, target } => dir.hard_link(p(target), p(path)),
            Change::Node { path, kind, mode } => dir.mknod(p(path), *kind, *mode),
            Change::Rename { from, to } => dir.rename(p(from), p(to)),
            Change::Remove { path } => dir.remove_tree(p(path)),
            Change::Owner { path, uid, gid } => dir.set_owner(p(path), *uid, *gid),
            Change::Mode { path, mode } => dir.set_mode(p(path), *mode),
            Change::Time { path, secs, nanos } => {
                dir.set_mtime(p(path), Timestamp { secs: *secs, nanos: *nanos })
            }
            Change::Attribute { path, name, value } => dir.set_xattr(p(path), name, value),
            Change::NoAttribute { path, name } => dir.remove_xattr(p(path), name),
        }
    }
}

/// The path as the kernel finds it from here, without symbolic links.
fn below(dir: &RootDir, path: &[u8]) -> std::path::PathBuf {
    use std::os::fd::{AsFd, AsRawFd};
    let real = dir.resolve(as_path(path), true).unwrap();
    Path::new(&format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd()))
        .join(real.strip_prefix("/").unwrap())
}

fn check(case: &Case<Change>) -> Result<(), String> {
    let mut tree = Tree::default();
    let mut scenes: Vec<Scene> = vec![Scene::new()];
    for changes in case {
        let Some(mounted) = Overlay::mount(&scenes) else { return Ok(()) };
        for change in changes {
            let _ = change.apply(&mounted.dir);
        }
        let expected = of_dir(&mounted.dir);
        let (_temp, upper) = mounted.into_upper();

        let (bytes, index) = archive(&upper, &tree);
        let scene = Scene::new();
        let read = unpack(&bytes, &scene, &tree).map_err(|error| format!("refused: {error}"))?;
        if read != index {
            return Err(format!("unpacked: {read:#?}\nwritten: {index:#?}"));
        }
        let (again, _) = archive(&scene.dir, &tree);
        if again != bytes {
            return Err("the layer of the unpacked layer has other bytes".to_owned());
        }
        tree = on_top(&tree, read, &scene);
        scenes.push(scene);
        same("tree", &of_tree(&tree), &expected)?;
        let Some(mounted) = Overlay::mount(&scenes) else { return Ok(()) };
        same("overlay", &of_dir(&mounted.dir), &expected)?;
    }
    Ok(())
}

fn check_copy(case: &Case<Change>, noted: bool) -> Result<(), String> {
    let (ours, theirs) = (Scene::new(), Scene::new());
    let (mut tree, mut scenes) = (Tree::default(), Vec::new());
    for step in case {
        let stamps = if noted { notes(&ours) } else { Stamps::default() };
        for change in step {
            let _ = change.apply(&ours.dir);
        }
        let expected = of_dir(&ours.dir);
        let found = changes(&ours.dir, &tree, &stamps, IdMap::Identity);
        let found = found.map_err(|error| format!("not compared: {error}"))?;
        let mut writer = LayerWriter::new(Vec::new());
        write_layer(&found, &ours.dir, &mut writer).map_err(|error| error.to_string())?;
        let (bytes, index) = writer.finish().map_err(|error| error.to_string())?;
        let form = WhiteoutForm::Remove;
        let copied = apply(Cursor::new(&bytes), &theirs.dir, &tree, form, IdMap::Identity);
        let read = copied.map_err(|error| format!("refused: {error}"))?;
        if read != index {
            return Err(format!("unpacked: {read:#?}\nwritten: {index:#?}"));
        }
        let scene = Scene::new();
        unpack(&bytes, &scene, &tree).map_err(|error| format!("refused: {error}"))?;
        tree = on_top(&tree, read, &scene);
        scenes.push(scene);
        same("tree", &of_tree(&tree), &expected)?;
        same("copy", &of_dir(&theirs.dir), &expected)?;
    }
    Ok(())
}

/// Taken when the clock has left the tick of the last change.
fn notes(scene: &Scene) -> Stamps {
    let mut stamps = Stamps::take(&scene.dir).unwrap();
    let clock = RootDir::open(scene.temp.path()).unwrap();
    loop {
        std::fs::write(scene.temp.path().join("clock"), "tick").unwrap();
        let now = clock.metadata("clock").unwrap().ctime;
        if stamps.latest().is_none_or(|latest| latest < now) {
            stamps.trust_before(now);
            return stamps;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
