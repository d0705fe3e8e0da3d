//! The recorded build cases that succeed, each built twice: the second build comes from the cache as a whole and
//! makes the same image. What the images contain is compared by the runner that came with the cases.
//!
//! `RBUILD_CASES` names the folder of the cases, else `../shared/cases` beside the repository.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Output, Repository, Sandbox, privileged};

/// Most of the time is waiting.
const THREADS: usize = 8;

#[test]
fn build_cases_again_from_the_cache() {
    let Some(folder) = cases() else { return };
    if !privileged() {
        return;
    }
    let base = Base::make(&folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.join("build-cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let cases: Vec<Case> =
        paths.into_iter().map(Case::read).filter(|case| case.expected["result"] == "ok").collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = case.check(&base) {
                        failed.lock().unwrap().push(format!("{}: {why}", case.name()));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let passed = cases.len() - failed.len();
    println!("build cases from the cache: {passed} passed of {}", cases.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn cases() -> Option<PathBuf> {
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

/// The root file system that the cases were recorded on: busybox and a few users.
struct Base(TempDir);

impl Base {
    fn make(folder: &Path) -> Base {
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

    fn archive(&self) -> PathBuf {
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

struct Case {
    path: PathBuf,
    expected: Value,
}

impl Case {
    fn read(path: PathBuf) -> Case {
        let text = fs::read(path.join("expect.json")).unwrap();
        Case { expected: serde_json::from_slice(&text).unwrap(), path }
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    fn check(&self, base: &Base) -> Result<(), String> {
        let sandbox = Sandbox::new();
        let archive = base.archive().display().to_string();
        sandbox.rbuild(["import", &archive, "busybox:latest"]).success();
        for image in self.expected["uses_images"].as_array().into_iter().flatten() {
            let image = image.as_str().unwrap();
            if image != "busybox" && !image.contains('$') {
                sandbox.rbuild(["tag", "busybox", image]).success();
            }
        }
        self.lay_out(&sandbox);
        let first = self.build(&sandbox)?.0;
        // Times have whole seconds: a build that takes its time from the clock is found out.
        std::thread::sleep(Duration::from_millis(1010));
        let (second, output) = self.build(&sandbox)?;
        sandbox.validate();
        if first != second {
            return Err(format!("{first} became {second}"));
        }
        let run = steps_that_ran(&output);
        if run.is_empty() { Ok(()) } else { Err(format!("not from the cache: {run:?}")) }
    }

    /// The context with what a version control system does not keep.
    fn lay_out(&self, sandbox: &Sandbox) {
        let context = sandbox.path("context");
        copy(&self.path.join("context"), &context);
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
            copy(&self.path.join("dockerfile-dir"), &sandbox.path("dockerfile-dir"));
        }
        for (id, value) in self.expected["build"]["secret"].as_object().into_iter().flatten() {
            sandbox.write(&format!("secret-{id}"), value.as_str().unwrap());
        }
    }

    /// The digest of the image.
    fn build(&self, sandbox: &Sandbox) -> Result<(String, Output), String> {
        let output = sandbox.rbuild(self.arguments(sandbox));
        if output.status != Some(0) {
            return Err(output.to_string());
        }
        let metadata: Value = serde_json::from_str(&sandbox.read("metadata.json")).unwrap();
        Ok((metadata["containerimage.digest"].as_str().unwrap().to_owned(), output))
    }

    fn arguments(&self, sandbox: &Sandbox) -> Vec<String> {
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

/// Names of the steps that the plain progress does not call cached.
fn steps_that_ran(output: &Output) -> Vec<String> {
    let lines = || output.stderr.lines().filter_map(|line| line.strip_prefix('#')?.split_once(' '));
    let cached: BTreeSet<&str> =
        lines().filter(|(_, text)| *text == "CACHED").map(|(number, _)| number).collect();
    let is_step = |text: &str| text.starts_with('[') && !text.contains("] FROM ");
    let ran = lines().filter(|(number, text)| is_step(text) && !cached.contains(number));
    ran.map(|(_, text)| text.to_owned()).collect()
}

/// Copies with the modes and times of a plain checkout of long ago.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&path, &target);
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
