//! The root filesystems that tests build on: Debian's static busybox, and Debian itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Repository;

/// Made once for all tests of this process, and kept where cargo keeps what tests leave: nothing drops a static.
pub(crate) fn busybox_rootfs() -> PathBuf {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    let path = ARCHIVE.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(directory).unwrap();
        let (path, made) =
            (directory.join("busybox.tar"), directory.join(std::process::id().to_string()));
        let script = Repository::here().path("scripts/busybox-rootfs.sh");
        let status = Command::new(script).arg(&made).status().unwrap();
        assert!(status.success(), "busybox-rootfs.sh failed; is busybox-static installed?");
        // Tests of another process may be reading it.
        fs::rename(made, &path).unwrap();
        path
    });
    path.clone()
}

/// Debian's smallest, made once for all tests of this process. None, with the reason printed, where it cannot be made; with
/// `RBUILD_TEST_ROOT=1` that is a failure.
pub(crate) fn debian_rootfs() -> Option<PathBuf> {
    static ARCHIVE: OnceLock<Option<PathBuf>> = OnceLock::new();
    ARCHIVE.get_or_init(make_debian).clone()
}

fn make_debian() -> Option<PathBuf> {
    if !super::installed("mmdebstrap") {
        return None;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(directory).unwrap();
    let (path, made) = (directory.join("debian.tar"), format!("debian-{}.tar", std::process::id()));
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--quiet", "--variant=minbase", "bookworm"]).arg(directory.join(&made));
    let output = mmdebstrap.output().unwrap();
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let required = std::env::vars().any(|it| it == ("RBUILD_TEST_ROOT".into(), "1".into()));
        assert!(!required, "mmdebstrap failed: {told}");
        println!("skipped: Debian's packages cannot be had: {told}");
        return None;
    }
    // Tests of another process may be reading it.
    fs::rename(directory.join(made), &path).unwrap();
    Some(path)
}
