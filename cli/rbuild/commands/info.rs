//! `rbuild info`: this machine and the store, with the names docker has for what is known.

use std::fs;
use std::path::Path;

use anyhow::Result;
use cli::environment::Environment;
use cli::format::{DocumentFormat, Shape, Struct};
use cli::{Exit, output};
use serde_json::{Value, json};

use super::{open_store, snapshots};
use crate::args::InfoArgs;

static INFO: Struct = Struct {
    name: "this information",
    fields: &[
        ("Images", Shape::Int),
        ("Driver", Shape::Text),
        ("CgroupDriver", Shape::Text),
        ("CgroupVersion", Shape::Text),
        ("KernelVersion", Shape::Text),
        ("OperatingSystem", Shape::Text),
        ("OSType", Shape::Text),
        ("Architecture", Shape::Text),
        ("NCPU", Shape::Int),
        ("MemTotal", Shape::Int),
        ("DockerRootDir", Shape::Text),
        ("Name", Shape::Text),
        ("ServerVersion", Shape::Text),
        ("SecurityOptions", Shape::List(&Shape::Text)),
    ],
};

pub(crate) fn run(args: &InfoArgs, environment: &Environment) -> Result<Exit> {
    let format = DocumentFormat::parse(args.format.as_deref())?;
    let document = document(environment)?;
    let text = match format {
        DocumentFormat::Indented => lines(&document),
        format => format.one(&document, Shape::Struct(&INFO))?,
    };
    output::write(&text)?;
    Ok(Exit::Success)
}

fn document(environment: &Environment) -> Result<Value> {
    let store = open_store(environment)?;
    let system = rustix::system::uname();
    let memory = rustix::system::sysinfo();
    Ok(json!({
        "Images": store.images()?.len(),
        "Driver": snapshots::driver(&store, environment)?,
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": cgroup_version(),
        "KernelVersion": system.release().to_string_lossy(),
        "OperatingSystem": operating_system(),
        "OSType": std::env::consts::OS,
        "Architecture": system.machine().to_string_lossy(),
        "NCPU": std::thread::available_parallelism()?.get(),
        "MemTotal": memory.totalram * u64::from(memory.mem_unit),
        "DockerRootDir": environment.locations().root.to_string_lossy(),
        "Name": system.nodename().to_string_lossy(),
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "SecurityOptions": ["name=seccomp,profile=builtin"],
    }))
}

/// As docker prints them, with its titles.
fn lines(document: &Value) -> String {
    const TITLES: [(&str, &str); 12] = [
        ("Images", "Images"),
        ("ServerVersion", "Version"),
        ("Driver", "Storage Driver"),
        ("CgroupDriver", "Cgroup Driver"),
        ("CgroupVersion", "Cgroup Version"),
        ("KernelVersion", "Kernel Version"),
        ("OperatingSystem", "Operating System"),
        ("OSType", "OSType"),
        ("Architecture", "Architecture"),
        ("NCPU", "CPUs"),
        ("MemTotal", "Total Memory"),
        ("DockerRootDir", "Root Dir"),
    ];
    let shown = |field: &str, value: &Value| match (field, value) {
        ("MemTotal", value) => output::memory(value.as_u64().unwrap_or(0)),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    };
    let line =
        |(field, title): &(&str, &str)| format!("{title}: {}\n", shown(field, &document[*field]));
    TITLES.iter().map(line).collect()
}

/// A machine with both hierarchies counts as version 1, as for docker.
fn cgroup_version() -> &'static str {
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    if unified { "2" } else { "1" }
}

fn operating_system() -> String {
    let release = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok());
    let release = release.unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or("unknown", |name| name.trim_matches(['"', '\''])).to_owned()
}
