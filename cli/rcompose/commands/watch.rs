//! `rcompose watch` and `up --watch`: what changes in the files here comes into the containers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use cli::report::Report;
use cli::{Exit, output};
use compose::Project;
use compose::reconcile::{self, ImageSteps, Plan, Recreate, UpOptions};
use compose::stack::execute::{self, Observer, Order};
use compose::stack::watch::{FileWatcher, Rule, Rules, Sync, Work, rules};
use compose::stack::{Host, Member, members, observe};
use engine::copy::RootDir;
use runtime::containers::Status;
use store::StoreError;

use super::build::Extra;
use super::display::{Display, Shared};
use super::stack::Call;
use super::up::{Up, prepared};
use super::{failure, interrupt, lock, show};
use crate::args::{MakeArgs, WatchArgs};

pub(super) fn run(args: &WatchArgs, call: Call<'_>) -> Result<Exit> {
    let make = MakeArgs::default();
    let mut project = prepared(call, &make, &args.services)?;
    let rules = prepare(&mut project, &args.services)?;
    let options = UpOptions { services: args.services.clone(), ..UpOptions::plain() };
    let mut up = Up::open(call, project, options, &make)?;
    up.quiet_build = args.quiet;
    up.be_ready_to_build()?;
    let plan = if args.no_up { Plan::default() } else { up.plan()? };
    let interrupted = Arc::clone(&up.interrupted);
    interrupt::watch(&interrupted)?;
    let brought = up.work(call).carry_out(&plan, "up");
    brought.inspect_err(|error| failure::explain(&up.host, error))?;
    up.let_go();
    let log = |text: &str| {
        // Who does not read it any more does not want to know.
        let _unread = output::line(text);
    };
    let (prune, quiet) = (args.prune, args.quiet);
    let watching = Watching { up: &up, rules, prune, quiet, observer: None, log: &log };
    watching.run(&interrupted)?;
    Ok(Exit::Success)
}

/// The rules of these services. What is watched and has a build is built when the project comes up.
pub(super) fn prepare(project: &mut Project, services: &[String]) -> Result<Vec<Rule>> {
    let Rules { rules, mounted } = rules(project, services)?;
    for path in mounted {
        let text = format!("`{path}` is mounted in the container already: it is not watched");
        Report::warning(text).print();
    }
    for rule in &rules {
        if let Some(service) = project.services.get_mut(&rule.service)
            && service.build.is_some()
        {
            service.pull_policy = "build".to_owned();
        }
    }
    Ok(rules)
}

/// A project that is up, and what its services want to have done about changes.
pub(super) struct Watching<'a> {
    pub(super) up: &'a Up<'a>,
    pub(super) rules: Vec<Rule>,
    /// Images that another one has taken the name from are removed.
    pub(super) prune: bool,
    pub(super) quiet: bool,
    /// Besides the display.
    pub(super) observer: Option<&'a (dyn Observer + 'a)>,
    pub(super) log: &'a (dyn Fn(&str) + std::marker::Sync),
}

impl Watching<'_> {
    /// Until somebody has enough. What goes wrong is told, and does not end it.
    pub(super) fn run(&self, enough: &AtomicBool) -> Result<()> {
        let leaves_out = |directory: &Path| self.rules.iter().all(|it| it.leaves_out(directory));
        let roots = self.rules.iter().map(|rule| rule.path.clone()).collect();
        let mut files = FileWatcher::new(roots, &leaves_out)?;
        self.carry_out(&Work::initial(&self.rules), enough)?;
        self.tell("Watch enabled");
        loop {
            let changed = files.next(enough)?;
            if enough.load(Ordering::SeqCst) {
                return Ok(());
            }
            if let Err(error) = self.carry_out(&Work::of(&self.rules, &changed), enough) {
                show(error.as_ref());
            }
        }
    }

    fn tell(&self, text: &str) {
        (self.log)(&format!(" ⦿ {text}"));
    }

    fn host(&self) -> &Host {
        &self.up.host
    }

    fn carry_out(&self, work: &Work, enough: &AtomicBool) -> Result<()> {
        if *work == Work::default() {
            return Ok(());
        }
        let _lock = lock::project(self.host(), &self.up.project.name)?;
        if !work.rebuild.is_empty() {
            self.rebuild(&work.rebuild, enough)?;
        }
        for (service, files) in &work.sync {
            self.sync(service, files)?;
        }
        if !work.restart.is_empty() {
            self.restart(&work.restart, enough)?;
        }
        work.execute.iter().try_for_each(|at| self.execute(&self.rules[*at], enough))
    }

    fn rebuild(&self, services: &BTreeSet<String>, enough: &AtomicBool) -> Result<()> {
        let up = self.up;
        let names = quoted(services);
        self.tell(&format!("Rebuilding service(s) {names} after changes were detected..."));
        let before = self.images(services);
        let builder = up.builder.as_ref().context("nothing was made ready for builds")?;
        let extra = Extra { quiet: self.quiet, ..Extra::default() };
        builder.build(&up.host, &up.project, services, &extra)?;
        self.tell(&format!("service(s) {names} successfully built"));
        let observed = observe(&up.host, &up.project, &up.contents)?;
        let options = UpOptions {
            services: services.iter().cloned().collect(),
            with_dependencies: false,
            recreate: Recreate::Always,
            images: ImageSteps::Done,
            ..UpOptions::plain()
        };
        let plan = reconcile::up(&up.project, &observed, &options)?;
        self.follow(&plan, &observed, enough)?;
        if self.prune {
            self.prune(&before, &self.images(services));
        }
        Ok(())
    }

    /// IDs of the images of services, by name.
    fn images(&self, services: &BTreeSet<String>) -> BTreeMap<String, String> {
        let services = services.iter().filter_map(|key| {
            let service = self.up.project.services.get(key)?;
            Some(service.image_name(&self.up.project.name, key))
        });
        let id = |name: String| {
            let image = self.host().store.resolve(&name).ok()?;
            Some((name, image.id().to_string()))
        };
        services.filter_map(id).collect()
    }

    fn prune(&self, before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) {
        for (name, id) in before.iter().filter(|(name, id)| now.get(*name) != Some(id)) {
            match self.host().store.untag(id, false) {
                Ok(_) | Err(StoreError::ImageNotFound { .. } | StoreError::InUse { .. }) => {}
                Err(error) => {
                    Report::warning(format!("the old image of `{name}` stays: {error}")).print();
                }
            }
        }
    }

    /// Containers of a service that run.
    fn running(&self, service: &str) -> Result<Vec<Member>> {
        let mut found = members(self.host(), &self.up.project.name)?;
        found.retain(|member| {
            let runs = member.container.state.status == Status::Running;
            member.service() == service && !member.identity.one_off && runs
        });
        Ok(found)
    }

    fn sync(&self, service: &str, files: &BTreeSet<Sync>) -> Result<()> {
        let count = files.len();
        self.tell(&format!("Syncing service \"{service}\" after {count} changes were detected"));
        let here = RootDir::open("/").context("cannot open `/`")?;
        for member in self.running(service)? {
            runtime::with_root_of(&member.container, |inside| {
                files.iter().try_for_each(|file| {
                    let about = || format!("cannot sync `{}`", file.path.display());
                    engine::copy::sync(&here, &file.path, inside, &file.target).with_context(about)
                })
            })??;
        }
        Ok(())
    }

    fn restart(&self, services: &BTreeSet<String>, enough: &AtomicBool) -> Result<()> {
        let up = self.up;
        let observed = observe(&up.host, &up.project, &up.contents)?;
        let names: Vec<String> = services.iter().cloned().collect();
        let plan = reconcile::restart(&up.project, &observed, &names, true)?;
        self.follow(&plan, &observed, enough)?;
        self.tell(&format!("service(s) {} restarted", quoted(services)));
        Ok(())
    }

    /// Carries a plan out, before everybody's eyes.
    fn follow(
        &self,
        plan: &Plan,
        observed: &reconcile::ObservedState,
        enough: &AtomicBool,
    ) -> Result<()> {
        let display = Display::start(self.up.call.look()?, "watch");
        let observer = Shared { display: &display, other: self.observer };
        let done = execute::run(plan, self.order(observed, enough), &observer);
        display.finish();
        Ok(done?)
    }

    fn order<'b>(
        &'b self,
        observed: &'b reconcile::ObservedState,
        interrupted: &'b AtomicBool,
    ) -> Order<'b> {
        Order {
            host: &self.up.host,
            project: &self.up.project,
            contents: &self.up.contents,
            observed,
            options: &self.up.execute,
            interrupted,
        }
    }

    fn execute(&self, rule: &Rule, enough: &AtomicBool) -> Result<()> {
        let display = Display::start(self.up.call.look()?, "watch");
        let observer = Shared { display: &display, other: self.observer };
        let order = self.order(&self.up.observed, enough);
        for member in self.running(&rule.service)? {
            let run =
                execute::run_hook(order, &observer, &rule.service, &member.container, &rule.hook);
            run.map_err(anyhow::Error::from)
                .inspect_err(|error| failure::explain(self.host(), error))?;
        }
        Ok(())
    }
}

/// `["a" "b"]`, as docker compose writes them.
fn quoted(services: &BTreeSet<String>) -> String {
    let names: Vec<String> = services.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", names.join(" "))
}
