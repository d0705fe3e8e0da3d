//! What has to be done so that the host is as the project says: pure, and a reason for everything.
//!
//! [`up`] compares a [`Project`] with an [`ObservedState`] and gives a [`Plan`]; carried out, the plan leaves
//! a state for which the next plan is empty. Whoever carries it out may do steps at once that do not wait for
//! each other, and may be interrupted anywhere: the next plan starts from what it then finds.
//!
//! Images come first: what a build or a pull yields is not known before. A plan with [`ImageSteps::Planned`]
//! shows everything (for `--dry-run`); to do it, [`images`] are brought in, the state is looked at again, and
//! the rest is planned with [`ImageSteps::Done`].
//!
//! Where this differs from Docker Compose on purpose:
//! - containers that go down anyway (recreated, or restarted with their dependency) do so before what they
//!   depend on is replaced, and not after;
//! - a volume whose definition changed is never removed;
//! - a change of what a config or secret holds makes new containers.

mod decide;
mod down;
mod images;
mod lifecycle;
mod observed;
mod order;
mod plan;
mod record;
mod resources;
mod steps;

use thiserror::Error;

use crate::model::Project;
pub use down::{DownOptions, Images, down};
pub use lifecycle::{restart, start, stop};
pub use observed::{Health, ObservedContainer, ObservedObject, ObservedState, Status};
pub use order::{dependencies as service_dependencies, joined as service_joins};
pub use plan::{Action, Condition, Plan, PullWhen, Reason, Step, Warning};
pub use record::{Change, RECORD_VERSION, Record};

/// What was asked for besides the project.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// Empty: all.
    pub services: Vec<String>,
    /// Whether what these depend on comes along.
    pub with_dependencies: bool,
    pub recreate: Recreate,
    pub recreate_dependencies: Recreate,
    pub remove_orphans: bool,
    pub start: bool,
    pub renew_volumes: bool,
    pub build: BuildWhen,
    /// In place of every service's `pull_policy`.
    pub pull: Option<String>,
    pub images: ImageSteps,
    /// Networks and volumes that no service uses, too.
    pub all_resources: bool,
}

impl UpOptions {
    /// `up` without any flag.
    pub fn plain() -> UpOptions {
        UpOptions {
            services: Vec::new(),
            with_dependencies: true,
            recreate: Recreate::Changed,
            recreate_dependencies: Recreate::Changed,
            remove_orphans: false,
            start: true,
            renew_volumes: false,
            build: BuildWhen::Absent,
            pull: None,
            images: ImageSteps::Planned,
            all_resources: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recreate {
    Changed,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildWhen {
    Absent,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageSteps {
    Planned,
    Done,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReconcileError {
    #[error("no such service: {service}")]
    NoService { service: String },
    #[error("services depend on each other: {}", .services.join(" → "))]
    Cycle { services: Vec<String> },
    #[error("network {name} declared as external, but could not be found")]
    NoNetwork { name: String },
    #[error("external volume \"{name}\" not found")]
    NoVolume { name: String },
    #[error("image `{image}` of service `{service}` does not exist, and {why}")]
    NoImage { service: String, image: String, why: &'static str },
    #[error(
        "service `{service}` has the fixed container name `{name}` and cannot have {replicas} replicas"
    )]
    FixedName { service: String, name: String, replicas: i64 },
    #[error("service \"{service}\" depends on \"{dependency}\", which {why}")]
    Dependency { service: String, dependency: String, why: &'static str },
    #[error("service \"{service}\" has no container to start")]
    NoContainer { service: String },
}

impl ReconcileError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ReconcileError::NoNetwork { name } => {
                Some(format!("make it with `rbuild network create {name}`"))
            }
            ReconcileError::NoVolume { name } => {
                Some(format!("make it with `rbuild volume create {name}`"))
            }
            ReconcileError::FixedName { .. } => Some("remove `container_name`".to_owned()),
            ReconcileError::NoImage { .. } => {
                Some("build it, or load it with `rbuild load`".to_owned())
            }
            _ => None,
        }
    }
}

/// The plan that makes what is observed as the project wants it.
pub fn up(
    project: &Project,
    observed: &ObservedState,
    options: &UpOptions,
) -> Result<Plan, ReconcileError> {
    let decisions = decide::decide(project, observed, options)?;
    steps::plan(project, observed, options, &decisions)
}

/// Only the steps that bring in images.
pub fn images(
    project: &Project,
    observed: &ObservedState,
    options: &UpOptions,
) -> Result<Plan, ReconcileError> {
    let order = order::sorted(project)?;
    let scope = decide::scope(project, options)?;
    let mut plan = Plan::default();
    images::add(&mut plan, project, observed, options, &order, &scope)?;
    Ok(plan)
}
