//! umoci unpacks what we wrote, in place and from an archive, and we load and run what it packed.

use std::fs;

use super::image::{self, NAME, load_elsewhere};
use super::{listing, members, sandbox_for};
use crate::support::{Sandbox, run};

fn umoci(sandbox: &Sandbox, args: &[&str]) {
    run(sandbox.command("umoci").args(args), "").success();
}

/// The image's root filesystem as our own exporter writes it.
fn exported(sandbox: &Sandbox, name: &str, file: &str) -> listing::Names {
    let output = format!("type=tar,dest={file}");
    sandbox.build(&format!("FROM {name}\n"), &["-o", &output]).success();
    listing::of_tar(&sandbox.path(file))
}

#[test]
fn umoci_unpacks_the_store_in_place() {
    let Some(sandbox) = sandbox_for(&["umoci"]) else { return };
    let images = sandbox.root().join("images");
    umoci(&sandbox, &["unpack", "--image", &format!("{}:{NAME}", images.display()), "bundle"]);
    let unpacked = listing::of_directory(&sandbox.path("bundle/rootfs"));
    listing::assert_same(&exported(&sandbox, NAME, "rich.tar"), &unpacked);
    listing::assert_part_of(&image::untouched(&sandbox), &unpacked);
    sandbox.validate();
}

#[test]
fn umoci_unpacks_changes_and_packs_again() {
    let Some(sandbox) = sandbox_for(&["umoci"]) else { return };
    let output = ["-o", "type=oci,tar=false,dest=layout", "-t", NAME];
    sandbox.build(image::DOCKERFILE, &output).success();
    umoci(&sandbox, &["unpack", "--image", "layout:1", "bundle"]);
    let rootfs = sandbox.path("bundle/rootfs/tree");
    fs::write(rootfs.join("added"), "by umoci").unwrap();
    // Fractions of a second are cut off by some and rounded by others.
    let whole = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    fs::File::open(rootfs.join("added")).unwrap().set_modified(whole).unwrap();
    fs::remove_file(rootfs.join("lower/kept")).unwrap();
    fs::remove_dir_all(rootfs.join("names")).unwrap();
    umoci(&sandbox, &["repack", "--image", "layout:2", "bundle"]);
    umoci(
        &sandbox,
        &["config", "--image", "layout:2", "--config.user", "root", "--config.env", "GREETING=hi"],
    );

    let back = load_elsewhere(&sandbox.path("layout"));
    assert_eq!(image::id(&sandbox, NAME), image::id(&back, NAME), "the other one is untouched");
    let unpacked = listing::of_directory(&sandbox.path("bundle/rootfs"));
    listing::assert_same(&unpacked, &exported(&back, "rich:2", "again.tar"));
    let report = image::report(&back, "rich:2").stdout;
    assert!(report.starts_with("first second word hi\nuid=0(root)"), "{report}");
}

#[test]
fn umoci_reads_gzip_of_several_members() {
    let Some(sandbox) = members::sandbox(&["umoci"]) else { return };
    let images = sandbox.root().join("images");
    let image = format!("{}:{}", images.display(), members::NAME);
    umoci(&sandbox, &["unpack", "--image", &image, "bundle"]);
    let unpacked = listing::of_directory(&sandbox.path("bundle/rootfs"));
    listing::assert_same(&exported(&sandbox, members::NAME, "members.tar"), &unpacked);
}
