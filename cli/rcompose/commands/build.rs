//! Builds images of services: at once, each after those it takes files from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use builder::fetch::{Git, GitSettings};
use builder::{BuildError, BuildRequest, BuiltImage, Cancel};
use cli::networks::{OfBuilds, of_builds};
use cli::progress::{Display, FailedStep, Mode, Several};
use cli::registries::{registries, until_cancelled};
use cli::report::{self, Report, checks};
use cli::zygote::Engine;
use cli::{Exit, caches, output};
use compose::Project;
use compose::model::Build;
use compose::stack::Host;
use compose::stack::build::{Platforms, Surroundings, build_order, build_request};
use engine::Variable;
use parser::Source;

use super::display::Look;
use super::exec::variables;
use super::interrupt::Interrupts;
use super::stack::Call;
use super::transfer;
use crate::args::{BuildArgs, PushArgs};

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
    give_agents(args, &mut project, &wanted);
    let mut build_args = BTreeMap::new();
    for variable in variables(&args.build_args, &call.own_variables())? {
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
    let extra = Extra {
        build_args,
        no_cache: args.no_cache,
        pull: args.pull,
        quiet: args.quiet,
        platforms: Some(Platforms::All),
    };
    if args.check {
        return check(call, &host, &project, &wanted, &extra);
    }
    let builder = Builder::start(call)?;
    builder.build(&host, &project, &wanted, &extra)?;
    if args.push {
        let push = PushArgs {
            services: wanted.into_iter().collect(),
            quiet: args.quiet,
            ..PushArgs::default()
        };
        return transfer::push(&push, call);
    }
    Ok(Exit::Success)
}

/// `--ssh ID[=SOCKET]`, over what the services say.
fn give_agents(args: &BuildArgs, project: &mut Project, wanted: &BTreeSet<String>) {
    let services = project.services.iter_mut().filter(|(name, _)| wanted.contains(*name));
    for build in services.filter_map(|(_, service)| service.build.as_mut()) {
        for text in &args.ssh {
            let (id, socket) = text.split_once('=').unwrap_or((text, ""));
            let id = if id.is_empty() { "default" } else { id };
            build.ssh.0.insert(id.to_owned(), socket.to_owned());
        }
    }
}

/// `build --check`: what BuildKit's rules say of the Dockerfiles.
fn check(
    call: Call<'_>,
    host: &Host,
    project: &Project,
    wanted: &BTreeSet<String>,
    extra: &Extra,
) -> Result<Exit> {
    let surroundings = surroundings(call, host, extra, &Cancel::default())?;
    let mut exit = Exit::Success;
    for job in jobs(project, wanted, &surroundings)? {
        let checked = builder::check(&job.request, Some(&host.store));
        let source = job.source();
        let (found, remarks): (Vec<_>, Vec<_>) =
            checked.warnings.iter().partition(|warning| warning.rule.is_some());
        remarks.into_iter().for_each(|remark| checks::report(&source, remark).print());
        output::write(&checks::text(&source, &found, checked.error.is_none()))?;
        if let Some(error) = &checked.error {
            report::build::print(error, &source, &[]);
        }
        if checked.error.is_some() || !found.is_empty() {
            exit = Exit::Failure;
        }
    }
    Ok(exit)
}

/// What the command line says otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    pub(super) build_args: BTreeMap<String, String>,
    pub(super) no_cache: bool,
    pub(super) pull: bool,
    pub(super) quiet: bool,
    /// Of what runs one is enough.
    pub(super) platforms: Option<Platforms>,
}

/// Builds, by any thread.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    call: Call<'a>,
    engine: Engine,
}

/// What became of a build; none if it was not begun.
type Outcome = Option<Result<BuiltImage, Box<BuildError>>>;

/// An image to build.
struct Job {
    service: String,
    image: String,
    request: BuildRequest,
    /// Others whose images it takes files from.
    after: BTreeSet<String>,
}

impl Job {
    fn source(&self) -> Source {
        let text = String::from_utf8_lossy(&self.request.dockerfile.text);
        Source::new(self.request.dockerfile.name.clone(), text)
    }
}

impl<'a> Builder<'a> {
    /// Before any thread exists.
    pub(super) fn start(call: Call<'a>) -> Result<Builder<'a>> {
        Ok(Builder { call, engine: Engine::start(call.environment)? })
    }

    /// Builds the images of these services. Being asked to end cancels all of them.
    pub(super) fn build(
        &self,
        host: &Host,
        project: &Project,
        wanted: &BTreeSet<String>,
        extra: &Extra,
    ) -> Result<()> {
        let cancel = Cancel::default();
        let jobs = jobs(project, wanted, &surroundings(self.call, host, extra, &cancel)?)?;
        let mode = match self.call.look()? {
            _ if extra.quiet => Mode::Quiet,
            Look::Live => Mode::Tty,
            Look::Plain => Mode::Plain,
            Look::Json | Look::Quiet => Mode::Quiet,
        };
        let interrupts = Interrupts::cancelling(&cancel)?;
        let display = Display::start(mode, self.call.environment.colour_wanted());
        let built = self.all(host, &jobs, &display, &cancel)?;
        let outcome = display.finish();
        drop(interrupts);
        if of_builds(self.call.environment) == OfBuilds::Private {
            cli::networks::sweep(&self.engine.locations);
        }
        let mut failed = Vec::new();
        for (job, built) in jobs.iter().zip(built) {
            match built {
                Some(Ok(built)) if mode != Mode::Quiet => {
                    report::print(&format!(" Image {}  Built ({})", job.image, built.image_id));
                }
                Some(Ok(_)) | None => {}
                Some(Err(error)) if matches!(*error, BuildError::Cancelled) => {}
                Some(Err(error)) => {
                    let steps = steps_of(job, jobs.len(), &outcome.failed);
                    report::build::print(&error, &job.source(), &steps);
                    failed.push(format!("`{}`", job.service));
                }
            }
        }
        match failed.as_slice() {
            [] if cancel.is_cancelled() => Err(BuildError::Cancelled.into()),
            [] => Ok(()),
            [one] => bail!("cannot build the image of service {one}"),
            more => bail!("cannot build the images of services {}", more.join(", ")),
        }
    }

    /// What became of each. Those after one that failed are not begun.
    fn all(
        &self,
        host: &Host,
        jobs: &[Job],
        display: &Display,
        cancel: &Cancel,
    ) -> Result<Vec<Outcome>> {
        let most = self.call.parallel()?.unwrap_or(jobs.len()).max(1);
        let (several, turns) = (Several::default(), Turns::default());
        let one = |job: &Job| {
            let begun = turns.begin(job, jobs, most, cancel);
            let name = if jobs.len() > 1 { job.service.as_str() } else { "" };
            let part = several.part(display, name);
            let zygote = self.engine.zygote();
            let build = || {
                builder::build(&job.request, &host.store, zygote, &part, cancel).map_err(Box::new)
            };
            let built = begun.then(build);
            if !matches!(built, Some(Ok(_))) {
                cancel.cancel();
            }
            turns.end(job, begun);
            built
        };
        thread::scope(|scope| {
            let threads: Vec<_> = jobs.iter().map(|job| scope.spawn(|| one(job))).collect();
            let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
            let ended: Result<Vec<_>, _> = ended.collect();
            let ended = ended.ok().context("a build has crashed")?;
            if host.store.is_far_from_synced() {
                host.store.sync()?;
            }
            Ok(ended)
        })
    }
}

/// Whose turn it is.
#[derive(Debug, Default)]
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ended: BTreeSet<String>,
    under_way: usize,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until those before it have ended and there is room. False when it is not to begin at all.
    fn begin(&self, job: &Job, jobs: &[Job], most: usize, cancel: &Cancel) -> bool {
        let is_job = |name: &String| jobs.iter().any(|job| job.service == *name);
        let may = |state: &State| {
            let mut before = job.after.iter().filter(|name| is_job(name));
            state.under_way < most && before.all(|name| state.ended.contains(name))
        };
        let mut state = self.lock();
        while !may(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let begun = !cancel.is_cancelled();
        state.under_way += usize::from(begun);
        begun
    }

    fn end(&self, job: &Job, begun: bool) {
        let mut state = self.lock();
        state.ended.insert(job.service.clone());
        state.under_way -= usize::from(begun);
        self.changed.notify_all();
    }
}

/// Those of the failed steps that are this build's.
fn steps_of(job: &Job, builds: usize, failed: &[FailedStep]) -> Vec<FailedStep> {
    let own = format!("[{} ", job.service);
    let is_own = |step: &&FailedStep| builds == 1 || step.name.starts_with(&own);
    failed.iter().filter(is_own).cloned().collect()
}

fn surroundings(
    call: Call<'_>,
    host: &Host,
    extra: &Extra,
    cancel: &Cancel,
) -> Result<Surroundings> {
    let environment = call.environment;
    Ok(Surroundings {
        http: cli::http::settings(environment),
        registries: Some(until_cancelled(registries(environment, true)?, cancel)),
        git: Git::new(&GitSettings {
            search_path: environment.os("PATH").unwrap_or_default().to_owned(),
            sudo_uid: environment.os("SUDO_UID").map(ToOwned::to_owned),
        }),
        emulators: runtime::Emulators::of_machine(),
        build_args: extra.build_args.clone(),
        no_cache: extra.no_cache,
        private_network: of_builds(environment) == OfBuilds::Private,
        pull: extra.pull,
        platforms: extra.platforms.unwrap_or(Platforms::One),
        now: SystemTime::now(),
        store: host.store.clone(),
        cancel: cancel.clone(),
    })
}

fn jobs(
    project: &Project,
    wanted: &BTreeSet<String>,
    surroundings: &Surroundings,
) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for name in build_order(project, wanted).iter().filter(|name| wanted.contains(*name)) {
        let Some(service) = project.service(name) else { continue };
        let Some(build) = &service.build else { continue };
        let image = service.image_name(&project.name, name);
        let mut request = build_request(project, name, build, &image, surroundings)?;
        take_caches(build, &mut request).with_context(|| format!("service `{name}`"))?;
        let contexts = build.additional_contexts.0.values();
        let after = contexts.filter_map(|source| source.strip_prefix("service:"));
        let after = after.map(str::to_owned).collect();
        jobs.push(Job { service: name.clone(), image, request, after });
    }
    Ok(jobs)
}

/// What is named in a registry is asked and told as by the flags of `rbuild build`.
fn take_caches(build: &Build, request: &mut BuildRequest) -> Result<()> {
    request.cache_from = caches::sources(&build.cache_from.0, "build.cache_from:")?;
    let exports = caches::exports(&build.cache_to.0, "build.cache_to:")?;
    request.inline_cache = exports.inline || caches::are_asked_for_inline(&request.build_args);
    request.cache_to = exports.registries;
    Ok(())
}
