//! A plan: what is to be done, why, and what has to be done before.

use std::fmt;
use std::time::Duration;

use super::{Change, ObservedContainer, Status};

/// Steps in an order in which they can be done one after the other; each names those it really waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub warnings: Vec<Warning>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub action: Action,
    pub reasons: Vec<Reason>,
    /// Positions of earlier steps in the plan.
    pub after: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Pull {
        image: String,
        when: PullWhen,
    },
    Build {
        service: String,
        image: String,
    },
    CreateNetwork {
        key: String,
        name: String,
    },
    RemoveNetwork {
        name: String,
    },
    CreateVolume {
        key: String,
        name: String,
    },
    RemoveVolume {
        name: String,
    },
    RemoveImage {
        image: String,
    },
    Create {
        service: String,
        number: u32,
        name: String,
    },
    /// A new container takes the place, name and anonymous volumes of an old one.
    Recreate {
        service: String,
        number: u32,
        name: String,
        id: String,
        renew_volumes: bool,
    },
    Rename {
        id: String,
        from: String,
        name: String,
    },
    Stop {
        service: String,
        id: String,
        name: String,
    },
    Remove {
        service: String,
        id: String,
        name: String,
    },
    Unpause {
        id: String,
        name: String,
    },
    /// By name: it may be created by an earlier step.
    Start {
        service: String,
        name: String,
    },
    /// Until all containers of a service are as its dependents need them.
    Wait {
        service: String,
        condition: Condition,
        required: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullWhen {
    Now,
    /// `daily`, `weekly` or `every_…`: when the last pull is that long ago.
    IfOlder(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    Healthy,
    Completed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    Absent,
    AskedFor,
    Policy(String),
    /// So many containers of so many wanted exist.
    Replicas {
        existing: usize,
        wanted: usize,
    },
    Changed(Change),
    Image {
        old: String,
        new: String,
    },
    Recreated {
        network: String,
    },
    JoinedIsGone,
    Joins {
        service: String,
    },
    DependencyRestarts {
        service: String,
    },
    DependencyRecreated {
        service: String,
    },
    DependsOn {
        services: Vec<String>,
    },
    NotRunning(Status),
    IsNew,
    BeforeItsDependency {
        service: String,
    },
    Orphan,
    OneOff,
    Interrupted,
    Down,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    Orphans { names: Vec<String> },
    ForeignNetwork { name: String, project: Option<String> },
    ForeignVolume { name: String, project: Option<String> },
    NetworkInUse { name: String },
    NetworkStays { name: String, changes: Vec<Change> },
    VolumeChanged { name: String, changes: Vec<Change> },
    ImageMayChange { service: String },
}

impl Plan {
    /// Adds a step and says where.
    pub(super) fn add(&mut self, action: Action, reason: Reason, after: Vec<usize>) -> usize {
        self.add_for(action, vec![reason], after)
    }

    pub(super) fn add_for(
        &mut self,
        action: Action,
        reasons: Vec<Reason>,
        mut after: Vec<usize>,
    ) -> usize {
        after.sort_unstable();
        after.dedup();
        self.steps.push(Step { action, reasons, after });
        self.steps.len() - 1
    }

    /// Adds what takes a container away, stopping it first if it is up.
    pub(super) fn remove(
        &mut self,
        container: &ObservedContainer,
        reason: Reason,
        mut after: Vec<usize>,
    ) -> usize {
        let (service, id, name) =
            (container.service.clone(), container.id.clone(), container.name.clone());
        if container.status.is_up() {
            let stop =
                Action::Stop { service: service.clone(), id: id.clone(), name: name.clone() };
            after = vec![self.add(stop, reason.clone(), after)];
        }
        self.add(Action::Remove { service, id, name }, reason, after)
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// A line for each step and warning, as `--dry-run` shows them.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{}. {step}", at + 1)?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        let reasons: Vec<String> = self.reasons.iter().map(Reason::to_string).collect();
        write!(f, ": {}", reasons.join("; "))?;
        if self.after.is_empty() {
            return Ok(());
        }
        let after: Vec<String> = self.after.iter().map(|at| (at + 1).to_string()).collect();
        write!(f, " [after {}]", after.join(", "))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Pull { image, when: PullWhen::Now } => write!(f, "pull image `{image}`"),
            Action::Pull { image, when: PullWhen::IfOlder(age) } => {
                write!(f, "pull image `{image}` if the last pull is {age:?} ago")
            }
            Action::Build { service, image } => {
                write!(f, "build image `{image}` of service `{service}`")
            }
            Action::CreateNetwork { name, .. } => write!(f, "create network `{name}`"),
            Action::RemoveNetwork { name } => write!(f, "remove network `{name}`"),
            Action::CreateVolume { name, .. } => write!(f, "create volume `{name}`"),
            Action::RemoveVolume { name } => write!(f, "remove volume `{name}`"),
            Action::RemoveImage { image } => write!(f, "remove image `{image}`"),
            Action::Create { name, .. } => write!(f, "create container `{name}`"),
            Action::Recreate { name, renew_volumes: false, .. } => {
                write!(f, "recreate container `{name}`")
            }
            Action::Recreate { name, .. } => {
                write!(f, "recreate container `{name}` with new anonymous volumes")
            }
            Action::Rename { from, name, .. } => write!(f, "rename container `{from}` to `{name}`"),
            Action::Stop { name, .. } => write!(f, "stop container `{name}`"),
            Action::Remove { name, .. } => write!(f, "remove container `{name}`"),
            Action::Unpause { name, .. } => write!(f, "unpause container `{name}`"),
            Action::Start { name, .. } => write!(f, "start container `{name}`"),
            Action::Wait { service, condition, required } => {
                let condition = match condition {
                    Condition::Healthy => "is healthy",
                    Condition::Completed => "has ended successfully",
                };
                let failure = if *required { "" } else { ", or go on without" };
                write!(f, "wait until service `{service}` {condition}{failure}")
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Absent => f.write_str("it does not exist"),
            Reason::AskedFor => f.write_str("asked for"),
            Reason::Policy(policy) => write!(f, "its pull_policy is `{policy}`"),
            Reason::Replicas { existing, wanted } if existing > wanted => {
                write!(f, "{existing} exist, {wanted} wanted")
            }
            Reason::Replicas { existing, wanted } => write!(f, "{existing} of {wanted} exist"),
            Reason::Changed(change) => write!(f, "{change}"),
            Reason::Image { old, new } => write!(f, "image: {} → {}", short(old), short(new)),
            Reason::Recreated { network } => write!(f, "network `{network}` is made anew"),
            Reason::JoinedIsGone => f.write_str("the container it shares with is gone"),
            Reason::Joins { service } => {
                write!(f, "it shares with `{service}`, which is recreated")
            }
            Reason::DependencyRestarts { service } => {
                write!(f, "`{service}` restarts, and takes it along (`restart: true`)")
            }
            Reason::DependencyRecreated { service } => write!(f, "`{service}` is recreated"),
            Reason::DependsOn { services } => {
                let names: Vec<String> = services.iter().map(|it| format!("`{it}`")).collect();
                let verb = if services.len() == 1 { "depends" } else { "depend" };
                write!(f, "{} {verb} on it", names.join(", "))
            }
            Reason::NotRunning(status) => match status {
                Status::Created => f.write_str("it was never started"),
                Status::Exited(code) => write!(f, "it ended with {code}"),
                Status::Paused => f.write_str("it is paused"),
                Status::Dead => f.write_str("it is dead"),
                Status::Running | Status::Restarting => f.write_str("it is stopped before"),
            },
            Reason::IsNew => f.write_str("it is new"),
            Reason::BeforeItsDependency { service } => {
                write!(f, "its dependency `{service}` is replaced first")
            }
            Reason::OneOff => f.write_str("a `run` that ended left it"),
            Reason::Orphan => f.write_str("the project has no such service"),
            Reason::Interrupted => f.write_str("an interrupted recreation left it"),
            Reason::Down => f.write_str("the project goes down"),
        }
    }
}

fn short(id: &str) -> String {
    id.strip_prefix("sha256:").unwrap_or(id).chars().take(12).collect()
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made_by = |project: &Option<String>| match project {
            Some(project) => format!("was created for project `{project}`"),
            None => "was not created by a project".to_owned(),
        };
        match self {
            Warning::Orphans { names } => write!(
                f,
                "found containers of services that the project does not have: {} (`--remove-orphans` removes them)",
                names.join(", ")
            ),
            Warning::ForeignNetwork { name, project } => write!(
                f,
                "network `{name}` exists but {}; `external: true` says that this is meant",
                made_by(project)
            ),
            Warning::ForeignVolume { name, project } => write!(
                f,
                "volume `{name}` exists but {}; `external: true` says that this is meant",
                made_by(project)
            ),
            Warning::NetworkInUse { name } => {
                write!(f, "network `{name}` stays: a container that is left uses it")
            }
            Warning::NetworkStays { name, changes } => {
                let changes: Vec<String> = changes.iter().map(Change::to_string).collect();
                write!(
                    f,
                    "network `{name}` stays as it is, because containers that stay use it, though its definition changed ({})",
                    changes.join("; ")
                )
            }
            Warning::VolumeChanged { name, changes } => {
                let changes: Vec<String> = changes.iter().map(Change::to_string).collect();
                write!(
                    f,
                    "volume `{name}` stays as it is, to keep its data, though its definition changed ({}); \
                     remove it to have it made anew",
                    changes.join("; ")
                )
            }
            Warning::ImageMayChange { service } => write!(
                f,
                "whether containers of `{service}` are recreated shows once its image is there"
            ),
        }
    }
}
