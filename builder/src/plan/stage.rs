//! One stage: its instructions in order, each seeing what the ones before it have set.

use parser::ast::{ArgDecl, Healthcheck, Instruction, InstructionKind, KeyValue, Onbuild};
use parser::expand::{self, Expanded};
use parser::{Span, Word, expose};
use store::{ImageConfig, Platform};

use super::bases::StageBase;
use super::step_name::{StepNames, shown};
use super::warnings;
use super::{
    Base, Context, PlanError, PlanErrorKind, Planned, PlannedStage, ResultExt, is_no_cache,
};
use crate::history::{self, Layer};
use crate::progress::Warning;
use crate::scope::Scope;
use crate::stage_graph::{GraphBase, StageGraph};
use crate::step::{PlannedStep, Step, WorkdirStep};
use crate::{healthcheck, image_config};

/// What a stage leaves to those that start from it.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    config: ImageConfig,
    scope: Scope,
    workdir_is_absolute: bool,
}

/// What planning a stage yields besides the stage.
pub(super) struct Outcome {
    pub inherited: Inherited,
    pub warnings: Vec<Warning>,
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
    warnings: Vec<Warning>,
    /// The FROM, while its triggers are planned: they have no place of their own.
    trigger_of: Option<Span>,
    /// CMD came from this stage, so that ENTRYPOINT leaves it alone.
    cmd_is_own: bool,
    workdir_is_absolute: bool,
    seen_once: warnings::SeenOnce,
}

/// Plans the stage at position `index` of the file.
pub(super) fn plan(
    context: &Context<'_>,
    graph: &StageGraph,
    index: usize,
    base: &StageBase,
    done: &Planned,
) -> Result<(PlannedStage, Outcome), PlanError> {
    let node = &graph.stages[index];
    let stage = &context.dockerfile.stages[index];
    let planned_base =
        done.base(&node.base).ok_or(PlanErrorKind::Circular { stage: node.name.clone() });
    let planned_base = planned_base.at(stage.span)?;
    let own: &[Instruction] = if node.replaced { &[] } else { &stage.instructions };
    let shown_name = if is_alone(context, graph) { "" } else { node.name.as_str() };
    let from_outside = matches!(planned_base, Base::Image(_) | Base::Named(_));
    let total = usize::from(from_outside) + count_steps(&base.triggers) + count_steps(own);
    let platform = stage_platform(context, &node.base, index);
    let prefix = (context.request.platforms.len() > 1).then(|| platform.to_string());
    let mut planner = StagePlanner {
        context,
        graph,
        done,
        name: &node.name,
        platform,
        config: ImageConfig::default(),
        scope: Scope::default(),
        names: StepNames::new(shown_name, prefix, total),
        steps: Vec::new(),
        warnings: Vec::new(),
        trigger_of: None,
        cmd_is_own: false,
        workdir_is_absolute: false,
        seen_once: warnings::SeenOnce::default(),
    };
    planner.start(node, base);
    let base_step = planner.base_step(&planned_base);
    planner.apply_all(&base.triggers, Some(stage.span))?;
    planner.apply_all(own, None)?;
    let planned = PlannedStage {
        name: shown_name.to_owned(),
        base: planned_base,
        base_step,
        platform: platform.clone(),
        no_cache: is_no_cache(context.request, &node.name),
        steps: planner.steps,
        config: planner.config.clone(),
        span: stage.span,
    };
    let inherited = Inherited {
        config: planner.config,
        scope: planner.scope,
        workdir_is_absolute: planner.workdir_is_absolute,
    };
    Ok((planned, Outcome { inherited, warnings: planner.warnings }))
}

/// A file of one stage that copies from no image: progress needs no stage names.
fn is_alone(context: &Context<'_>, graph: &StageGraph) -> bool {
    let [stage] = context.dockerfile.stages.as_slice() else { return false };
    stage.instructions.iter().all(|instruction| {
        graph.references(instruction, context.request).is_ok_and(|found| found.is_empty())
    })
}

/// Without a `--platform` of its own, a stage is for the platform of the image; `scratch` always is.
fn stage_platform<'a>(context: &'a Context<'_>, base: &GraphBase, index: usize) -> &'a Platform {
    match base {
        GraphBase::Scratch => &context.platform,
        GraphBase::Stage(_) | GraphBase::Image(_) | GraphBase::Named(_) => {
            context.stage_platform(index)
        }
    }
}

fn count_steps(instructions: &[Instruction]) -> usize {
    let steps = instructions.iter().filter(|instruction| {
        use InstructionKind::{Add, Copy, Run, Workdir};
        matches!(instruction.kind, Add(_) | Copy(_) | Run(_) | Workdir(_))
    });
    steps.count()
}

impl StagePlanner<'_> {
    fn start(&mut self, node: &crate::stage_graph::GraphStage, base: &StageBase) {
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
            applied.at(instruction.span).map_err(|error| self.moved(error))?;
            warnings::skip_by_comments(&instruction.comments, before, &mut self.warnings);
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
            InstructionKind::Cmd(command) => {
                warnings::check_json_form(instruction, command, &self.config, &mut self.warnings);
                image_config::set_cmd(&mut self.config, command);
                self.cmd_is_own = true;
                self.note(format!("CMD {}", history::quoted_list(&self.config.config.cmd)))
            }
            InstructionKind::Copy(copy) => self.copy(instruction, copy),
            InstructionKind::Entrypoint(command) => {
                warnings::check_json_form(instruction, command, &self.config, &mut self.warnings);
                image_config::set_entrypoint(&mut self.config, command, self.cmd_is_own);
                let words = history::quoted_list(&self.config.config.entrypoint);
                self.note(format!("ENTRYPOINT {words}"))
            }
            InstructionKind::Env(pairs) => self.env(instruction, pairs),
            InstructionKind::Expose(ports) => self.expose(instruction, ports),
            InstructionKind::Healthcheck(check) => self.healthcheck(check),
            InstructionKind::Label(pairs) => self.label(instruction, pairs),
            InstructionKind::Maintainer(name) => {
                self.config.author = name.text.clone();
                self.note(format!("MAINTAINER {}", name.text))
            }
            InstructionKind::Onbuild(onbuild) => self.onbuild(onbuild),
            InstructionKind::Run(run) => self.run(instruction, run),
            InstructionKind::Shell(words) => {
                self.config.config.shell = words.clone();
                self.note(format!("SHELL [{}]", words.join(" ")))
            }
            InstructionKind::Stopsignal(word) => self.stop_signal(word),
            InstructionKind::User(word) => self.user(word),
            InstructionKind::Volume(words) => self.volume(words),
            InstructionKind::Workdir(word) => self.workdir(instruction, word),
        }
    }

    fn arg(
        &mut self,
        instruction: &Instruction,
        declarations: &[ArgDecl],
    ) -> Result<(), PlanError> {
        let mut shown = Vec::new();
        for declaration in declarations {
            let name = declaration.name.text.as_str();
            warnings::check_secret("ARG", name, instruction.span, &mut self.warnings);
            let value = self.arg_value(declaration)?;
            shown.push(match &value {
                Some(value) => format!("{name}={value}"),
                None => name.to_owned(),
            });
            self.scope.declare(name, value);
        }
        self.note(format!("ARG {}", shown.join(" ")))
    }

    /// `--build-arg`, else the default, else the global ARG of the same name.
    fn arg_value(&mut self, declaration: &ArgDecl) -> Result<Option<String>, PlanError> {
        let name = declaration.name.text.as_str();
        if let Some(value) = self.context.build_args.get(name) {
            return Ok(Some(value.clone()));
        }
        match &declaration.default {
            Some(default) => self.expand(default).map(Some),
            None => Ok(self.context.globals.get(name).map(str::to_owned)),
        }
    }

    fn env(&mut self, instruction: &Instruction, pairs: &[KeyValue]) -> Result<(), PlanError> {
        let pairs = self.expand_pairs(instruction, pairs)?;
        let mut text = "ENV".to_owned();
        for (name, value) in &pairs {
            warnings::check_secret("ENV", name, instruction.span, &mut self.warnings);
            self.scope.set_env(name, value);
            image_config::set_env(&mut self.config, name, value);
            text.push_str(&format!(" {name}={value}"));
        }
        self.note(text)
    }

    fn label(&mut self, instruction: &Instruction, pairs: &[KeyValue]) -> Result<(), PlanError> {
        let pairs = self.expand_pairs(instruction, pairs)?;
        let mut text = "LABEL".to_owned();
        for (name, value) in pairs {
            text.push_str(&format!(" {name}={value}"));
            self.config.config.labels.insert(name, value);
        }
        self.note(text)
    }

    /// All pairs see the variables as they were before the instruction.
    fn expand_pairs(
        &mut self,
        instruction: &Instruction,
        pairs: &[KeyValue],
    ) -> Result<Vec<(String, String)>, PlanError> {
        warnings::check_legacy_pairs(instruction, pairs, &mut self.warnings);
        let mut expanded = Vec::new();
        for pair in pairs {
            expanded.push((self.expand(&pair.key)?, self.expand(&pair.value)?));
        }
        Ok(expanded)
    }

    fn expose(&mut self, instruction: &Instruction, words: &[Word]) -> Result<(), PlanError> {
        let mut words = words.to_vec();
        words.sort_by(|a, b| a.text.cmp(&b.text));
        let mut specs = Vec::new();
        for word in &words {
            specs.extend(self.expanded(word)?.words);
        }
        let mut ports = Vec::new();
        for spec in &specs {
            ports.extend(expose::parse(spec).map_err(PlanErrorKind::from)?);
        }
        warnings::check_ports(instruction, &specs, &mut self.warnings);
        self.config.config.exposed_ports.extend(ports.iter().cloned());
        self.note(format!("EXPOSE [{}]", ports.join(" ")))
    }

    fn healthcheck(&mut self, check: &Healthcheck) -> Result<(), PlanError> {
        let check = healthcheck::to_config(check);
        let text = format!("HEALTHCHECK {}", healthcheck::for_history(&check));
        self.config.config.healthcheck = Some(check);
        self.note(text)
    }

    /// Only stored; BuildKit writes no history for it.
    fn onbuild(&mut self, onbuild: &Onbuild) -> Result<(), PlanError> {
        self.config.config.on_build.push(onbuild.expression.clone());
        Ok(())
    }

    fn stop_signal(&mut self, word: &Word) -> Result<(), PlanError> {
        let signal = self.expand(word)?;
        image_config::set_stop_signal(&mut self.config, &signal).at(word.span)?;
        self.note(format!("STOPSIGNAL {signal}"))
    }

    fn user(&mut self, word: &Word) -> Result<(), PlanError> {
        self.config.config.user = self.expand(word)?;
        self.note(format!("USER {}", self.config.config.user))
    }

    fn volume(&mut self, words: &[Word]) -> Result<(), PlanError> {
        let volumes = words.iter().map(|word| self.expand(word)).collect::<Result<Vec<_>, _>>()?;
        image_config::add_volumes(&mut self.config, &volumes)?;
        self.note(format!("VOLUME [{}]", volumes.join(" ")))
    }

    fn workdir(&mut self, instruction: &Instruction, word: &Word) -> Result<(), PlanError> {
        let written = self.expand(word)?;
        if !self.workdir_is_absolute && !written.starts_with('/') {
            warnings::relative_workdir(&written, instruction.span, &mut self.warnings);
        }
        self.workdir_is_absolute = true;
        image_config::set_workdir(&mut self.config, &written);
        let path = image_config::workdir(&self.config);
        let mut layer = Layer::None;
        if path != "/" {
            let user = self.config.config.user.clone();
            let step = WorkdirStep { path, user, created: self.context.epoch };
            let text = shown(&instruction.original, self.context.escape(), &self.scope);
            self.push(Step::Workdir(step), &text, instruction.span);
            layer = Layer::Made;
        }
        let dir = self.config.config.working_dir.replace('\\', "/");
        self.record(format!("WORKDIR {dir}"), layer)
    }

    pub(super) fn push(&mut self, step: Step, text: &str, span: Span) {
        let name = self.names.next(text, self.trigger_of.is_some());
        let span = self.trigger_of.unwrap_or(span);
        self.steps.push(PlannedStep { step, name, span });
    }

    /// A line of history for an instruction without a layer.
    fn note(&mut self, text: String) -> Result<(), PlanError> {
        self.record(text, Layer::None)
    }

    pub(super) fn record(&mut self, text: String, layer: Layer) -> Result<(), PlanError> {
        history::append(&mut self.config, text, layer, self.context.epoch);
        Ok(())
    }

    pub(super) fn expand(&mut self, word: &Word) -> Result<String, PlanError> {
        self.expanded(word).map(|expanded| expanded.value)
    }

    fn expanded(&mut self, word: &Word) -> Result<Expanded, PlanError> {
        let expanded = expand::expand(word, self.context.escape(), &self.scope);
        let expanded = expanded.map_err(PlanErrorKind::from).at(word.span)?;
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
