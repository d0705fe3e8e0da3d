//! What the commands about stacks share: the project, the host it lives on, and doing a plan.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::report::{self, Report};
use cli::zygote::lazy_snapshotter;
use compose::Project;
use compose::load::{LoadOptions, load};
use compose::model::Service;
use compose::reconcile::{Action, ObservedState, Plan};
use compose::stack::execute::{self, ExecuteOptions, Order};
use compose::stack::{Contents, Host, Member, members};

use super::display::{Display, Look};
use super::find;
use crate::args::{AnsiMode, MannerArgs, ProgressMode, ProjectArgs};
use crate::disk::Disk;

/// What was typed before the name of the command, and the environment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) project: &'a ProjectArgs,
    pub(super) manner: &'a MannerArgs,
    pub(super) environment: &'a Environment,
}

impl Call<'_> {
    /// The project as its files say.
    pub(super) fn project(&self) -> Result<Project> {
        let found = find(self.project, LoadOptions::ALL, self.environment)?;
        let loaded = load(&found.request, &Disk)?;
        // The process may end soon: freeing a large tree value by value takes long.
        std::mem::forget(loaded.tree);
        report::compose::warnings(&loaded.warnings);
        let old_names = self.project.compatibility || self.flag_variable("COMPOSE_COMPATIBILITY");
        Ok(Project { old_names, ..loaded.project })
    }

    /// The project, or what its containers say of it where there is a name but no file.
    pub(super) fn project_or_remains(&self, host: &Host) -> Result<Project> {
        let named = self.project.project_name.as_deref().filter(|_| self.project.files.is_empty());
        match (self.project(), named) {
            (Ok(project), _) => Ok(project),
            (Err(error), Some(name)) if is_no_file(&error) => remains(host, name),
            (Err(error), _) => Err(error),
        }
    }

    /// The host, to be looked at. Programs may be started in its containers before there are threads.
    pub(super) fn host(&self) -> Result<Host> {
        let locations = self.environment.locations();
        Ok(Host::open(&locations.root, &locations.state)?)
    }

    /// The host, to start containers. Before any thread exists.
    pub(super) fn host_to_start(&self) -> Result<Host> {
        let locations = self.environment.locations();
        let host = Host::open_to_start(&locations.root, &locations.state)?;
        lazy_snapshotter(&host.store, self.environment)?;
        Ok(host)
    }

    /// The flag, else the variable.
    pub(super) fn parallel(&self) -> Result<Option<usize>> {
        let text = self.environment.text("COMPOSE_PARALLEL_LIMIT");
        let given = match (self.manner.parallel, text) {
            (Some(number), _) => Some(number),
            (None, Some(text)) => Some(text.parse().with_context(|| {
                format!("COMPOSE_PARALLEL_LIMIT is `{text}`, which is no number")
            })?),
            (None, None) => None,
        };
        match given {
            None | Some(-1) => Ok(None),
            Some(number) if number > 0 => Ok(usize::try_from(number).ok()),
            Some(number) => bail!("`--parallel {number}`: write a number above 0, or -1"),
        }
    }

    /// What our own environment says of a variable.
    pub(super) fn own_variables(&self) -> impl Fn(&str) -> Option<String> {
        let environment = self.environment;
        move |name| environment.text(name).map(str::to_owned)
    }

    pub(super) fn flag_variable(&self, name: &str) -> bool {
        let text = self.environment.text(name).unwrap_or_default().to_lowercase();
        ["1", "true", "yes", "y"].contains(&text.as_str())
    }

    /// How progress is shown: the flag, else the variable, else what suits stderr.
    pub(super) fn look(&self) -> Result<Look> {
        let variable = self.environment.text("COMPOSE_PROGRESS");
        let mode = match (self.manner.progress, variable) {
            (Some(mode), _) => mode,
            (None, None | Some("auto")) => ProgressMode::Auto,
            (None, Some("tty")) => ProgressMode::Tty,
            (None, Some("plain")) => ProgressMode::Plain,
            (None, Some("json")) => ProgressMode::Json,
            (None, Some("quiet")) => ProgressMode::Quiet,
            (None, Some(other)) => {
                bail!("COMPOSE_PROGRESS is `{other}`; known are auto, tty, plain, json and quiet")
            }
        };
        Ok(match mode {
            ProgressMode::Auto if self.colours(&std::io::stderr()) => Look::Live,
            ProgressMode::Auto | ProgressMode::Plain => Look::Plain,
            ProgressMode::Tty => Look::Live,
            ProgressMode::Json => Look::Json,
            ProgressMode::Quiet => Look::Quiet,
        })
    }

    /// The same, but that nothing is said of progress.
    pub(super) fn quiet_manner(&self) -> MannerArgs {
        MannerArgs { progress: Some(ProgressMode::Quiet), ..self.manner.clone() }
    }

    /// Whether a stream takes colours.
    pub(super) fn colours(&self, stream: &impl IsTerminal) -> bool {
        let variable = match self.environment.text("COMPOSE_ANSI") {
            Some("never") => Some(AnsiMode::Never),
            Some("always") => Some(AnsiMode::Always),
            _ => None,
        };
        let given = self.manner.ansi.or(self.manner.no_ansi.then_some(AnsiMode::Never));
        match given.or(variable) {
            Some(AnsiMode::Never) => false,
            Some(AnsiMode::Always) => true,
            _ => stream.is_terminal() && self.environment.colour_wanted(),
        }
    }
}

fn is_no_file(error: &anyhow::Error) -> bool {
    use compose::discover::DiscoverError;
    matches!(error.downcast_ref(), Some(DiscoverError::NoFile { .. }))
}

/// A project of which only containers are left.
fn remains(host: &Host, name: &str) -> Result<Project> {
    let mut project = Project { name: name.to_owned(), ..Project::default() };
    for member in members(host, name)? {
        let image = member.container.definition.image.name.clone();
        let service = Service { image, ..Service::default() };
        project.services.insert(member.service().to_owned(), service);
    }
    Ok(project)
}

/// What is needed to do a plan.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) call: Call<'a>,
    pub(super) host: &'a Host,
    pub(super) project: &'a Project,
    pub(super) contents: &'a Contents,
    pub(super) observed: &'a ObservedState,
    pub(super) options: ExecuteOptions,
    pub(super) interrupted: Arc<AtomicBool>,
}

impl Work<'_> {
    pub(super) fn order(&self) -> Order<'_> {
        Order {
            host: self.host,
            project: self.project,
            contents: self.contents,
            observed: self.observed,
            options: &self.options,
            interrupted: &self.interrupted,
        }
    }

    /// Shows a plan, or does it and shows how far it is.
    pub(super) fn carry_out(&self, plan: &Plan, title: &str) -> Result<()> {
        warn(plan);
        if self.call.manner.dry_run {
            for step in &plan.steps {
                report::print(&format!(" DRY-RUN MODE -  {step}"));
            }
            return Ok(());
        }
        tell_reasons(plan, self.call.look()?);
        let display = Display::start(self.call.look()?, title);
        let done = execute::run(plan, self.order(), &display);
        display.finish();
        Ok(done?)
    }
}

/// Says why containers are made anew.
pub(super) fn tell_reasons(plan: &Plan, look: Look) {
    if matches!(look, Look::Quiet | Look::Json) {
        return;
    }
    for step in &plan.steps {
        if let Action::Recreate { name, .. } = &step.action {
            let reasons: Vec<String> = step.reasons.iter().map(ToString::to_string).collect();
            report::print(&format!(" Container {name}  {}", reasons.join("; ")));
        }
    }
}

pub(super) fn warn(plan: &Plan) {
    for warning in &plan.warnings {
        Report::warning(warning.to_string()).print();
    }
}

/// Says what of the project is read, but not acted upon.
pub(super) fn warn_of_unsupported(project: &Project) {
    for unsupported in compose::unsupported::used(project) {
        Report::warning(format!("not acted upon: {unsupported}")).print();
    }
}

/// Containers of these services, or of all; those of `run` are left out.
pub(super) fn of_services(
    host: &Host,
    project: &Project,
    services: &[String],
) -> Result<Vec<Member>> {
    check_services(project, services)?;
    let mut found = members(host, &project.name)?;
    found.retain(|member| {
        let meant = services.is_empty() || services.iter().any(|name| name == member.service());
        meant && !member.identity.one_off
    });
    Ok(found)
}

pub(super) fn check_services(project: &Project, services: &[String]) -> Result<()> {
    match services.iter().find(|name| project.service(name).is_none()) {
        Some(name) => bail!("no such service: {name}"),
        None => Ok(()),
    }
}

/// The container of a service that is meant: the one with the number, else the first, else one of `run`.
pub(super) fn container_of(
    host: &Host,
    project: &Project,
    service: &str,
    index: Option<u32>,
) -> Result<Member> {
    check_services(project, &[service.to_owned()])?;
    let found = members(host, &project.name)?.into_iter();
    // Those of the service come before those of `run`.
    let mut meant = found.filter(|member| {
        let identity = &member.identity;
        member.service() == service
            && match index {
                Some(index) => identity.number == index && !identity.one_off,
                None => !identity.one_off || member.is_alive(),
            }
    });
    match (meant.next(), index) {
        (Some(member), _) => Ok(member),
        (None, Some(index)) => {
            bail!("service \"{service}\" has no container with index {index}")
        }
        (None, None) => bail!("service \"{service}\" is not running"),
    }
}

/// `SERVICE=N`
pub(super) fn scales(texts: &[String]) -> Result<BTreeMap<String, i64>> {
    let parse = |text: &String| {
        let pair = text.split_once('=');
        let (name, number) =
            pair.with_context(|| format!("`{text}` is not of the form SERVICE=N"))?;
        let number = number.parse().ok().filter(|number| *number >= 0);
        let number = number.with_context(|| format!("`{text}`: it is no number of containers"))?;
        Ok((name.to_owned(), number))
    };
    texts.iter().map(parse).collect()
}
