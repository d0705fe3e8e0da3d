//! The root filesystem that tests build on: Debian's static busybox.

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
