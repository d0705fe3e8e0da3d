//! `rcompose run`: a container of its own for one program of a service.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result};
use cli::session::{self, Bond, Manner, Session};
use cli::{Exit, output};
use compose::Project;
use compose::canonical::{parse_mount, parse_port};
use compose::model::{Command, Mount, Service};
use compose::reconcile::{BuildWhen, Record, UpOptions};
use compose::stack::{Replica, container_request, external_links, joined};
use engine::{EngineError, names};
use runtime::RuntimeError;
use runtime::shim::{AttachStreams, Connection, NewShim};

use super::exec::variables;
use super::stack::{Call, warn_of_unsupported};
use super::up::{Up, checked_policy};
use super::{failure, show};
use crate::args::{MakeArgs, RunArgs};

/// Docker's statuses when a program cannot be started: 126 and 127 when it is the program's fault.
pub(super) fn not_started(error: &anyhow::Error) -> Exit {
    show(error.as_ref());
    let mut causes = error.chain();
    let code = causes.find_map(|cause| {
        let of_engine = || cause.downcast_ref::<EngineError>()?.runtime();
        cause.downcast_ref::<RuntimeError>().or_else(of_engine)?.exit_code()
    });
    match code {
        Some(126) => Exit::NotExecutable,
        Some(127) => Exit::NotFound,
        _ => Exit::Failure,
    }
}

pub(super) fn run(args: &RunArgs, call: Call<'_>) -> Exit {
    start(args, call).unwrap_or_else(|error| not_started(&error))
}

fn start(args: &RunArgs, call: Call<'_>) -> Result<Exit> {
    let mut project = call.project()?;
    project.select(std::slice::from_ref(&args.service))?;
    warn_of_unsupported(&project);
    let mut service = project.services[&args.service].clone();
    change(args, call, &project, &mut service)?;
    let manner = call.quiet_manner();
    let quietly = Call { manner: &manner, ..call };
    let mut up = dependencies(args, if args.quiet { quietly } else { call }, project)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => {
            let id = names::random_id()?;
            format!("{}-{}-run-{}", up.project.name, args.service, &id[..12])
        }
    };
    let terminal =
        !args.no_tty && !args.detach && io::stdin().is_terminal() && io::stdout().is_terminal();
    service.tty = terminal;
    service.stdin_open = args.interactive && !args.detach;
    one_off(args, &mut up, &service, &name)
}

/// The service as the flags change it.
fn change(args: &RunArgs, call: Call<'_>, project: &Project, service: &mut Service) -> Result<()> {
    if !args.command.is_empty() {
        service.command = Command(Some(args.command.clone()));
    }
    if let Some(program) = &args.entrypoint {
        let words = if program.is_empty() { Vec::new() } else { vec![program.clone()] };
        service.entrypoint = Command(Some(words));
        if args.command.is_empty() {
            service.command = Command(None);
        }
    }
    let mut given = Vec::new();
    for path in &args.env_files {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let lines = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
        given.extend(lines.map(str::to_owned));
    }
    given.extend(args.env.iter().cloned());
    for variable in variables(&given, &|name| project.environment.get(name).cloned())? {
        match variable {
            engine::Variable::Set(text) => {
                let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                service.environment.0.insert(name.to_owned(), Some(value.to_owned()));
            }
            engine::Variable::Removed(name) => {
                service.environment.0.insert(name, None);
            }
        }
    }
    for text in &args.labels {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        service.labels.0.insert(name.to_owned(), value.to_owned());
    }
    if let Some(user) = &args.user {
        service.user = user.clone();
    }
    if let Some(directory) = &args.workdir {
        service.working_dir = directory.clone();
    }
    service.cap_add.extend(args.cap_add.iter().cloned());
    service.cap_drop.extend(args.cap_drop.iter().cloned());
    // Replicas of the service have its ports and its name.
    if !args.service_ports {
        service.ports.clear();
    }
    for text in &args.publish {
        let ports = parse_port(text).with_context(|| format!("`--publish {text}`"))?;
        service.ports.extend(ports);
    }
    for text in &args.volumes {
        service.volumes.push(volume(text, call)?);
    }
    service.container_name.clear();
    Ok(())
}

/// `--volume`: paths start from here, and names are those of volumes as they are.
fn volume(text: &str, call: Call<'_>) -> Result<Mount> {
    let mut mount = parse_mount(text).with_context(|| format!("`--volume {text}`"))?;
    if mount.kind == "bind" {
        let home = || call.environment.text("HOME").context("HOME is not set");
        let path = match mount.source.strip_prefix('~') {
            Some(rest) => format!("{}{rest}", home()?),
            None => mount.source.clone(),
        };
        let path = std::path::absolute(path);
        let path = path.with_context(|| format!("`--volume {text}`"))?;
        mount.source = path.to_string_lossy().into_owned();
    }
    Ok(mount)
}

/// Brings up what the service depends on.
fn dependencies<'a>(args: &RunArgs, call: Call<'a>, project: Project) -> Result<Up<'a>> {
    let service = &project.services[&args.service];
    let mut others: Vec<String> = Vec::new();
    if !args.no_deps {
        let needed = compose::reconcile::service_dependencies(service);
        others = needed.into_keys().filter(|name| project.services.contains_key(name)).collect();
    }
    let make = MakeArgs {
        remove_orphans: args.remove_orphans,
        quiet_pull: args.quiet || args.quiet_pull,
        pull: args.pull.clone(),
        ..MakeArgs::default()
    };
    let options = UpOptions {
        services: if others.is_empty() { vec![args.service.clone()] } else { others.clone() },
        with_dependencies: !args.no_deps,
        remove_orphans: args.remove_orphans,
        pull: checked_policy(make.pull.as_deref())?,
        ..UpOptions::plain()
    };
    let mut up = Up::open(call, project, options, &make)?;
    up.quiet_build = args.quiet_build;
    up.bring_in(&UpOptions {
        services: vec![args.service.clone()],
        with_dependencies: false,
        build: if args.build { BuildWhen::Always } else { BuildWhen::Absent },
        pull: checked_policy(make.pull.as_deref())?,
        ..UpOptions::plain()
    })?;
    if others.is_empty() {
        up.make_resources(&args.service)?;
        return Ok(up);
    }
    let mut plan = up.plan()?;
    // What is odd about the project is told by `up`.
    plan.warnings.clear();
    let brought = up.work(call).carry_out(&plan, "run");
    brought.inspect_err(|error| failure::explain(&up.host, error))?;
    up.wait_for_dependencies(&args.service)?;
    up.make_resources(&args.service)?;
    Ok(up)
}

fn one_off(args: &RunArgs, up: &mut Up<'_>, service: &Service, name: &str) -> Result<Exit> {
    let (host, project) = (&up.host, &up.project);
    let image = host.image(project, &args.service, service)?;
    let replica = Replica {
        project,
        service: &args.service,
        number: 1,
        name: name.to_owned(),
        one_off: true,
        has_names: args.use_aliases,
        record: Record::of_service(project, service, &up.observed),
        contents: &up.contents,
        joins: joined(host, project, service)?,
        links: external_links(host, project, &args.service, service)?,
        inherited: &[],
    };
    let mut request = container_request(&replica, service, &image)?;
    request.auto_remove = args.rm;
    request.program.stdin_once = request.program.open_stdin;
    let id = names::random_id()?;
    let shim = host.shim(&id, request.process_view())?;
    engine::make(&host.store, &host.containers, &image, &id, &request)?;
    let (tty, input) = (request.program.terminal, request.program.open_stdin);
    let begun = match args.detach {
        true => shim.begin((0, 0)).map(|_| None).map_err(anyhow::Error::from),
        false => begin_attached(shim, tty, input).map(Some),
    };
    if let Err(error) = &begun {
        engine::remove_unstarted(&host.store, &host.containers, &id, error.downcast_ref());
    }
    let begun = begun?;
    up.let_go();
    let Some((session, streams, connection)) = begun else {
        output::line(name)?;
        return Ok(Exit::Success);
    };
    session::follow(session, streams, connection, Bond { goes: args.rm, owns: true })
}

fn begin_attached(
    shim: NewShim,
    tty: bool,
    input: bool,
) -> Result<(Session, AttachStreams, Connection)> {
    let session = Session::open(Manner { tty, input, sig_proxy: true, detach_keys: None })?;
    let streams = shim.attach(input, true, !tty)?;
    let connection = shim.begin(session::size())?;
    Ok((session, streams, connection))
}
