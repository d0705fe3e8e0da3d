//! buildah builds on our image and commits and pushes to what we load.

use serde_json::Value;

use super::image::{self, NAME, id, load_elsewhere};
use super::{cannot_work, sandbox_for};
use crate::support::{Output, Sandbox, busybox_rootfs, run};

/// Its storage is in the sandbox; `chroot` needs no runtime and no network.
pub(super) fn buildah(sandbox: &Sandbox, args: &[&str]) -> Output {
    let mut command = sandbox.command("buildah");
    command.env("HOME", sandbox.path("buildah-home")).env("BUILDAH_ISOLATION", "chroot");
    command.arg("--root").arg(sandbox.path("buildah"));
    command.arg("--runroot").arg(sandbox.path("buildah-run"));
    run(command.args(["--storage-driver", "vfs"]).args(args), "")
}

/// A container of its own making runs.
pub(super) fn prove(sandbox: &Sandbox) -> Result<(), String> {
    let container = buildah(sandbox, &["from", "scratch"]).or_why()?.stdout;
    let container = container.trim();
    let rootfs = busybox_rootfs();
    buildah(sandbox, &["add", "-q", container, rootfs.to_str().unwrap()]).or_why()?;
    buildah(sandbox, &["run", container, "--", "true"]).or_why()?;
    Ok(())
}

#[test]
fn buildah_builds_on_ours_and_we_run_the_result() {
    let Some(sandbox) = sandbox_for(&["buildah"]) else { return };
    if let Err(why) = prove(&sandbox) {
        cannot_work("buildah", &why);
        return;
    }
    sandbox.rbuild(["save", "--format", "oci", "-o", "ours.tar", NAME]).success();
    let pulled = buildah(&sandbox, &["pull", "-q", "oci-archive:ours.tar"]).success().stdout;
    assert_eq!(format!("sha256:{}", pulled.trim()), id(&sandbox, NAME));

    let container = buildah(&sandbox, &["from", NAME]).success().stdout;
    let container = container.trim();
    let change = "echo new > /tree/new; rm -r /tree/names; chmod 700 /tree/commented";
    buildah(&sandbox, &["run", "--user", "root", container, "--", "sh", "-c", change]).success();
    buildah(&sandbox, &["config", "--user", "root", "--env", "GREETING=hi", container]).success();
    for (format, to) in
        [("oci", "oci-archive:new.tar:new:1"), ("docker", "docker-archive:new-docker.tar:new:1")]
    {
        let name = format!("new-{format}");
        let committed = buildah(&sandbox, &["commit", "-q", "--format", format, container, &name]);
        let theirs = format!("sha256:{}", committed.success().stdout.trim());
        buildah(&sandbox, &["push", "-q", &name, to]).success();
        let back = load_elsewhere(&sandbox.path(to.split(':').nth(1).unwrap()));
        assert_eq!(id(&back, "new:1"), theirs);
        let report = image::report(&back, "new:1").stdout;
        assert!(report.starts_with("first second word hi\nuid=0(root)"), "{report}");
        assert!(report.contains("-rwx------ 0:0 0 0,0 1234567890 /tree/commented"), "{report}");
        assert!(report.contains("/tree/new\n") && !report.contains("/tree/names/"), "{report}");
    }
    let untouched = buildah(&sandbox, &["inspect", "--type", "image", NAME]).success();
    let untouched: Value = serde_json::from_str(&untouched.stdout).unwrap();
    assert_eq!(untouched["OCIv1"]["config"]["User"], "worker");
}
