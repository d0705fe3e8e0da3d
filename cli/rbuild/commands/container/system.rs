//! `rbuild system start`, `install` and `status`: what is to run after a boot.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::format::{DocumentFormat, Shape, Struct};
use cli::{Exit, output};
use runtime::containers::{Container, Containers};
use runtime::shim::starts_at_boot;
use serde_json::json;

use super::{open, report_of};
use crate::args::{SystemInstallArgs, SystemStartArgs, SystemStatusArgs};

const UNIT: &str = "rbuild.service";

/// Whether it waits for [`start`].
fn is_due(container: &Container) -> bool {
    let state = &container.state;
    let policy = container.definition.restart;
    // What was never started is nobody's concern yet.
    !state.status.is_alive()
        && !state.started.is_empty()
        && starts_at_boot(policy, state.exit_code, state.restarts, state.stopped_by_hand)
}

/// Everything that does not run and whose policy says that it is to.
fn due(containers: &Containers) -> Result<Vec<Container>> {
    let mut due = containers.list()?;
    due.retain(is_due);
    // In the order in which they were made.
    due.reverse();
    Ok(due)
}

pub(crate) fn start(_args: &SystemStartArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    let mut exit = Exit::Success;
    for container in due(&containers)? {
        match engine::start(&containers, &container) {
            Ok(()) => output::line(&container.definition.name)?,
            Err(error) => {
                report_of(&error.into()).print();
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

static STATUS: Struct = Struct {
    name: "a status",
    fields: &[
        ("Running", Shape::List(&Shape::Text)),
        ("Waiting", Shape::List(&Shape::Text)),
        ("Stopped", Shape::List(&Shape::Text)),
        ("Unit", Shape::Text),
    ],
};

pub(crate) fn status(args: &SystemStatusArgs, environment: &Environment) -> Result<Exit> {
    let format =
        args.format.as_deref().map(|text| DocumentFormat::parse(Some(text))).transpose()?;
    let (_store, containers) = open(environment)?;
    let all = containers.list()?;
    let names = |wanted: &dyn Fn(&Container) -> bool| -> Vec<String> {
        let found = all.iter().filter(|container| wanted(container));
        found.map(|container| container.definition.name.clone()).collect()
    };
    let running = names(&|container| container.state.status.is_alive());
    let waiting = names(&is_due);
    let stopped = names(&|container| !container.state.status.is_alive() && !is_due(container));
    let unit = Path::new("/etc/systemd/system").join(UNIT);
    let installed = if unit.exists() { unit.display().to_string() } else { String::new() };
    if let Some(format) = format {
        let document = json!({
            "Running": running, "Waiting": waiting, "Stopped": stopped, "Unit": installed,
        });
        output::write(&format.one(&document, Shape::Struct(&STATUS))?)?;
        return Ok(Exit::Success);
    }
    let line = |what: &str, names: &[String]| {
        output::line(format!("{what} {}  {}", names.len(), names.join(" ")).trim_end())
    };
    line("running:", &running)?;
    line("to be started by `rbuild system start`:", &waiting)?;
    line("stopped:", &stopped)?;
    match installed.as_str() {
        "" => output::line("at boot: nothing; see `rbuild system install`")?,
        unit => output::line(&format!("at boot: {unit}"))?,
    }
    Ok(Exit::Success)
}

/// Writes the unit. It has to be enabled by `systemctl`, which is for the administrator to say.
pub(crate) fn install(args: &SystemInstallArgs, environment: &Environment) -> Result<Exit> {
    let text = unit(environment)?;
    if args.print {
        output::write(&text)?;
        return Ok(Exit::Success);
    }
    if !args.unit_dir.is_dir() {
        bail!("there is no directory `{}`; does systemd run here?", args.unit_dir.display());
    }
    let path = args.unit_dir.join(UNIT);
    fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    output::line(&path.display().to_string())?;
    output::line("now run: systemctl daemon-reload && systemctl enable rbuild")?;
    Ok(Exit::Success)
}

fn unit(environment: &Environment) -> Result<String> {
    let program = std::env::current_exe().context("cannot find the program's own path")?;
    let locations = environment.locations();
    let quoted = |path: &Path| -> Result<String> {
        let text = path.to_str().context("a path is not UTF-8, which a unit cannot hold")?;
        Ok(text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
    };
    Ok(format!(
        "[Unit]\n\
         Description=Containers of rbuild that are to run after a boot\n\
         After=local-fs.target network-online.target\n\
         Wants=network-online.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         KillMode=none\n\
         Environment=\"RBUILD_ROOT={}\" \"RBUILD_STATE={}\"\n\
         ExecStart=\"{}\" system start\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        quoted(&locations.root)?,
        quoted(&locations.state)?,
        quoted(&program)?,
    ))
}
