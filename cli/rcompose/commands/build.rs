//! Builds images of services.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use anyhow::{Result, bail};
use builder::Cancel;
use builder::fetch::{Git, GitSettings};
use cli::Exit;
use cli::networks::{OfBuilds, of_builds};
use cli::progress::{Display, Mode};
use cli::report::{self, Report};
use cli::zygote::Engine;
use compose::Project;
use compose::stack::Host;
use compose::stack::build::{Surroundings, build_order, build_request};
use engine::Variable;
use parser::Source;

use super::display::Look;
use super::exec::variables;
use super::stack::Call;
use crate::args::BuildArgs;

/// `rcompose build`
pub(super) fn run(args: &BuildArgs, call: Call<'_>) -> Result<Exit> {
    let mut project = call.project()?;
    project.select(&args.services)?;
    let named = |name: &&String| args.services.is_empty() || args.services.contains(name);
    let wanted: BTreeSet<String> = project
        .services
        .iter()
        .filter(|(name, service)| {
            service.build.is_some() && (args.with_dependencies || named(name))
        })
        .map(|(name, _)| name.clone())
        .collect();
    if wanted.is_empty() {
        Report::warning("no services to build").print();
        return Ok(Exit::Success);
    }
    let mut build_args = BTreeMap::new();
    for variable in variables(&args.build_args, call.environment)? {
        if let Variable::Set(text) = variable {
            let (name, value) = text.split_once('=').unwrap_or((&text, ""));
            build_args.insert(name.to_owned(), value.to_owned());
        }
    }
    if call.manner.dry_run {
        wanted.iter().for_each(|name| {
            report::print(&format!(" DRY-RUN MODE -  build image of service `{name}`"))
        });
        return Ok(Exit::Success);
    }
    let host = call.host_to_start()?;
    let extra = Extra { build_args, no_cache: args.no_cache, quiet: args.quiet };
    services(call, &host, &project, &wanted, &extra)?;
    Ok(Exit::Success)
}

/// What the command line says otherwise.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) build_args: BTreeMap<String, String>,
    pub(super) no_cache: bool,
    pub(super) quiet: bool,
}

/// Builds the images of these services, each after those it takes files from. Before any thread exists.
pub(super) fn services(
    call: Call<'_>,
    host: &Host,
    project: &Project,
    wanted: &BTreeSet<String>,
    extra: &Extra,
) -> Result<()> {
    let engine = Engine::start(call.environment)?;
    let environment = call.environment;
    let surroundings = Surroundings {
        http: cli::http::settings(environment),
        registries: Some(cli::registries::registries(environment, true)?),
        git: Git::new(&GitSettings {
            search_path: environment.os("PATH").unwrap_or_default().to_owned(),
            sudo_uid: environment.os("SUDO_UID").map(ToOwned::to_owned),
        }),
        emulators: runtime::Emulators::of_machine(),
        build_args: extra.build_args.clone(),
        no_cache: extra.no_cache,
        private_network: of_builds(environment) == OfBuilds::Private,
        now: SystemTime::now(),
    };
    for name in build_order(project, wanted).iter().filter(|name| wanted.contains(*name)) {
        one(call, host, project, name, &surroundings, (&engine, extra.quiet))?;
    }
    if surroundings.private_network {
        cli::networks::sweep(&engine.locations);
    }
    Ok(())
}

fn one(
    call: Call<'_>,
    host: &Host,
    project: &Project,
    name: &str,
    surroundings: &Surroundings,
    (engine, quiet): (&Engine, bool),
) -> Result<()> {
    let Some(service) = project.service(name) else { return Ok(()) };
    let Some(build) = &service.build else { return Ok(()) };
    let image = service.image_name(&project.name, name);
    let request = build_request(project, name, build, &image, surroundings)?;
    let mode = match call.look()? {
        _ if quiet => Mode::Quiet,
        Look::Live => Mode::Tty,
        Look::Plain => Mode::Plain,
        Look::Json | Look::Quiet => Mode::Quiet,
    };
    let display = Display::start(mode, call.environment.colour_wanted());
    let cancel = Cancel::default();
    let built = builder::build(&request, &host.store, engine.zygote(), &display, &cancel);
    let outcome = display.finish();
    match built {
        Ok(built) if mode != Mode::Quiet => {
            report::print(&format!(" Image {image}  Built ({})", built.image_id));
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(error) => {
            let text = String::from_utf8_lossy(&request.dockerfile.text);
            let source = Source::new(request.dockerfile.name.clone(), text);
            report::build::print(&error, &source, &outcome.failed);
            bail!("cannot build the image of service `{name}`")
        }
    }
}
