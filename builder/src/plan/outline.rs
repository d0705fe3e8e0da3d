//! What a target can be given by whoever builds it: build arguments, secrets, agents, caches.

use std::collections::{BTreeMap, BTreeSet};

use parser::Span;
use parser::ast::InstructionKind;

use super::{Base, BuildPlan, Context, PlannedStage};
use crate::step::{RunMount, RunStep, Source, StageId, Step};

/// `--call outline`: what the stages that the target needs take, each name once, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The target's name, if it has one.
    pub name: Option<String>,
    pub description: Option<String>,
    pub arguments: Vec<Argument>,
    pub secrets: Vec<Need>,
    pub ssh: Vec<Need>,
    pub caches: Vec<Need>,
}

/// A build argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    /// As it is in this build: given, or the default.
    pub value: Option<String>,
    /// The comment above it.
    pub description: Option<String>,
    /// The ARG instruction.
    pub span: Span,
}

/// The ID of a secret, an agent or a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub id: String,
    pub required: bool,
    /// The first RUN that mounts it.
    pub span: Span,
}

/// What one stage takes from build arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageArguments {
    /// Its own.
    pub declared: Vec<Argument>,
    /// Those before the first FROM that it uses: in its FROM, or by declaring them again.
    pub globals: BTreeSet<String>,
}

/// `target` is the position of the stage in the file.
pub(super) fn of_plan(context: &Context<'_>, plan: &BuildPlan, target: usize) -> Outline {
    let stage = &context.dockerfile.stages[target];
    let mut outline = Outline {
        name: stage.from.name.as_ref().map(|name| name.value.clone()),
        description: stage.description.clone(),
        ..Outline::default()
    };
    let globals = global_arguments(context);
    for id in reading_order(plan) {
        let stage = &plan.stages[id.0];
        outline.take_arguments(&stage.arguments, &globals, &context.global_uses);
        for step in &stage.steps {
            if let Step::Run(run) = &step.step {
                outline.take_mounts(run, step.span);
            }
        }
    }
    outline.arguments.sort_by_key(|argument| argument.span.start);
    for needs in [&mut outline.secrets, &mut outline.ssh, &mut outline.caches] {
        needs.sort_by_key(|need| need.span.start);
    }
    outline
}

/// Each stage before those it reads from: where two declare the same name, the nearer one counts.
fn reading_order(plan: &BuildPlan) -> Vec<StageId> {
    let mut order = Vec::new();
    let mut open = vec![plan.target];
    while let Some(id) = open.pop() {
        if order.contains(&id) {
            continue;
        }
        order.push(id);
        let stage = &plan.stages[id.0];
        // The last one is looked at next: the base, then the others as they come.
        open.extend(sources(stage).into_iter().rev());
        if let Base::Stage(base) = &stage.base {
            open.push(*base);
        }
    }
    order
}

fn sources(stage: &PlannedStage) -> Vec<StageId> {
    let mut found = Vec::new();
    let mut add = |source: &Source| {
        if let Source::Stage(id) = source {
            found.push(*id);
        }
    };
    for step in &stage.steps {
        match &step.step {
            Step::Copy(copy) => add(&copy.from),
            Step::Run(run) => run.mounts.iter().for_each(|mount| match mount {
                RunMount::Bind(bind) => add(&bind.from),
                RunMount::Cache(cache) => add(&cache.from),
                RunMount::Tmpfs { .. } | RunMount::Secret(_) | RunMount::Ssh(_) => {}
            }),
            Step::Workdir(_) => {}
        }
    }
    found
}

/// The ARGs before the first FROM; of two with the same name the last.
fn global_arguments(context: &Context<'_>) -> BTreeMap<String, Argument> {
    let mut found = BTreeMap::new();
    for instruction in &context.dockerfile.global_args {
        let InstructionKind::Arg(declarations) = &instruction.kind else { continue };
        for declaration in declarations {
            let name = declaration.name.text.clone();
            let argument = Argument {
                value: context.globals.get(&name).map(str::to_owned),
                description: declaration.description.clone(),
                span: instruction.span,
                name: name.clone(),
            };
            found.insert(name, argument);
        }
    }
    found
}

impl Outline {
    fn take_arguments(
        &mut self,
        stage: &StageArguments,
        globals: &BTreeMap<String, Argument>,
        uses: &BTreeMap<String, BTreeSet<String>>,
    ) {
        // Of two ARGs of the same name in a stage the last counts.
        for argument in stage.declared.iter().rev() {
            self.take_argument(argument);
        }
        let mut open: Vec<&String> = stage.globals.iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if !seen.insert(name) {
                continue;
            }
            // Platform arguments are nobody's to declare.
            if let Some(argument) = globals.get(name) {
                self.take_argument(argument);
            }
            open.extend(uses.get(name).into_iter().flatten());
        }
    }

    fn take_argument(&mut self, argument: &Argument) {
        if self.arguments.iter().all(|known| known.name != argument.name) {
            self.arguments.push(argument.clone());
        }
    }

    fn take_mounts(&mut self, run: &RunStep, span: Span) {
        for mount in &run.mounts {
            let (needs, id, required) = match mount {
                RunMount::Secret(secret) => (&mut self.secrets, &secret.id, secret.required),
                RunMount::Ssh(ssh) => (&mut self.ssh, &ssh.id, ssh.required),
                RunMount::Cache(cache) => (&mut self.caches, &cache.id, false),
                RunMount::Bind(_) | RunMount::Tmpfs { .. } => continue,
            };
            match needs.iter_mut().find(|need| need.id == *id) {
                // It has to be given as soon as one of those who mount it says so.
                Some(known) => known.required |= required,
                None => needs.push(Need { id: id.clone(), required, span }),
            }
        }
    }
}
