//! The commands that change a store, and the store they are tried on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::crash::assert_nothing_left;
use crate::support::{Sandbox, busybox_rootfs};

/// A command, and what repeats it: the same, unless its first run may have done all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) args: &'static [&'static str],
    pub(super) again: Option<&'static [&'static str]>,
    /// What the command leaves in the working directory.
    pub(super) output: Option<&'static str>,
    /// Starts without a store.
    pub(super) first: bool,
    /// Starts with damage, and is what mends it.
    pub(super) damaged: bool,
}

pub(super) const fn operation(args: &'static [&'static str]) -> Operation {
    Operation { args, again: None, output: None, first: false, damaged: false }
}

/// A store that is made once and put back before each try.
pub(super) struct World {
    pub(super) sandbox: Sandbox,
    /// The blobs of images that no operation may touch, by path.
    kept: BTreeMap<PathBuf, Vec<u8>>,
}

/// Images that stay whatever is tried.
const KEPT: [&str; 2] = ["docker.io/library/busybox:latest", "docker.io/library/kept:latest"];
const FILES: [(&str, &str); 6] = [
    ("kept", "FROM scratch\nCOPY a /kept/\n"),
    ("old", "FROM busybox\nCOPY a b /old/\nRUN mkdir -p /d/e && cp /old/a /d/e/ && rm /old/b\n"),
    ("packed", "FROM scratch\nADD rootfs.tar /\nCOPY a /a\n"),
    ("copy", "FROM scratch\nCOPY a b /new/\nWORKDIR /w\nCOPY b /new/c\n"),
    ("run", "FROM busybox\nRUN --mount=type=cache,target=/c date > /c/d; mkdir /x; ln -s /x /y\n"),
    (
        "stages",
        "FROM busybox AS a\nCOPY a b /a/\nRUN cp /a/a /c\nFROM scratch\nCOPY --from=a /c /a/b /\n",
    ),
];

impl World {
    /// None of the archives that operations read is in the store.
    pub(super) fn new() -> World {
        let sandbox = Sandbox::with_busybox();
        sandbox.write("context/a", "a\n");
        sandbox.write("context/b", &"b\n".repeat(10_000));
        for (name, text) in FILES {
            sandbox.write(&format!("context/{name}"), text);
        }
        fs::copy(busybox_rootfs(), sandbox.path("context/rootfs.tar")).unwrap();
        build(&sandbox, "packed", &["-t", "packed"]);
        build(&sandbox, "copy", &["-t", "loaded", "-o", "type=oci,dest=load.tar"]);
        sandbox.rbuild(["rmi", "loaded"]).success();
        sandbox.rbuild(["system", "prune", "-f"]).success();
        build(&sandbox, "kept", &["-t", "kept"]);
        build(&sandbox, "old", &["-t", "old"]);
        build(&sandbox, "old", &["-t", "nameless", "--label", "x=y"]);
        sandbox.rbuild(["tag", "kept", "nameless"]).success();
        // Now it is known which snapshots are its layers.
        sandbox.rbuild(["run", "--rm", "old", "true"]).success();
        sandbox.rbuild(["volume", "create", "gone"]).success();
        // The container's shim deletes its files when the command has ended.
        assert_nothing_left(&sandbox);
        copy(&sandbox.root(), &sandbox.path("template"));
        let kept = blobs_of_kept(&sandbox.root());
        World { sandbox, kept }
    }

    /// As it was before the first try.
    pub(super) fn reset(&self, operation: &Operation) {
        // What the last command set aside may still be on its way out.
        assert_nothing_left(&self.sandbox);
        remove(&self.sandbox.root());
        remove(&self.sandbox.path("state"));
        if !operation.first {
            copy(&self.sandbox.path("template"), &self.sandbox.root());
        }
        if let Some(output) = operation.output {
            remove(&self.sandbox.path(output));
        }
        if operation.damaged {
            self.damage_what_can_be_mended();
        }
    }

    /// The blob of a layer that is unpacked, an unpacked file of another layer, a file that has no place in a layout, and the
    /// list of images: no image is lost by it, but for their names.
    fn damage_what_can_be_mended(&self) {
        let root = self.sandbox.root();
        let mut files = Vec::new();
        files_below(&root.join("snapshots/fs"), &mut files);
        let file = files.iter().find(|path| path.ends_with("d/e/a")).expect("it is unpacked");
        fs::write(file, "x\n").unwrap();
        let blobs = fs::read_dir(root.join("images/blobs/sha256")).unwrap();
        let mut blobs = blobs.map(|entry| entry.unwrap().path());
        let has_file = |path: &PathBuf| fs::read(path).unwrap().windows(6).any(|w| w == b"old/b\0");
        let layer = blobs.find(has_file).expect("its layer is plain");
        fs::write(layer, "damage").unwrap();
        fs::write(root.join("images/blobs/sha256/nonsense"), "").unwrap();
        let list = root.join("images/index.json");
        let bytes = fs::read(&list).unwrap();
        fs::write(list, &bytes[..bytes.len() - 9]).unwrap();
    }

    /// Whether a repair has given up an image that it could have mended.
    fn lost(&self) -> Option<String> {
        let images = self.sandbox.rbuild(["images", "-q"]).success().stdout;
        // Two by the two names that are kept, `old` and `nameless`, `packed`.
        (images.lines().count() != 5).then(|| format!("of the five images remain {images}"))
    }

    /// What is wrong after the operation was disturbed, or when it is repeated.
    pub(super) fn problem_after(&self, operation: &Operation) -> Option<String> {
        assert_nothing_left(&self.sandbox);
        let problem = match operation.damaged {
            true => self.changed(operation),
            false => self.damage(operation),
        };
        if problem.is_some() {
            return problem;
        }
        // What was disturbed may have done its work all the same. Half a layout would be in the way.
        let output = operation.output.map(|output| self.sandbox.path(output));
        if let Some(layout) = output.filter(|output| output.join("index.json").exists()) {
            remove(&layout);
        }
        let again = self.sandbox.rbuild(operation.again.unwrap_or(operation.args));
        if again.status != Some(0) {
            return Some(format!("repeated, {again}"));
        }
        let lost = || if operation.damaged { self.lost() } else { None };
        let problem = self.damage(operation).or_else(lost).or_else(|| self.half_filled());
        if problem.is_some() {
            return problem;
        }
        let mut left = self.left_after_prune();
        // What is found damaged is never thrown away.
        left.retain(|path| !operation.damaged || !path.starts_with("damaged/"));
        (!left.is_empty()).then(|| format!("prune leaves {left:?}"))
    }

    /// A volume is filled with all that the image has there, whatever happened to the first who tried.
    fn half_filled(&self) -> Option<String> {
        let volume = self.sandbox.root().join("volumes/filled");
        let file = fs::read_to_string(volume.join("_data/e/a")).unwrap_or_default();
        let more = ["_copying", "_copied"].iter().any(|name| volume.join(name).exists());
        let wrong = volume.exists() && (file != "a\n" || more);
        wrong.then(|| "a volume has not all of the image's files".to_owned())
    }

    /// What is wrong after the operation was disturbed.
    pub(super) fn problem_now(&self, operation: &Operation) -> Option<String> {
        assert_nothing_left(&self.sandbox);
        self.damage(operation)
    }

    fn damage(&self, operation: &Operation) -> Option<String> {
        let check = self.sandbox.rbuild(["system", "check"]);
        if check.status != Some(0) || !check.stdout.is_empty() {
            return Some(check.to_string());
        }
        self.changed(operation)
    }

    fn changed(&self, operation: &Operation) -> Option<String> {
        // Their names went with the list.
        let named = !operation.first && !operation.damaged;
        let changed = named && blobs_of_kept(&self.sandbox.root()) != self.kept;
        changed.then(|| "images changed that had nothing to do with it".to_owned())
    }

    /// What there is beside the store's own files when everything has been removed.
    pub(super) fn left_after_prune(&self) -> Vec<String> {
        self.sandbox.rbuild(["system", "prune", "-a", "-f"]).success();
        self.sandbox.rbuild(["volume", "prune", "-a", "-f"]).success();
        assert_nothing_left(&self.sandbox);
        let root = self.sandbox.root();
        let mut left = Vec::new();
        files_below(&root, &mut left);
        // What the files of a RUN or a container are mounted on is as much a part of a store as its layout.
        let own = [
            "schema.json",
            "images/oci-layout",
            "images/index.json",
            "snapshots/targets/etc/hosts",
            "snapshots/targets/etc/resolv.conf",
            "snapshots/container-targets/etc/hosts",
            "snapshots/container-targets/etc/resolv.conf",
            "snapshots/container-targets/etc/hostname",
        ];
        let relative = |path: &PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
        let left = left.iter().map(relative);
        left.filter(|path| !own.contains(&path.as_str()) && !path.contains("lock")).collect()
    }
}

fn build(sandbox: &Sandbox, file: &str, args: &[&str]) {
    let file = format!("context/{file}");
    sandbox.rbuild([&["build", "-f", &file], args, &["context"]].concat()).success();
}

fn blobs_of_kept(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut blobs = BTreeMap::new();
    let index: Value = read_json(&root.join("images/index.json"));
    for name in KEPT {
        let manifests = index["manifests"].as_array().unwrap();
        let named = |entry: &&Value| entry["annotations"]["io.containerd.image.name"] == name;
        let entry = manifests.iter().find(named).unwrap_or_else(|| panic!("{name} is lost"));
        let manifest_path = blob(root, &entry["digest"]);
        let manifest = read_json(&manifest_path);
        let layers = manifest["layers"].as_array().unwrap().iter();
        let parts = layers.chain([&manifest["config"]]).map(|part| blob(root, &part["digest"]));
        for path in parts.chain([manifest_path]) {
            blobs.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    blobs
}

fn blob(root: &Path, digest: &Value) -> PathBuf {
    root.join("images/blobs").join(digest.as_str().unwrap().replace(':', "/"))
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn files_below(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => files_below(&entry.path(), files),
            false => files.push(entry.path()),
        }
    }
}

/// With owners, devices and extended attributes.
pub(super) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success());
}

/// Again while the process that removes leftovers is still in there.
fn remove(path: &Path) {
    let removed = || Command::new("rm").arg("-rf").arg(path).status().unwrap().success();
    assert!((0..100).any(|_| removed()));
}
