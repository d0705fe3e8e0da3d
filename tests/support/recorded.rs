//! The recorded build cases that succeed, with the base image they were recorded on.
//!
//! `RBUILD_CASES` names the folder of the cases, else `../shared/cases` beside the repository.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use super::{Repository, Sandbox};

/// Says so when there are none.
fn folder() -> Option<PathBuf> {
    let named = std::env::vars_os().find(|(name, _)| name == "RBUILD_CASES");
    let named = named.map(|(_, value)| PathBuf::from(value));
    let folder = named.unwrap_or_else(|| Repository::here().path("../shared/cases"));
    let folder = folder.join("dockerfile");
    if folder.join("build-cases").is_dir() {
        return Some(folder);
    }
    println!("skipped: no recorded cases in {} (set RBUILD_CASES)", folder.display());
    None
}

/// In the order of their names, with their base.
pub(crate) fn recorded_cases() -> Option<(Base, Vec<Case>)> {
    let folder = folder()?;
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.join("build-cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let cases = paths.into_iter().map(Case::read).filter(|case| case.expected["result"] == "ok");
    Some((Base::make(&folder), cases.collect()))
}

/// The root file system that the cases were recorded on: busybox and a few users.
pub(crate) struct Base(TempDir);

impl Base {
    pub(crate) fn make(folder: &Path) -> Base {
        let layout: Value =
            serde_json::from_slice(&fs::read(folder.join("busybox-base.json")).unwrap()).unwrap();
        let base = Base(TempDir::new().unwrap());
        let mut archive = tar::Builder::new(fs::File::create(base.archive()).unwrap());
        for (path, mode) in layout["dirs"].as_object().unwrap() {
            let mut header = header(tar::EntryType::Directory, octal(mode), 0);
            archive.append_data(&mut header, format!("{path}/"), io::empty()).unwrap();
        }
        let mut file = |path: &str, mode: u32, content: &[u8]| {
            let mut header = header(tar::EntryType::Regular, mode, content.len() as u64);
            archive.append_data(&mut header, path, content).unwrap();
        };
        file("bin/busybox", 0o755, &fs::read("/bin/busybox").unwrap());
        for (path, mode) in [
            ("etc/passwd", 0o644),
            ("etc/group", 0o644),
            ("etc/shadow", octal(&layout["etc/shadow mode"])),
        ] {
            file(path, mode, layout[path].as_str().unwrap().as_bytes());
        }
        for applet in layout["applets"].as_array().unwrap() {
            let applet = applet.as_str().unwrap();
            if applet != "busybox" {
                let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                archive.append_link(&mut header, format!("bin/{applet}"), "busybox").unwrap();
            }
        }
        archive.finish().unwrap();
        base
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.0.path().join("base.tar")
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header
}

fn octal(mode: &Value) -> u32 {
    u32::from_str_radix(mode.as_str().unwrap(), 8).unwrap()
}

pub(crate) struct Case {
    path: PathBuf,
    pub(crate) expected: Value,
}

impl Case {
    pub(crate) fn read(path: PathBuf) -> Case {
        let text = fs::read(path.join("expect.json")).unwrap();
        Case { expected: serde_json::from_slice(&text).unwrap(), path }
    }

    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// A store with the images it builds on, and its files.
    pub(crate) fn prepare(&self, base: &Base) -> Sandbox {
        let sandbox = Sandbox::new();
        let archive = base.archive().display().to_string();
        sandbox.rbuild(["import", &archive, "busybox:latest"]).success();
        for image in self.images().filter(|image| image != "busybox") {
            sandbox.rbuild(["tag", "busybox", &image]).success();
        }
        self.lay_out(&sandbox);
        sandbox
    }

    /// The names by which it calls the base image.
    pub(crate) fn images(&self) -> impl Iterator<Item = String> {
        let names = self.expected["uses_images"].as_array().into_iter().flatten();
        names.map(|name| name.as_str().unwrap().to_owned()).filter(|name| !name.contains('$'))
    }

    pub(crate) fn dockerfile(&self) -> Option<String> {
        fs::read_to_string(self.path.join("Dockerfile")).ok()
    }

    pub(crate) fn context(&self) -> PathBuf {
        self.path.join("context")
    }

    /// The context with what a version control system does not keep.
    fn lay_out(&self, sandbox: &Sandbox) {
        let context = sandbox.path("context");
        copy_tree(&self.context(), &context);
        let kept = &self.expected["context"];
        for path in kept["empty_dirs"].as_array().into_iter().flatten() {
            fs::create_dir_all(context.join(path.as_str().unwrap())).unwrap();
        }
        for (path, target) in kept["symlinks"].as_object().into_iter().flatten() {
            let link = context.join(path);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            // A checkout may have made a file of it.
            let _absent = fs::remove_file(&link);
            symlink(target.as_str().unwrap(), link).unwrap();
        }
        for (path, mode) in kept["modes"].as_object().into_iter().flatten() {
            let mode = u32::from_str_radix(mode.as_str().unwrap(), 8).unwrap();
            fs::set_permissions(context.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        if self.path.join("dockerfile-dir").is_dir() {
            copy_tree(&self.path.join("dockerfile-dir"), &sandbox.path("dockerfile-dir"));
        }
        for (id, value) in self.expected["build"]["secret"].as_object().into_iter().flatten() {
            sandbox.write(&format!("secret-{id}"), value.as_str().unwrap());
        }
    }

    pub(crate) fn arguments(&self, sandbox: &Sandbox) -> Vec<String> {
        let build = &self.expected["build"];
        let option = |name: &str| build["opts"][name].as_str();
        let directory = match sandbox.path("dockerfile-dir").is_dir() {
            true => "dockerfile-dir",
            false => "context",
        };
        let file = format!("{directory}/{}", option("filename").unwrap_or("Dockerfile"));
        let mut arguments: Vec<String> =
            ["build", "--progress", "plain", "--metadata-file", "metadata.json", "-f", &file]
                .map(str::to_owned)
                .to_vec();
        for (name, value) in build["opts"].as_object().into_iter().flatten() {
            arguments.extend(option_of(name, value.as_str().unwrap()));
        }
        for id in build["secret"].as_object().into_iter().flat_map(|secrets| secrets.keys()) {
            arguments.extend(["--secret".to_owned(), format!("id={id},src=secret-{id}")]);
        }
        arguments.push("context".to_owned());
        arguments
    }
}

/// An option of the recorded front end in docker's words. Those against the cache are left out.
fn option_of(name: &str, value: &str) -> Vec<String> {
    let both = |flag: &str, value: String| vec![flag.to_owned(), value];
    match name.split_once(':') {
        Some(("build-arg", key)) => both("--build-arg", format!("{key}={value}")),
        Some(("label", key)) => both("--label", format!("{key}={value}")),
        Some(("context", key)) => both("--build-context", format!("{key}={value}")),
        None if name == "add-hosts" => {
            let hosts = value.split(',').map(|host| host.replacen('=', ":", 1));
            hosts.flat_map(|host| both("--add-host", host)).collect()
        }
        None if matches!(name, "filename" | "no-cache") => Vec::new(),
        _ => both(&format!("--{name}"), value.to_owned()),
    }
}

/// Copies with the modes and times of a plain checkout of long ago.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_tree(&path, &target);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path).unwrap(), &target).unwrap();
        } else {
            fs::copy(&path, &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            fs::File::options().write(true).open(&target).unwrap().set_modified(time).unwrap();
        }
    }
}
