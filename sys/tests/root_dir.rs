//! `RootDir` stays inside its root, whatever the tree contains.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests count as tests

use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sys::RootDir;
use sys::root_dir::{FileKind, NodeKind, Timestamp};
use tempfile::TempDir;

/// A directory `outside/secret` next to the root `root`.
fn scene() -> (TempDir, RootDir) {
    let temp = TempDir::new().unwrap();
    fs::create_dir(temp.path().join("outside")).unwrap();
    fs::write(temp.path().join("outside/secret"), "secret").unwrap();
    fs::create_dir(temp.path().join("root")).unwrap();
    let root = RootDir::open(temp.path().join("root")).unwrap();
    (temp, root)
}

fn outside_is_untouched(temp: &TempDir) {
    let outside = temp.path().join("outside");
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2);
}

fn read(root: &RootDir, path: &str) -> String {
    let mut text = String::new();
    root.open_file(path).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn dot_dot_stops_at_the_root() {
    let (temp, root) = scene();
    root.create_file("../../a", 0o644).unwrap().write_all(b"1").unwrap();
    assert_eq!(fs::read_to_string(temp.path().join("root/a")).unwrap(), "1");
    assert!(root.open_file("../outside/secret").is_err());
    assert_eq!(root.metadata("..").unwrap().ino, root.metadata("/").unwrap().ino);
    assert_eq!(root.resolve("../../x/../y", true).unwrap(), PathBuf::from("/y"));
    outside_is_untouched(&temp);
}

#[test]
fn symlinked_parents_resolve_inside() {
    let (temp, root) = scene();
    symlink("/outside", temp.path().join("root/absolute")).unwrap();
    symlink("../outside", temp.path().join("root/relative")).unwrap();
    symlink(temp.path().join("outside"), temp.path().join("root/real")).unwrap();
    for link in ["absolute", "relative", "real"] {
        let below = Path::new(link).join("secret");
        assert!(root.create_file(&below, 0o644).is_err(), "{link}");
        assert!(root.open_file(&below).is_err());
        assert!(root.remove_file(&below).is_err());
        assert!(root.remove_tree(&below).is_err());
        assert!(root.set_mode(&below, 0o777).is_err());
        assert!(root.symlink("x", &below).is_err());
        assert!(root.mknod(&below, NodeKind::Fifo, 0o600).is_err());
        assert!(root.set_xattr(&below, b"user.x", b"y").is_err());
        assert!(root.rename(&below, "stolen").is_err());
        assert!(root.hard_link(&below, "stolen").is_err());
    }
    root.create_dir("outside", 0o755).unwrap();
    root.create_file("absolute/inside", 0o640).unwrap();
    assert_eq!(root.metadata("outside/inside").unwrap().mode, 0o640);
    assert_eq!(root.resolve("relative/inside", true).unwrap(), PathBuf::from("/outside/inside"));
    outside_is_untouched(&temp);
}

#[test]
fn last_component_is_not_followed() {
    let (temp, root) = scene();
    symlink("../outside/secret", temp.path().join("root/link")).unwrap();
    root.create_file("file", 0o600).unwrap().write_all(b"file").unwrap();
    symlink("file", temp.path().join("root/good")).unwrap();

    assert_eq!(root.metadata("link").unwrap().kind, FileKind::Symlink);
    assert_eq!(read(&root, "good"), "file");
    assert!(root.open_file_nofollow("good").is_err());
    assert!(root.create_file("link", 0o644).is_err());
    assert!(root.set_mode("good", 0o777).is_err());
    assert_eq!(root.metadata("file").unwrap().mode, 0o600);
    root.set_mtime("good", Timestamp { secs: 7, nanos: 0 }).unwrap();
    assert_eq!(root.metadata("good").unwrap().mtime.secs, 7);
    assert_ne!(root.metadata("file").unwrap().mtime.secs, 7);
    root.hard_link("good", "second").unwrap();
    assert_eq!(root.metadata("second").unwrap().kind, FileKind::Symlink);
    root.remove_file("good").unwrap();
    root.remove_tree("link").unwrap();
    assert!(root.metadata("file").is_ok());
    outside_is_untouched(&temp);
}

#[test]
fn only_regular_files_are_opened() {
    let (temp, root) = scene();
    root.mknod("pipe", NodeKind::Fifo, 0o644).unwrap();
    root.create_dir("dir", 0o755).unwrap();
    assert!(root.open_file("pipe").is_err()); // and does not hang
    assert_eq!(root.open_file("dir").unwrap_err().kind(), std::io::ErrorKind::IsADirectory);
    outside_is_untouched(&temp);
}

/// As if each had been a file a moment ago.
#[test]
fn what_is_no_file_any_more_is_not_read() {
    let (temp, root) = scene();
    root.create_file("file", 0o600).unwrap().write_all(b"file").unwrap();
    let mut text = String::new();
    root.open_known_file("file").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "file");
    root.create_dir("dir", 0o755).unwrap();
    root.mknod("pipe", NodeKind::Fifo, 0o644).unwrap();
    symlink("file", temp.path().join("root/link")).unwrap();
    symlink("../outside", temp.path().join("root/out")).unwrap();
    let refused = |path: &str| root.open_known_file(path).unwrap_err().kind();
    assert_eq!(refused("dir"), std::io::ErrorKind::IsADirectory);
    assert_eq!(refused("pipe"), std::io::ErrorKind::InvalidInput); // and does not hang
    assert!(root.open_known_file("link").is_err());
    assert_eq!(refused(""), std::io::ErrorKind::IsADirectory);
    assert_eq!(refused("out/secret"), std::io::ErrorKind::NotFound);
    outside_is_untouched(&temp);
}

#[test]
fn modes_are_exact() {
    let (temp, root) = scene();
    root.create_dir("d", 0o1777).unwrap();
    root.create_file("f", 0o6777).unwrap();
    root.mknod("p", NodeKind::Fifo, 0o666).unwrap();
    root.create_dir_all("x/y/z", 0o777).unwrap();
    for (path, mode) in [("d", 0o1777), ("f", 0o6777), ("p", 0o666), ("x/y", 0o777)] {
        assert_eq!(root.metadata(path).unwrap().mode, mode, "{path}");
    }
    root.create_dir_all("x/y", 0o700).unwrap();
    assert_eq!(root.metadata("x/y").unwrap().mode, 0o777);
    assert!(root.create_dir_all("f/x", 0o755).is_err());
    outside_is_untouched(&temp);
}

#[test]
fn create_dir_all_goes_through_symlinks_inside() {
    let (temp, root) = scene();
    symlink("/run", temp.path().join("root/var")).unwrap();
    root.create_dir_all("var/lock/x", 0o755).unwrap();
    assert!(temp.path().join("root/run/lock/x").is_dir());
    assert_eq!(root.resolve("/var/lock", true).unwrap(), PathBuf::from("/run/lock"));
    assert_eq!(root.resolve("/var", false).unwrap(), PathBuf::from("/var"));
    outside_is_untouched(&temp);
}

#[test]
fn link_loops_end() {
    let (temp, root) = scene();
    symlink("b", temp.path().join("root/a")).unwrap();
    symlink("a", temp.path().join("root/b")).unwrap();
    for error in [root.resolve("a", true).unwrap_err(), root.open_file("a/x").unwrap_err()] {
        assert_eq!(error.errno(), Some(libc::ELOOP));
    }
    assert_eq!(root.resolve("a", false).unwrap(), PathBuf::from("/a"));
}

#[test]
fn strange_names_and_attributes() {
    let (_temp, root) = scene();
    let long = [b'n'; 255];
    for name in [b"\xff\xfe\n".as_slice(), b" ", b"-", long.as_slice(), b"..."] {
        let name = std::ffi::OsStr::from_bytes(name);
        root.create_file(name, 0o644).unwrap();
        root.set_xattr(name, b"user.bin", b"\0\xff\n=").unwrap();
        let xattrs = root.xattrs(name).unwrap();
        assert_eq!(xattrs.get(b"user.bin".as_slice()).unwrap(), b"\0\xff\n=");
        root.remove_xattr(name, b"user.bin").unwrap();
        root.remove_xattr(name, b"user.bin").unwrap();
        assert!(root.xattrs(name).unwrap().is_empty());
    }
    assert_eq!(root.read_dir("/").unwrap().len(), 5);
    assert!(root.create_file(std::ffi::OsStr::from_bytes(&[b'n'; 256]), 0o644).is_err());
    root.create_file("big", 0o644).unwrap();
    root.set_xattr("big", b"user.big", &[7; 3000]).unwrap();
    assert_eq!(root.xattrs("big").unwrap()[b"user.big".as_slice()].len(), 3000);
}

#[test]
fn remove_tree_takes_read_only_and_deep_trees() {
    let (temp, root) = scene();
    let mut path = PathBuf::from("top");
    for _ in 0..700 {
        path.push("d");
    }
    root.create_dir_all(&path, 0o755).unwrap();
    root.create_file(path.join("f"), 0o400).unwrap();
    root.create_dir("top/locked", 0o755).unwrap();
    root.create_file("top/locked/f", 0o400).unwrap();
    symlink("../../outside", temp.path().join("root/top/locked/link")).unwrap();
    let locked = temp.path().join("root/top/locked");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    root.remove_tree("top").unwrap();
    assert!(root.read_dir("").unwrap().is_empty());
    assert!(root.remove_tree("top").is_err());
    outside_is_untouched(&temp);
}

#[test]
fn remove_tree_does_not_follow_swapped_symlinks() {
    let (temp, root) = scene();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let path = temp.path().join("root");
    let swapper = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = fs::create_dir_all(path.join("victim/inner"));
                let _ = fs::write(path.join("victim/inner/f"), "");
                let _ = fs::rename(path.join("victim/inner"), path.join("aside"));
                let _ = symlink("../../outside", path.join("victim/inner"));
                let _ = fs::remove_dir_all(path.join("aside"));
            }
        })
    };
    for _ in 0..300 {
        let _ = root.remove_tree("victim"); // may fail; must not escape
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.join().unwrap();
    // The swapper itself writes through its link now and then, so only what was there is compared.
    assert_eq!(fs::read_to_string(temp.path().join("outside/secret")).unwrap(), "secret");
}

#[test]
fn remove_tree_leaves_alone_what_it_cannot_remove_whole() {
    let (temp, root) = scene();
    root.create_dir("d", 0o755).unwrap();
    root.create_file("d/f", 0o644).unwrap();
    for path in ["", "/", "d/..", ".."] {
        assert!(root.remove_tree(path).is_err(), "{path}");
        assert!(root.metadata("d/f").is_ok(), "{path}");
    }
    outside_is_untouched(&temp);
}

#[test]
fn a_slash_at_the_end_follows_no_symlink() {
    let (_temp, root) = scene();
    root.create_dir("real", 0o755).unwrap();
    root.symlink("real", "link").unwrap();
    for path in ["link", "link/", "link/.", "link//./"] {
        assert!(root.subdir_nofollow(path).is_err(), "{path}");
    }
    assert!(root.subdir_nofollow("real/").is_ok());
    assert!(root.subdir_nofollow("/").is_ok());
    assert!(root.subdir("link/").is_ok());
}

#[test]
fn a_file_gets_a_name_in_another_root() {
    let (temp, root) = scene();
    fs::create_dir(temp.path().join("root/other")).unwrap();
    let other = RootDir::open(temp.path().join("root/other")).unwrap();
    root.create_file("f", 0o644).unwrap();
    symlink("/outside", temp.path().join("root/out")).unwrap();
    other.hard_link_from(&root, "f", "../g").unwrap();
    assert_eq!(other.metadata("g").unwrap().ino, root.metadata("f").unwrap().ino);
    assert!(other.hard_link_from(&root, "out/secret", "h").is_err());
}

#[test]
fn errors_show_the_call() {
    let (_temp, root) = scene();
    let text = root.open_file("etc/passwd").unwrap_err().to_string();
    assert!(text.starts_with("openat2("), "{text}");
    assert!(text.contains(r#""etc/passwd""#), "{text}");
    assert!(text.ends_with(": no such file or directory"), "{text}");
}
