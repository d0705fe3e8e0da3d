//! One file for each command: resolves the arguments, calls a library, shows the result.

mod build;
mod cache;
pub(crate) mod container;
mod convert;
mod df;
mod dockerfile;
mod events;
mod export;
mod form;
mod history;
mod image;
mod images;
mod import;
mod info;
mod inspect;
mod labels;
mod leftovers;
mod load;
mod login;
mod manifest;
mod manual;
mod network;
pub(crate) mod oci;
mod parse;
mod prune;
mod pull;
mod push;
mod rmi;
pub(crate) mod run;
mod save;
mod settings;
mod store;
mod system;
mod tag;
mod version;
pub(crate) mod volume;

use ::store::registry::RegistryError;
use ::store::{Digest, Image, Platform, Store, StoreError};
use anyhow::Result;
use builder::fetch::FetchError;
use builder::fetch::git::GitRefError;
use cli::Exit;
use cli::environment::Environment;
use cli::format::TemplateError;
use cli::registries::RulesError;
use cli::report::Report;
use cli::{snapshots, times};
use engine::EngineError;
use engine::volumes::VolumeError;
use runtime::containers::ContainerError;
use runtime::network::NetworkError;

use crate::args::Command;

/// Runs a command; a failure is reported here.
pub(crate) fn run(command: Command) -> Exit {
    let environment = Environment::process();
    let result = match command {
        Command::Build(args) => build::run(&args, &environment),
        Command::Check(args) => build::check::run(&args, &environment),
        Command::Parse(args) => parse::run(&args),
        Command::Images(args) => images::run(&args, &environment),
        Command::Inspect(args) => inspect::run(&args, &environment),
        Command::History(args) => history::run(&args, &environment),
        Command::Tag(args) => tag::run(&args, &environment),
        Command::Rmi(args) => rmi::run(&args, &environment),
        Command::Pull(args) => pull::run(&args, &environment),
        Command::Push(args) => push::run(&args, &environment),
        Command::Login(args) => login::run(&args, &environment),
        Command::Logout(args) => login::forget(&args, &environment),
        Command::Manifest(args) => manifest::run(&args, &environment),
        Command::Load(args) => load::run(&args, &environment),
        Command::Save(args) => save::run(&args, &environment),
        Command::Import(args) => import::run(&args, &environment),
        Command::Convert(args) => convert::run(&args, &environment),
        Command::Export(args) => export::run(&args, &environment),
        Command::Run(args) => Ok(run::run(&args, &environment)),
        Command::Create(args) => Ok(container::create(&args, &environment)),
        Command::Start(args) => container::start(&args, &environment),
        Command::Stop(args) => container::stop(&args, &environment),
        Command::Restart(args) => container::restart(&args, &environment),
        Command::Kill(args) => container::kill(&args, &environment),
        Command::Rm(args) => container::rm(&args, &environment),
        Command::Ps(args) => container::ps(&args, &environment),
        Command::Logs(args) => container::logs(&args, &environment),
        Command::Exec(args) => Ok(container::exec(&args, &environment)),
        Command::Wait(args) => container::wait(&args, &environment),
        Command::Attach(args) => container::attach(&args, &environment),
        Command::Rename(args) => container::rename(&args, &environment),
        Command::Pause(args) => container::pause(&args, &environment),
        Command::Unpause(args) => container::unpause(&args, &environment),
        Command::Update(args) => container::update(&args, &environment),
        Command::Top(args) => container::top(&args, &environment),
        Command::Stats(args) => container::stats(&args, &environment),
        Command::Cp(args) => Ok(container::cp(&args, &environment)),
        Command::Diff(args) => container::diff(&args, &environment),
        Command::Commit(args) => container::commit(&args, &environment),
        Command::Network(args) => network::run(&args, &environment),
        Command::Port(args) => container::port(&args, &environment),
        Command::Events(args) => events::run(&args, &environment),
        Command::Volume(args) => volume::run(&args, &environment),
        Command::Container(args) => container::manage(&args, &environment),
        Command::Cache(args) => cache::run(&args, &environment),
        Command::Builder(args) => prune::builder(&args, &environment),
        Command::Image(args) => image::run(&args, &environment),
        Command::Df(args) => df::run(&args, &environment),
        Command::Prune(args) => prune::system(&args, &environment),
        Command::System(args) => system::run(&args, &environment),
        Command::Info(args) => info::run(&args, &environment),
        Command::Version(args) => version::run(&args),
        Command::Store(args) => store::run(&args, &environment),
        Command::Completion(args) => manual::completion(&args),
        Command::Man(args) => manual::pages(&args),
    };
    let exit = result.unwrap_or_else(|err| {
        report_of(&err).print();
        Exit::Failure
    });
    leftovers::start(&environment);
    exit
}

/// The store the environment names, made on first use.
fn open_store(environment: &Environment) -> Result<Store> {
    let locations = environment.locations();
    Ok(Store::open(&locations.root, &locations.state)?)
}

/// The image of that name, for a platform or this machine. An image for another platform than the one asked for
/// is none.
fn resolve(store: &Store, name: &str, platform: Option<&str>) -> Result<Image> {
    let Some(platform) = platform else { return Ok(store.resolve(name)?) };
    let wanted: Platform = platform.parse()?;
    let image = store.resolve_for(name, &wanted)?;
    if !image.platform().runs_on(&wanted) {
        let digest = image.descriptor.digest;
        let offered = vec![image.platform()];
        return Err(StoreError::NoPlatform { digest, wanted: Box::new(wanted), offered }.into());
    }
    Ok(image)
}

/// A report with the hint of whichever error in the chain has one.
fn report_of(error: &anyhow::Error) -> Report {
    if let Some(error) = error.downcast_ref::<TemplateError>() {
        return error.report();
    }
    if let Some(error) = error.downcast_ref::<RulesError>() {
        return error.report();
    }
    let report = Report::of(error.as_ref());
    let hint = error.chain().find_map(|cause| {
        let of_store = || cause.downcast_ref::<StoreError>()?.hint();
        let of_registry = || cause.downcast_ref::<RegistryError>()?.hint();
        let of_git = || cause.downcast_ref::<GitRefError>()?.hint();
        let of_fetch = || cause.downcast_ref::<FetchError>()?.hint();
        let of_container = || cause.downcast_ref::<ContainerError>()?.hint().map(str::to_owned);
        let of_engine = || cause.downcast_ref::<EngineError>()?.hint();
        let of_network = || cause.downcast_ref::<NetworkError>()?.hint();
        let of_volume = || cause.downcast_ref::<VolumeError>()?.hint();
        of_store()
            .or_else(of_registry)
            .or_else(of_git)
            .or_else(of_fetch)
            .or_else(of_container)
            .or_else(of_engine)
            .or_else(of_network)
            .or_else(of_volume)
    });
    match hint {
        Some(hint) => report.hint(hint),
        None => report,
    }
}

/// The first 12 digits of an image ID, as docker shows it.
fn short_id(id: Digest) -> String {
    let text = id.to_string();
    let hex = text.split_once(':').map_or(text.as_str(), |(_, hex)| hex);
    hex.chars().take(12).collect()
}
