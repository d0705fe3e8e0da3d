//! From a parsed Dockerfile to the steps of every stage the target needs. Touches nothing: the configurations
//! of base images come through [`BaseImages`].
//!
//! 1. global ARGs, FROM names and platforms are expanded (`global`)
//! 2. names become edges between stages, mistakes are found ([`crate::stage_graph`])
//! 3. base configurations are asked for, their ONBUILD triggers may add edges (`bases`)
//! 4. each needed stage is planned, in the order of the file (`stage`, `run`, `copy`)

mod bases;
mod config;
mod copy;
mod display;
mod epoch;
mod error;
mod global;
mod mounts;
mod outline;
pub(crate) mod path;
mod room;
mod run;
mod stage;
mod step_name;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod warnings;

use std::collections::{BTreeMap, BTreeSet};

use parser::{Dockerfile, Span};
use store::{ImageConfig, Platform};

pub use epoch::EpochSource;
pub(crate) use error::ResultExt;
pub use error::{EpochStageProblem, PlanError, PlanErrorKind};
pub use outline::{Argument, Need, Outline, StageArguments};

use crate::image_config;
use crate::progress::Warning;
use crate::request::{BuildRequest, NoCache};
use crate::scope::Variables;
use crate::stage_graph::{self, GraphBase, StageGraph};
use crate::step::{PlannedStep, StageId};

/// Everything the build does, stages in an order in which each comes after those it reads from.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildPlan {
    pub stages: Vec<PlannedStage>,
    /// The stage whose state and configuration become the image.
    pub target: StageId,
    pub platform: Platform,
    /// Seconds since 1970: times in the image, when given.
    pub source_date_epoch: Option<i64>,
    pub warnings: Vec<Warning>,
}

/// One stage, for one platform.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStage {
    /// The name in the Dockerfile, else `stage-N`; empty when the file has only one stage.
    pub name: String,
    pub base: Base,
    /// What progress shows for getting the base image: `[build 1/5] FROM busybox`.
    pub base_step: Option<String>,
    pub platform: Platform,
    /// `--no-cache`: its steps run even when the cache has them.
    pub no_cache: bool,
    pub steps: Vec<PlannedStep>,
    pub arguments: StageArguments,
    /// The configuration after the last instruction, history included. `rootfs` is the base's, `created` is empty.
    pub config: ImageConfig,
    /// The FROM instruction.
    pub span: Span,
}

/// What a stage starts from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    Scratch,
    Stage(StageId),
    /// By the name given to [`BaseImages`], for the platform of the stage.
    Image(String),
    /// A named context (directory, OCI layout or image), by its key in the request.
    Named(String),
}

/// The images a Dockerfile starts from and copies from. Asked more than once for the same name.
pub trait BaseImages {
    /// The configuration of an image by the name in the Dockerfile (`busybox`, `debian:12@sha256:…`).
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageConfig, BaseError>;

    /// The configuration of a named context by its key in the request; none for a plain directory.
    fn named(&self, name: &str, platform: &Platform) -> Result<Option<ImageConfig>, BaseError>;

    /// When a named context was made, in seconds since 1970; none for what has no such time, as directories.
    fn time_of_context(&self, name: &str) -> Result<Option<i64>, BaseError>;

    /// When what a stage adds was made; none where nobody says.
    fn time_of_source(&self, source: &EpochSource) -> Result<Option<i64>, BaseError>;
}

/// Why a base image is not available; becomes the source of a [`PlanError`] with the place of its FROM.
pub type BaseError = Box<dyn std::error::Error + Send + Sync>;

/// Plans a build for one platform.
pub fn plan(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    platform: &Platform,
    images: &dyn BaseImages,
) -> Result<BuildPlan, Unplanned> {
    let mut warnings = warnings::of_file(dockerfile, request);
    let planned = plan_target(dockerfile, request, platform, images, &mut warnings);
    let options = warnings::skip_by_options(dockerfile, request, &mut warnings);
    let failed = match planned.and_then(|plan| Ok((plan, options?))) {
        Ok((plan, options)) => match warnings::strange(request, &mut warnings)
            .or_else(|| warnings::violation(dockerfile, &options, &warnings))
        {
            None => return Ok(BuildPlan { warnings, ..plan }),
            Some(error) => error,
        },
        Err(error) => error,
    };
    Err(Unplanned { error: Box::new(failed), warnings })
}

/// A mistake, and the warnings found until it was met.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unplanned {
    pub error: Box<PlanError>,
    pub warnings: Vec<Warning>,
}

fn plan_target(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    platform: &Platform,
    images: &dyn BaseImages,
    warnings: &mut Vec<Warning>,
) -> Result<BuildPlan, PlanError> {
    let context = global::resolve(dockerfile, request, platform, images, warnings)?;
    let names: Vec<String> = context.stages.iter().map(|stage| stage.base.clone()).collect();
    let mut graph = stage_graph::build(dockerfile, &names, request)?;
    let target = graph.target(request.target.as_deref())?;
    let bases = bases::resolve(&context, &mut graph, &[target], warnings)?;
    let mut plan = plan_stages(&context, &graph, &bases, target, warnings)?;
    warnings::check_unused_arguments(&context, warnings);
    finish(&context, &mut plan);
    Ok(plan)
}

/// The warnings of all stages, or of those `--target` needs. What could not be built here but is right
/// (another platform's RUN, a source that is not supported yet) is no error.
pub(crate) fn check(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    platform: &Platform,
    images: &dyn BaseImages,
) -> (Vec<Warning>, Result<(), PlanError>) {
    let mut warnings = warnings::of_file(dockerfile, request);
    let checked = check_stages(dockerfile, request, platform, images, &mut warnings);
    let options = warnings::skip_by_options(dockerfile, request, &mut warnings);
    let checked = checked.and(options.map(drop));
    let strange = warnings::strange(request, &mut warnings);
    (warnings, checked.and(strange.map_or(Ok(()), Err)))
}

/// What the target can be given. As for [`check`], what could not be built here is no error.
pub(crate) fn outline(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    platform: &Platform,
    images: &dyn BaseImages,
) -> Result<Outline, PlanError> {
    let mut warnings = Vec::new();
    let mut context = global::resolve(dockerfile, request, platform, images, &mut warnings)?;
    context.checks_only = true;
    let names: Vec<String> = context.stages.iter().map(|stage| stage.base.clone()).collect();
    let mut graph = stage_graph::build(dockerfile, &names, request)?;
    let target = graph.target(request.target.as_deref())?;
    let bases = bases::resolve(&context, &mut graph, &[target], &mut warnings)?;
    let plan = plan_stages(&context, &graph, &bases, target, &mut warnings)?;
    Ok(outline::of_plan(&context, &plan, target))
}

/// The warnings of what is right in a file that does not parse.
pub(crate) fn check_broken(request: &BuildRequest) -> Vec<Warning> {
    let Some(dockerfile) = parser::parse_what_is_right(&request.dockerfile.text) else {
        return Vec::new();
    };
    let mut warnings = warnings::of_instructions(&dockerfile, request);
    // A broken `# check=` is among the errors of the file.
    drop(warnings::skip_by_options(&dockerfile, request, &mut warnings));
    warnings
}

fn check_stages(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    platform: &Platform,
    images: &dyn BaseImages,
    warnings: &mut Vec<Warning>,
) -> Result<(), PlanError> {
    let mut context = global::resolve(dockerfile, request, platform, images, warnings)?;
    context.checks_only = true;
    let names: Vec<String> = context.stages.iter().map(|stage| stage.base.clone()).collect();
    let mut graph = stage_graph::build(dockerfile, &names, request)?;
    let target = graph.target(request.target.as_deref())?;
    let targets = match request.target {
        Some(_) => vec![target],
        None => (0..graph.stages.len()).collect(),
    };
    let bases = bases::resolve(&context, &mut graph, &targets, warnings)?;
    plan_stages(&context, &graph, &bases, target, warnings)?;
    warnings::check_unused_arguments(&context, warnings);
    Ok(())
}

/// What is the same for all stages.
struct Context<'a> {
    dockerfile: &'a Dockerfile,
    request: &'a BuildRequest,
    images: &'a dyn BaseImages,
    /// The machine that runs RUN.
    host: Platform,
    /// What the image is for.
    platform: Platform,
    /// Those of the request; SOURCE_DATE_EPOCH is a number in them.
    build_args: BTreeMap<String, String>,
    /// Platform arguments and the ARGs before the first FROM.
    globals: Variables,
    /// Which ARGs before the first FROM the default of one of them uses.
    global_uses: BTreeMap<String, BTreeSet<String>>,
    epoch: Option<i64>,
    room: room::Room,
    /// One for each FROM.
    stages: Vec<ExpandedFrom>,
    /// Nothing will be built: only the warnings are wanted.
    checks_only: bool,
}

impl Context<'_> {
    fn escape(&self) -> char {
        self.dockerfile.directives.escape
    }

    fn stage_platform(&self, stage: usize) -> &Platform {
        self.stages[stage].platform.as_ref().unwrap_or(&self.platform)
    }
}

/// A FROM with its variables filled in.
struct ExpandedFrom {
    base: String,
    /// `--platform`
    platform: Option<Platform>,
    /// The ARGs and platform arguments in it.
    used: BTreeSet<String>,
}

fn plan_stages(
    context: &Context<'_>,
    graph: &StageGraph,
    bases: &BTreeMap<usize, bases::StageBase>,
    target: usize,
    warnings: &mut Vec<Warning>,
) -> Result<BuildPlan, PlanError> {
    let mut plan = BuildPlan {
        stages: Vec::new(),
        target: StageId(0),
        platform: context.platform.clone(),
        source_date_epoch: context.epoch,
        warnings: Vec::new(),
    };
    let mut done = Planned::default();
    for (index, base) in bases {
        let id = StageId(plan.stages.len());
        let (stage, inherited) = stage::plan(context, graph, *index, base, &done, warnings)?;
        done.insert(*index, id, inherited);
        plan.stages.push(stage);
        if *index == target {
            plan.target = id;
        }
    }
    Ok(plan)
}

/// The stages that are planned, by their position in the file.
#[derive(Default)]
struct Planned(BTreeMap<usize, (StageId, stage::Inherited)>);

impl Planned {
    fn insert(&mut self, index: usize, id: StageId, inherited: stage::Inherited) {
        self.0.insert(index, (id, inherited));
    }

    fn id(&self, index: usize) -> Option<StageId> {
        self.0.get(&index).map(|(id, _)| *id)
    }

    fn inherited(&self, index: usize) -> Option<&stage::Inherited> {
        self.0.get(&index).map(|(_, inherited)| inherited)
    }

    /// What a name stands for, once the stages before are planned; none for a stage that comes later.
    fn base(&self, base: &GraphBase) -> Option<Base> {
        Some(match base {
            GraphBase::Scratch => Base::Scratch,
            GraphBase::Stage(index) => Base::Stage(self.id(*index)?),
            GraphBase::Image(name) => Base::Image(name.clone()),
            GraphBase::Named(key) => Base::Named(key.clone()),
        })
    }
}

/// `--label` and `--platform` have the last word.
fn finish(context: &Context<'_>, plan: &mut BuildPlan) {
    let StageId(target) = plan.target;
    let config = &mut plan.stages[target].config;
    config.config.labels.extend(context.request.labels.clone());
    if !context.request.platforms.is_empty() {
        image_config::set_platform(config, &context.platform);
    }
}

fn is_no_cache(request: &BuildRequest, stage: &str) -> bool {
    match &request.no_cache {
        NoCache::None => false,
        NoCache::All => true,
        NoCache::Stages(names) => names.iter().any(|name| name.eq_ignore_ascii_case(stage)),
    }
}
