//! One stage: its instructions in order, each seeing what the ones before it have set.

use parser::ast::{Instruction, InstructionKind};
use parser::expand::{self, Expanded};
use parser::{Span, Word};
use store::{ImageConfig, Platform};

use super::bases::StageBase;
use super::step_name::StepNames;
use super::warnings;
use super::{
    Base, Context, PlanError, PlanErrorKind, Planned, PlannedStage, ResultExt, StageArguments,
    is_no_cache,
};
use crate::history::{self, Layer};
use crate::image_config;
use crate::progress::Warning;
use crate::scope::Scope;
use crate::stage_graph::{GraphBase, GraphStage, StageGraph};
use crate::step::{PlannedStep, Step};

/// What a stage leaves to those that start from it.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    config: ImageConfig,
    scope: Scope,
    platform: Platform,
    workdir_is_absolute: bool,
}

/// A stage while its instructions are applied.
pub(super) struct StagePlanner<'a> {
    pub context: &'a Context<'a>,
    pub graph: &'a StageGraph,
    pub done: &'a Planned,
    pub name: &'a str,
    pub platform: &'a Platform,
    pub config: ImageConfig,
    pub scope: Scope,
    pub names: StepNames,
    steps: Vec<PlannedStep>,
    pub warnings: Vec<Warning>,
    pub arguments: StageArguments,
    /// The FROM, while its triggers are planned: they have no place of their own.
    trigger_of: Option<Span>,
    /// CMD came from this stage, so that ENTRYPOINT leaves it alone.
    pub cmd_is_own: bool,
    pub workdir_is_absolute: bool,
    seen_once: warnings::SeenOnce,
}

/// Plans the stage at position `index` of the file.
pub(super) fn plan(
    context: &Context<'_>,
    graph: &StageGraph,
    index: usize,
    base: &StageBase,
    done: &Planned,
    warnings: &mut Vec<Warning>,
) -> Result<(PlannedStage, Inherited), PlanError> {
    let node = &graph.stages[index];
    let stage = &context.dockerfile.stages[index];
    let circular = || PlanErrorKind::Circular { stage: node.name.clone() };
    let planned_base = done.base(&node.base).ok_or_else(circular).at(stage.span)?;
    let own: &[Instruction] = if node.replaced { &[] } else { &stage.instructions };
    let from_outside = matches!(planned_base, Base::Image(_) | Base::Named(_));
    let total = usize::from(from_outside) + count_steps(&base.triggers) + count_steps(own);
    let mut planner = StagePlanner::new(context, graph, index, done, total);
    planner.start(node, base);
    let base_step = planner.base_step(&planned_base);
    let applied = planner.apply_all(&base.triggers, Some(stage.span));
    let applied = applied.and_then(|()| planner.apply_all(own, None));
    warnings.append(&mut planner.warnings);
    applied?;
    let planned = PlannedStage {
        name: shown_name(context, graph, node).to_owned(),
        base: planned_base,
        base_step,
        platform: planner.platform.clone(),
        no_cache: is_no_cache(context.request, &node.name),
        steps: planner.steps,
        arguments: planner.arguments,
        config: planner.config.clone(),
        span: stage.span,
    };
    let inherited = Inherited {
        config: planner.config,
        scope: planner.scope,
        platform: planner.platform.clone(),
        workdir_is_absolute: planner.workdir_is_absolute,
    };
    Ok((planned, inherited))
}

/// A file of one stage that copies from no image needs no stage names.
fn shown_name<'a>(context: &Context<'_>, graph: &StageGraph, node: &'a GraphStage) -> &'a str {
    let alone = match context.dockerfile.stages.as_slice() {
        [stage] => stage.instructions.iter().all(|instruction| {
            graph.references(instruction, context.request).is_ok_and(|found| found.is_empty())
        }),
        _ => false,
    };
    if alone { "" } else { &node.name }
}

fn count_steps(instructions: &[Instruction]) -> usize {
    let steps = instructions.iter().filter(|instruction| {
        use InstructionKind::{Add, Copy, Run, Workdir};
        matches!(instruction.kind, Add(_) | Copy(_) | Run(_) | Workdir(_))
    });
    steps.count()
}

impl<'a> StagePlanner<'a> {
    fn new(
        context: &'a Context<'a>,
        graph: &'a StageGraph,
        index: usize,
        done: &'a Planned,
        total: usize,
    ) -> StagePlanner<'a> {
        let node = &graph.stages[index];
        // `scratch` is for the target whatever its FROM says, a child for what its parent is for.
        let platform = match &node.base {
            GraphBase::Scratch => &context.platform,
            GraphBase::Stage(parent) => {
                done.inherited(*parent).map_or(&context.platform, |parent| &parent.platform)
            }
            GraphBase::Image(_) | GraphBase::Named(_) => context.stage_platform(index),
        };
        let several = context.request.platforms.len() > 1;
        let prefix = several.then(|| platform.to_string());
        StagePlanner {
            context,
            graph,
            done,
            name: &node.name,
            platform,
            config: ImageConfig::default(),
            scope: Scope::default(),
            names: StepNames::new(shown_name(context, graph, node), prefix, total),
            steps: Vec::new(),
            warnings: Vec::new(),
            arguments: StageArguments {
                globals: context.stages[index].used.clone(),
                ..StageArguments::default()
            },
            trigger_of: None,
            cmd_is_own: false,
            workdir_is_absolute: false,
            seen_once: warnings::SeenOnce::default(),
        }
    }

    fn start(&mut self, node: &GraphStage, base: &StageBase) {
        if let Some(config) = &base.config {
            self.config = config.clone();
        } else if let GraphBase::Stage(parent) = &node.base
            && let Some(parent) = self.done.inherited(*parent)
        {
            self.config = parent.config.clone();
            self.scope = parent.scope.clone();
            self.workdir_is_absolute = parent.workdir_is_absolute;
            self.config.config.on_build = Vec::new();
        }
        if node.replaced {
            return;
        }
        image_config::set_default_path(&mut self.config);
        self.scope.add_config_env(&self.config.config.env);
        let workdir = self.config.config.working_dir.clone();
        if !workdir.is_empty() {
            image_config::set_workdir(&mut self.config, &workdir);
        }
    }

    fn base_step(&mut self, base: &Base) -> Option<String> {
        match base {
            Base::Image(name) | Base::Named(name) => {
                Some(self.names.next(&format!("FROM {name}"), false))
            }
            Base::Scratch | Base::Stage(_) => None,
        }
    }

    fn apply_all(
        &mut self,
        instructions: &[Instruction],
        trigger_of: Option<Span>,
    ) -> Result<(), PlanError> {
        self.trigger_of = trigger_of;
        for instruction in instructions {
            let before = self.warnings.len();
            let applied = self.apply(instruction);
            warnings::skip_by_comments(&instruction.comments, before, &mut self.warnings);
            match applied.at(instruction.span).map_err(|error| self.moved(error)) {
                Err(error) if self.context.checks_only && error.kind.is_limit() => {}
                applied => applied?,
            }
        }
        self.trigger_of = None;
        Ok(())
    }

    /// Errors of a trigger point at the FROM that brought it.
    fn moved(&self, error: PlanError) -> PlanError {
        PlanError { span: self.trigger_of.or(error.span), ..error }
    }

    fn apply(&mut self, instruction: &Instruction) -> Result<(), PlanError> {
        self.seen_once.check(instruction, &mut self.warnings);
        match &instruction.kind {
            InstructionKind::Add(add) => self.add(instruction, add),
            InstructionKind::Arg(declarations) => self.arg(instruction, declarations),
            InstructionKind::Cmd(command) => self.cmd(instruction, command),
            InstructionKind::Copy(copy) => self.copy(instruction, copy),
            InstructionKind::Entrypoint(command) => self.entrypoint(instruction, command),
            InstructionKind::Env(pairs) => self.env(instruction, pairs),
            InstructionKind::Expose(ports) => self.expose(instruction, ports),
            InstructionKind::Healthcheck(check) => self.healthcheck(check),
            InstructionKind::Label(pairs) => self.label(instruction, pairs),
            InstructionKind::Maintainer(name) => self.maintainer(name),
            InstructionKind::Onbuild(onbuild) => self.onbuild(onbuild),
            InstructionKind::Run(run) => self.run(instruction, run),
            InstructionKind::Shell(words) => self.shell(words),
            InstructionKind::Stopsignal(word) => self.stop_signal(word),
            InstructionKind::User(word) => self.user(word),
            InstructionKind::Volume(words) => self.volume(words),
            InstructionKind::Workdir(word) => self.workdir(instruction, word),
        }
    }

    /// Where an instruction stands; for a trigger, where the FROM that brought it does.
    pub(super) fn place(&self, instruction: &Instruction) -> Span {
        self.trigger_of.unwrap_or(instruction.span)
    }

    pub(super) fn push(&mut self, step: Step, text: &str, span: Span) {
        let name = self.names.next(text, self.trigger_of.is_some());
        let span = self.trigger_of.unwrap_or(span);
        self.steps.push(PlannedStep { step, name, span });
    }

    /// A line of history for an instruction without a layer.
    pub(super) fn note(&mut self, text: String) -> Result<(), PlanError> {
        self.record(text, Layer::None)
    }

    pub(super) fn record(&mut self, text: String, layer: Layer) -> Result<(), PlanError> {
        history::append(&mut self.config, text, layer, self.context.epoch);
        Ok(())
    }

    pub(super) fn expand(&mut self, word: &Word) -> Result<String, PlanError> {
        self.expanded(word).map(|expanded| expanded.value)
    }

    pub(super) fn expanded(&mut self, word: &Word) -> Result<Expanded, PlanError> {
        let expanded = expand::expand(word, self.context.escape(), &self.scope);
        let expanded = expanded.map_err(PlanErrorKind::from).at(word.span)?;
        self.context.room.take(expanded.value.len()).at(word.span)?;
        self.warn_undefined(&expanded, word.span);
        Ok(expanded)
    }

    /// Variables nobody has set or declared.
    pub(super) fn warn_undefined(&mut self, expanded: &Expanded, span: Span) {
        let span = self.trigger_of.unwrap_or(span);
        warnings::check_undefined(&self.scope, &expanded.unmatched, span, &mut self.warnings);
    }

    /// Sources of the context that `.dockerignore` leaves out.
    pub(super) fn warn_ignored(&mut self, keyword: &str, sources: &[String], span: Span) {
        let ignore = self.context.request.dockerignore.as_ref().map(|file| file.text.as_slice());
        let span = self.trigger_of.unwrap_or(span);
        for source in sources {
            warnings::check_ignored(ignore, keyword, source, span, &mut self.warnings);
        }
    }
}
