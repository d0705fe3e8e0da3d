//! Other programs read what rbuild writes, and rbuild what they write (docs/interop.md lists what was tried).
//!
//! A test is skipped when its neighbour cannot work here at all: is not installed, or fails with an image of its
//! own making. What it does with ours is never an excuse.

mod buildah;
pub(crate) mod daemon;
mod docker;
mod docker_build;
mod image;
mod listing;
mod members;
mod oci_docker;
mod oci_podman;
mod podman;
mod registry;
mod skopeo;
mod umoci;

use crate::support::{Sandbox, installed, privileged};

/// A store with the images `busybox` and `rich:1`, where containers run and the programs are installed.
fn sandbox_for(programs: &[&str]) -> Option<Sandbox> {
    let able = privileged() && programs.iter().all(|program| installed(program));
    able.then(|| {
        let sandbox = Sandbox::with_busybox();
        image::build(&sandbox);
        sandbox
    })
}

/// Says why a neighbour cannot be tried; `RBUILD_TEST_NEIGHBOURS=1` makes it a failure.
fn cannot_work(neighbour: &str, why: &str) {
    let required = std::env::vars().any(|(name, _)| name == "RBUILD_TEST_NEIGHBOURS");
    assert!(!required, "{neighbour} does not work with an image of its own: {why}");
    println!("skipped: {neighbour} does not work here with an image of its own: {why}");
}
