//! skopeo copies and inspects our store in place and our archives, and we load its copies.

use serde_json::Value;

use super::image::{NAME, assert_same, id, inspect, load_elsewhere};
use super::{members, sandbox_for};
use crate::support::{Sandbox, installed, run};

fn skopeo(sandbox: &Sandbox, args: &[&str]) -> String {
    run(sandbox.command("skopeo").args(args), "").success().stdout
}

fn in_place(sandbox: &Sandbox, name: &str) -> String {
    format!("oci:{}:{name}", sandbox.root().join("images").display())
}

fn digest(sandbox: &Sandbox, reference: &str) -> String {
    skopeo(sandbox, &["inspect", "--format", "{{.Digest}}", reference]).trim().to_owned()
}

#[test]
fn skopeo_reads_the_store_in_place() {
    let Some(sandbox) = sandbox_for(&["skopeo"]) else { return };
    let ours = in_place(&sandbox, NAME);
    assert_eq!(digest(&sandbox, &ours), inspect(&sandbox, NAME)["Descriptor"]["digest"]);
    let config: Value =
        serde_json::from_str(&skopeo(&sandbox, &["inspect", "--config", &ours])).unwrap();
    assert_eq!(config["config"]["User"], "worker");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 10);

    skopeo(&sandbox, &["copy", "--preserve-digests", &ours, "oci:copy:rich:1"]);
    let back = load_elsewhere(&sandbox.path("copy"));
    assert_same(&sandbox, &back, NAME);
    assert_eq!(
        inspect(&sandbox, NAME)["Descriptor"]["digest"],
        inspect(&back, NAME)["Descriptor"]["digest"]
    );
}

/// Whichever form it is, bytes that skopeo may keep are kept.
#[test]
fn skopeo_copies_our_archives() {
    let Some(sandbox) = sandbox_for(&["skopeo"]) else { return };
    for (form, compression) in [
        ("oci", "gzip"),
        ("oci", "zstd"),
        ("oci", "uncompressed"),
        ("docker", "gzip"),
        ("docker", "zstd"),
    ] {
        let ours = format!("{form}-{compression}.tar");
        sandbox.output_again(&format!("type={form},compression={compression},dest={ours}"));
        // The OCI layout in a Docker archive has the same bytes; as such it is read here too.
        let from = format!("oci-archive:{ours}:1");
        let theirs = format!("{form}-{compression}-copy.tar");
        let to = format!("oci-archive:{theirs}:rich:1");
        skopeo(&sandbox, &["copy", "--preserve-digests", &from, &to]);
        assert_eq!(digest(&sandbox, &from), digest(&sandbox, &to));
        let back = load_elsewhere(&sandbox.path(&theirs));
        assert_eq!(digest(&sandbox, &from), inspect(&back, NAME)["Descriptor"]["digest"]);
        assert_same(&sandbox, &back, NAME);
    }
}

#[test]
fn skopeo_translates_between_forms() {
    let Some(sandbox) = sandbox_for(&["skopeo"]) else { return };
    sandbox.rbuild(["save", "-o", "docker.tar", NAME, "busybox"]).success();
    let (ours, docker) = (in_place(&sandbox, NAME), "docker-archive:docker.tar:rich:1");
    for (from, to) in [
        (ours.as_str(), "oci-archive:from-store.tar:rich:1"),
        (&ours, "docker-archive:docker-from-store.tar:rich:1"),
        (docker, "docker-archive:docker-from-docker.tar:rich:1"),
    ] {
        skopeo(&sandbox, &["copy", from, to]);
        let file = to.split(':').nth(1).unwrap();
        let back = load_elsewhere(&sandbox.path(file));
        assert_same(&sandbox, &back, NAME);
    }
    // Here skopeo writes the configuration anew, and with it the ID; ours is what it made of it.
    skopeo(&sandbox, &["copy", docker, "oci:from-docker:rich:1"]);
    let back = load_elsewhere(&sandbox.path("from-docker"));
    let raw = skopeo(&sandbox, &["inspect", "--raw", "oci:from-docker:rich:1"]);
    let manifest: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(manifest["config"]["digest"], id(&back, NAME));
    let (here, there) = (inspect(&sandbox, NAME), inspect(&back, NAME));
    assert_eq!(here["RootFS"], there["RootFS"]);
    assert_eq!(here["Config"]["Env"], there["Config"]["Env"]);
}

/// With and without an index; skopeo's own directories have neither layout nor names.
#[test]
fn skopeo_directories_are_loaded() {
    if !installed("skopeo") {
        return;
    }
    let sandbox = Sandbox::new();
    let output = "type=oci,dest=platforms.tar";
    let flags = ["-t", "app:1", "--platform", "linux/amd64,linux/arm64,linux/s390x", "-o", output];
    sandbox.build("FROM scratch\nCOPY Dockerfile /\n", &flags).success();
    let ours = "oci-archive:platforms.tar:1";
    skopeo(&sandbox, &["copy", "--all", "--preserve-digests", ours, "dir:all"]);
    let copy_one = ["--override-arch", "arm64", "copy", "--preserve-digests", ours, "dir:one"];
    skopeo(&sandbox, &copy_one);
    for directory in ["all", "one"] {
        let back = load_elsewhere(&sandbox.path(directory));
        let index: Value = serde_json::from_str(&back.read("store/images/index.json")).unwrap();
        let manifest = format!("{directory}/manifest.json");
        let digest = skopeo(&sandbox, &["manifest-digest", &manifest]);
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
        assert_eq!(index["manifests"][0]["digest"], digest.trim());
    }
}

#[test]
fn skopeo_reads_gzip_of_several_members() {
    let Some(sandbox) = members::sandbox(&["skopeo"]) else { return };
    sandbox.rbuild(["save", "-o", "members.tar", members::NAME]).success();
    skopeo(&sandbox, &["copy", "--dest-decompress", "oci-archive:members.tar", "dir:plain"]);
    let manifest: Value = serde_json::from_str(&sandbox.read("plain/manifest.json")).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    assert_eq!(inspect(&sandbox, members::NAME)["RootFS"]["Layers"][0], layer);
}
