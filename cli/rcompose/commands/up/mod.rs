//! `rcompose up`, `create` and `scale`: makes the host as the project says.

mod attached;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cli::Exit;
use cli::registries::{When, find_image, is_offline};
use compose::Project;
use compose::reconcile::{
    self, Action, BuildWhen, ImageSteps, ObservedState, Plan, PullWhen, Recreate, UpOptions,
};
use compose::stack::execute::{ExecuteOptions, Waited, wait_for_service};
use compose::stack::{Contents, Externals, Host, StackError, observe};

use super::build::{self, Builder};
use super::stack::{Call, Work, check_services, scales, warn_of_unsupported};
use super::{failure, interrupt, pulls, watch};
use crate::args::{CreateArgs, MakeArgs, ScaleArgs, UpArgs};
use crate::disk::Disk;

pub(super) fn run(args: &UpArgs, call: Call<'_>) -> Result<Exit> {
    if args.menu == Some(true) {
        bail!("`--menu`: there is no menu while attached");
    }
    let mut project = prepared(call, &args.make, &args.services)?;
    check_attached(args, &project)?;
    let rules = match args.watch {
        true if args.make.no_build => {
            bail!("`--no-build` is incompatible with `--watch`: what changes is built")
        }
        true => Some(watch::prepare(&mut project, &args.services)?),
        false => None,
    };
    let options = UpOptions {
        with_dependencies: !args.no_deps,
        recreate_dependencies: match args.always_recreate_deps {
            true => Recreate::Always,
            false => dependencies(&args.make),
        },
        start: !args.no_start,
        renew_volumes: args.renew_anon_volumes,
        ..options(call, &args.make, &args.services)?
    };
    let attached = !(args.detach || args.wait || args.no_start || call.manner.dry_run);
    let mut stack = Up::open(call, project, options, &args.make)?;
    stack.quiet_build = args.quiet_build;
    if args.watch {
        stack.be_ready_to_build()?;
    }
    let plan = stack.plan()?;
    if attached {
        return attached::run(args, &mut stack, &plan, rules);
    }
    let interrupted = Arc::clone(&stack.interrupted);
    interrupt::watch(&interrupted)?;
    stack
        .work(call)
        .carry_out(&plan, "up")
        .inspect_err(|error| failure::explain(&stack.host, error))?;
    stack.let_go();
    if args.wait && !call.manner.dry_run {
        let limit = args.wait_timeout.map(Duration::from_secs);
        wait(&stack.host, &stack.project, &stack.scope, limit, &interrupted)?;
    }
    Ok(Exit::Success)
}

pub(super) fn create(args: &CreateArgs, call: Call<'_>) -> Result<Exit> {
    let project = prepared(call, &args.make, &args.services)?;
    let options = UpOptions { start: false, ..options(call, &args.make, &args.services)? };
    let mut stack = Up::open(call, project, options, &args.make)?;
    let plan = stack.plan()?;
    interrupt::watch(&stack.interrupted)?;
    stack.work(call).carry_out(&plan, "create")?;
    Ok(Exit::Success)
}

/// Changes the number of containers and nothing else about them.
pub(super) fn scale(args: &ScaleArgs, call: Call<'_>) -> Result<Exit> {
    let make = MakeArgs { scale: args.scale.clone(), ..MakeArgs::default() };
    let services: Vec<String> = scales(&args.scale)?.into_keys().collect();
    let project = prepared(call, &make, &services)?;
    let options =
        UpOptions { with_dependencies: !args.no_deps, ..options(call, &make, &services)? };
    let mut stack = Up::open(call, project, options, &make)?;
    let plan = stack.plan()?;
    interrupt::watch(&stack.interrupted)?;
    stack.work(call).carry_out(&plan, "scale")?;
    Ok(Exit::Success)
}

/// The project with the services that are meant and their numbers of containers.
pub(super) fn prepared(call: Call<'_>, make: &MakeArgs, services: &[String]) -> Result<Project> {
    let mut project = call.project()?;
    project.select(services)?;
    for (name, number) in scales(&make.scale)? {
        match project.services.get_mut(&name) {
            Some(service) => service.scale = Some(number),
            None => bail!("no such service: {name}"),
        }
    }
    warn_of_unsupported(&project);
    Ok(project)
}

fn check_attached(args: &UpArgs, project: &Project) -> Result<()> {
    let named = args.attach.iter().chain(&args.no_attach).chain(&args.exit_code_from);
    let named: Vec<String> = named.cloned().collect();
    check_services(project, &named)
}

fn dependencies(make: &MakeArgs) -> Recreate {
    if make.no_recreate { Recreate::Never } else { Recreate::Changed }
}

fn options(call: Call<'_>, make: &MakeArgs, services: &[String]) -> Result<UpOptions> {
    Ok(UpOptions {
        services: services.to_vec(),
        recreate: match (make.force_recreate, make.no_recreate) {
            (true, _) => Recreate::Always,
            (false, true) => Recreate::Never,
            (false, false) => Recreate::Changed,
        },
        recreate_dependencies: dependencies(make),
        remove_orphans: make.remove_orphans || call.flag_variable("COMPOSE_REMOVE_ORPHANS"),
        build: match (make.build, make.no_build) {
            (true, _) => BuildWhen::Always,
            (false, true) => BuildWhen::Never,
            (false, false) => BuildWhen::Absent,
        },
        pull: checked_policy(make.pull.as_deref())?,
        all_resources: call.project.all_resources,
        ..UpOptions::plain()
    })
}

/// `--pull`; `policy` is what the services say.
pub(super) fn checked_policy(policy: Option<&str>) -> Result<Option<String>> {
    match policy {
        None | Some("policy" | "") => Ok(None),
        Some(known @ ("always" | "missing" | "never" | "build")) => Ok(Some(known.to_owned())),
        Some(other) => bail!("`--pull {other}`: known are always, missing, never and policy"),
    }
}

/// A project on its way up.
#[derive(Debug)]
pub(super) struct Up<'a> {
    pub(super) call: Call<'a>,
    pub(super) host: Host,
    pub(super) project: Project,
    /// Keys of the services that are meant.
    pub(super) scope: BTreeSet<String>,
    pub(super) contents: Contents,
    pub(super) observed: ObservedState,
    options: UpOptions,
    pub(super) execute: ExecuteOptions,
    pub(super) interrupted: Arc<AtomicBool>,
    quiet_pull: bool,
    pub(super) quiet_build: bool,
    /// Once something has been built, or may have to be when there are threads.
    pub(super) builder: Option<Builder<'a>>,
    /// Nobody else brings this project up or down meanwhile.
    lock: Option<std::fs::File>,
}

impl<'a> Up<'a> {
    pub(super) fn open(
        call: Call<'a>,
        project: Project,
        options: UpOptions,
        make: &MakeArgs,
    ) -> Result<Up<'a>> {
        let host = call.host_to_start()?;
        let lock = super::lock::project(&host, &project.name)?;
        let scope = match (options.services.is_empty(), options.with_dependencies) {
            (true, _) | (_, true) => project.services.keys().cloned().collect(),
            (false, false) => options.services.iter().cloned().collect(),
        };
        let contents = Contents::read(&project, &scope, &Disk, &Externals::of(host.store.root()))?;
        let observed = observe(&host, &project, &contents)?;
        let execute = ExecuteOptions {
            stop_timeout: make.timeout,
            parallel: call.parallel()?,
            ..ExecuteOptions::default()
        };
        let interrupted = Arc::default();
        Ok(Up {
            call,
            host,
            project,
            scope,
            contents,
            observed,
            options,
            execute,
            interrupted,
            quiet_pull: make.quiet_pull,
            quiet_build: false,
            builder: None,
            lock: Some(lock),
        })
    }

    /// What was to be changed has been: others may change the project while we look on.
    pub(super) fn let_go(&mut self) {
        self.lock = None;
    }

    /// Before any thread exists.
    pub(super) fn be_ready_to_build(&mut self) -> Result<&Builder<'a>> {
        let builder = match self.builder.take() {
            Some(builder) => builder,
            None => Builder::start(self.call)?,
        };
        Ok(self.builder.insert(builder))
    }

    /// Builds the images that are to be built, and pulls those that are to be pulled.
    pub(super) fn bring_in(&mut self, options: &UpOptions) -> Result<()> {
        let images = reconcile::images(&self.project, &self.observed, options)?;
        let (mut wanted, mut pulled) = (BTreeSet::new(), BTreeSet::new());
        let offline = is_offline(self.call.environment);
        for step in &images.steps {
            match &step.action {
                Action::Build { service, .. } => {
                    wanted.insert(service.clone());
                }
                Action::Pull { image, .. }
                    if offline && !self.observed.images.contains_key(image) =>
                {
                    return Err(StackError::Pull { image: image.clone() }.into());
                }
                Action::Pull { image, when } if !offline && self.is_due(image, when) => {
                    pulled.insert(image.clone());
                }
                _ => {}
            }
        }
        if !wanted.is_empty() {
            let extra = build::Extra { quiet: self.quiet_build, ..build::Extra::default() };
            self.be_ready_to_build()?;
            if let Some(builder) = &self.builder {
                builder.build(&self.host, &self.project, &wanted, &extra)?;
            }
        }
        for image in &pulled {
            find_image(
                &self.host.store,
                image,
                When::Always,
                self.quiet_pull,
                self.call.environment,
            )?;
            pulls::note(&self.host, image);
        }
        if !wanted.is_empty() || !pulled.is_empty() {
            self.observed = observe(&self.host, &self.project, &self.contents)?;
        }
        Ok(())
    }

    /// Whether an image is to be pulled now.
    fn is_due(&self, image: &str, when: &PullWhen) -> bool {
        match when {
            PullWhen::IfOlder(most) if self.observed.images.contains_key(image) => {
                pulls::age(&self.host, image).is_none_or(|age| age >= *most)
            }
            PullWhen::Now | PullWhen::IfOlder(_) => true,
        }
    }

    /// Makes the networks and volumes that a service needs, and no container.
    pub(super) fn make_resources(&self, service: &str) -> Result<()> {
        let mut project = self.project.clone();
        let observed = observe(&self.host, &project, &self.contents)?;
        let own = observed.containers.iter().filter(|it| it.service == service && !it.one_off);
        let existing = i64::try_from(own.count())?;
        if let Some(service) = project.services.get_mut(service) {
            service.scale = Some(existing);
        }
        let options = UpOptions {
            services: vec![service.to_owned()],
            with_dependencies: false,
            recreate: Recreate::Never,
            recreate_dependencies: Recreate::Never,
            start: false,
            images: ImageSteps::Done,
            ..UpOptions::plain()
        };
        let mut plan = reconcile::up(&project, &observed, &options)?;
        plan.warnings.clear();
        Work { observed: &observed, ..self.work(self.call) }.carry_out(&plan, "run")
    }

    /// Until what a service depends on is as it needs it.
    pub(super) fn wait_for_dependencies(&self, service: &str) -> Result<()> {
        for (name, terms) in reconcile::service_dependencies(&self.project.services[service]) {
            let waited = match terms.condition.as_str() {
                "service_healthy" => Waited::Healthy,
                "service_completed_successfully" => Waited::Completed,
                _ => continue,
            };
            if !self.project.services.contains_key(&name) {
                continue;
            }
            let done =
                wait_for_service(&self.host, &self.project, &name, waited, &self.interrupted);
            if terms.required {
                done?;
            }
        }
        Ok(())
    }

    /// Brings the images in, and plans the rest.
    pub(super) fn plan(&mut self) -> Result<Plan> {
        if self.call.manner.dry_run {
            return Ok(reconcile::up(&self.project, &self.observed, &self.options)?);
        }
        self.bring_in(&self.options.clone())?;
        self.options.images = ImageSteps::Done;
        Ok(reconcile::up(&self.project, &self.observed, &self.options)?)
    }

    pub(super) fn work<'b>(&'b self, call: Call<'b>) -> Work<'b> {
        Work {
            call,
            host: &self.host,
            project: &self.project,
            contents: &self.contents,
            observed: &self.observed,
            options: self.execute.clone(),
            interrupted: Arc::clone(&self.interrupted),
        }
    }
}

/// Until all of these services are healthy or running.
pub(super) fn wait(
    host: &Host,
    project: &Project,
    services: &BTreeSet<String>,
    limit: Option<Duration>,
    interrupted: &Arc<AtomicBool>,
) -> Result<()> {
    let over = Arc::new(AtomicBool::new(false));
    let end = limit.map(|limit| Instant::now() + limit);
    let stop = Arc::clone(interrupted);
    let waited = thread::scope(|scope| {
        let timer = scope.spawn(|| {
            use std::sync::atomic::Ordering::SeqCst;
            while !over.load(SeqCst) {
                if end.is_some_and(|end| end <= Instant::now()) {
                    stop.store(true, SeqCst);
                    return true;
                }
                thread::sleep(Duration::from_millis(20));
            }
            false
        });
        let waited = services.iter().try_for_each(|name| {
            let done = wait_for_service(host, project, name, Waited::Up, interrupted);
            done.map_err(anyhow::Error::from)
        });
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        let late = timer.join().unwrap_or(false);
        (waited, late)
    });
    match waited {
        (Err(_), true) => {
            let seconds = limit.unwrap_or_default().as_secs();
            bail!("services were not healthy or running within {seconds} seconds")
        }
        (Err(error), false) => {
            failure::explain(host, &error);
            Err(error)
        }
        (Ok(()), _) => Ok(()),
    }
}
