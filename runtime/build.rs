//! Builds the launcher: a static program without a standard library that `launcher.rs` includes.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // this is how cargo talks to build scripts
use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=launcher/launcher.rs");
    let out = PathBuf::from(variable("OUT_DIR")).join("launcher");
    if variable("CARGO_CFG_TARGET_ARCH") != "x86_64" {
        // Starting a container is refused there at run time.
        std::fs::write(&out, []).expect("OUT_DIR is writable");
        return;
    }
    let status = Command::new(variable("RUSTC"))
        .args(["--crate-name", "launcher", "--crate-type", "bin", "--edition", "2024"])
        .args(["--target", &variable("TARGET")])
        .args(["-C", "panic=abort", "-C", "opt-level=s", "-C", "relocation-model=static"])
        .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nodefaultlibs"])
        .args(["-C", "link-arg=-static", "-C", "link-arg=-Wl,--build-id=none"])
        .args(["-C", "target-feature=+crt-static", "-C", "strip=symbols", "-C", "debuginfo=0"])
        .arg("-o")
        .arg(&out)
        .arg("launcher/launcher.rs")
        .env_remove("RUSTFLAGS")
        .status()
        .expect("rustc can be run");
    assert!(status.success(), "rustc could not build the launcher: {status}");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
