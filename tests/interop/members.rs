//! An image whose layer is a gzip file of several members: valid (RFC 1952), made by parallel compressors, and
//! misread by programs that stop after the first.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Sandbox, installed, privileged, run};

pub(super) const NAME: &str = "members:1";
const PIECE: usize = 500_000;

/// A store with that image.
pub(super) fn sandbox(programs: &[&str]) -> Option<Sandbox> {
    let able = privileged() && programs.iter().all(|program| installed(program));
    able.then(|| {
        let sandbox = Sandbox::with_busybox();
        let output = "type=oci,tar=false,compression=uncompressed,dest=members";
        sandbox
            .build("FROM busybox\nCMD [\"echo\", \"whole\"]\n", &["-t", NAME, "-o", output])
            .success();
        divide(&sandbox, &sandbox.path("members"));
        let other = Sandbox::new();
        let layout = sandbox.path("members");
        other.rbuild(["load".as_ref(), "-i".as_ref(), layout.as_os_str()]).success();
        run_it(&other);
        other
    })
}

fn run_it(sandbox: &Sandbox) {
    sandbox.rbuild(["run", "--rm", NAME]).success().prints("whole\n");
    sandbox.validate();
}

/// Replaces the plain layer of the layout.
fn divide(sandbox: &Sandbox, layout: &Path) {
    let mut index = document(&layout.join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let mut manifest = document(&blob(layout, &digest));
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    let plain = fs::read(blob(layout, &layer)).unwrap();
    let pieces = plain.chunks(PIECE);
    assert!(pieces.len() > 3);
    let divided: Vec<u8> = pieces.flat_map(|piece| gzip(sandbox, piece)).collect();
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
    put(sandbox, layout, &divided, &mut manifest["layers"][0]);
    put(sandbox, layout, manifest.to_string().as_bytes(), &mut index["manifests"][0]);
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

fn document(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn blob(layout: &Path, digest: &str) -> std::path::PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// Writes a blob and makes the descriptor name it.
fn put(sandbox: &Sandbox, layout: &Path, bytes: &[u8], descriptor: &mut Value) {
    let new = layout.join("new");
    fs::write(&new, bytes).unwrap();
    let sum = run(sandbox.command("sha256sum").arg(&new), "").success().stdout;
    let digest = format!("sha256:{}", sum.split(' ').next().unwrap());
    fs::rename(new, blob(layout, &digest)).unwrap();
    descriptor["digest"] = digest.into();
    descriptor["size"] = bytes.len().into();
}

fn gzip(sandbox: &Sandbox, bytes: &[u8]) -> Vec<u8> {
    let mut command = sandbox.command("gzip");
    let mut child =
        command.args(["-1", "-n"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(bytes).unwrap());
        child.wait_with_output().unwrap().stdout
    })
}
