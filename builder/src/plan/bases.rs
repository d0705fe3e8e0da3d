//! The configurations stages start from, and the ONBUILD triggers that come with them.

use std::collections::{BTreeMap, BTreeSet};

use parser::ast::{Instruction, InstructionKind};
use parser::{Span, parse_trigger};
use store::{ImageConfig, Platform, Reference};

use super::{Context, PlanError, PlanErrorKind, ResultExt, warnings};
use crate::cache::inline;
use crate::image_config;
use crate::progress::Warning;
use crate::stage_graph::{self, GraphBase, StageGraph};

/// What a stage starts with, apart from the stage above it.
#[derive(Debug, Default)]
pub(super) struct StageBase {
    /// None for a stage that starts from another stage.
    pub config: Option<ImageConfig>,
    /// Run before the stage's own instructions.
    pub triggers: Vec<Instruction>,
}

/// Asks for the bases of the stages the targets need. Triggers may make more stages needed.
pub(super) fn resolve(
    context: &Context<'_>,
    graph: &mut StageGraph,
    targets: &[usize],
    warnings: &mut Vec<Warning>,
) -> Result<BTreeMap<usize, StageBase>, PlanError> {
    let mut bases = BTreeMap::new();
    loop {
        let needed = targets.iter().flat_map(|target| graph.needed(*target));
        let open: BTreeSet<usize> = needed.filter(|stage| !bases.contains_key(stage)).collect();
        if open.is_empty() {
            return Ok(bases);
        }
        for stage in open {
            let base = stage_base(context, graph, stage, warnings)?;
            for trigger in &base.triggers {
                graph.add_edges(stage, trigger, span(context, stage), context.request)?;
            }
            check_images(context, graph, stage, &base)?;
            bases.insert(stage, base);
        }
    }
}

fn span(context: &Context<'_>, stage: usize) -> Span {
    context.dockerfile.stages[stage].span
}

fn stage_base(
    context: &Context<'_>,
    graph: &StageGraph,
    stage: usize,
    warnings: &mut Vec<Warning>,
) -> Result<StageBase, PlanError> {
    let platform = context.stage_platform(stage);
    let from = &context.dockerfile.stages[stage].from;
    let (mut config, base_triggers) = match &graph.stages[stage].base {
        GraphBase::Scratch => (image_config::empty(&context.platform), Vec::new()),
        GraphBase::Stage(base) => {
            let triggers = own_triggers(context, graph, *base);
            let triggers = parse_triggers(&triggers, span(context, stage))?;
            return Ok(StageBase { config: None, triggers });
        }
        GraphBase::Image(name) => {
            let mut config = image(context, graph, name, platform).at(from.base.span)?;
            warnings::check_base_platform(name, &config, platform, from.base.span, warnings);
            let triggers = std::mem::take(&mut config.config.on_build);
            (config, triggers)
        }
        GraphBase::Named(key) => {
            let found = named(context, key, platform).at(from.base.span)?;
            let mut config = found.unwrap_or_else(|| image_config::empty(platform));
            // A context in place of a whole stage is taken as it is.
            let replaced = graph.stages[stage].replaced;
            let triggers = std::mem::take(&mut config.config.on_build);
            (config, if replaced { Vec::new() } else { triggers })
        }
    };
    config.created = None;
    inline::forget(&mut config);
    let triggers = parse_triggers(&base_triggers, span(context, stage))?;
    Ok(StageBase { config: Some(config), triggers })
}

/// The ONBUILD instructions a stage itself has: they run in every stage that starts from it.
fn own_triggers(context: &Context<'_>, graph: &StageGraph, stage: usize) -> Vec<String> {
    if graph.stages[stage].replaced {
        return Vec::new();
    }
    let instructions = context.dockerfile.stages[stage].instructions.iter();
    instructions
        .filter_map(|instruction| match &instruction.kind {
            InstructionKind::Onbuild(onbuild) => Some(onbuild.expression.clone()),
            _ => None,
        })
        .collect()
}

fn parse_triggers(triggers: &[String], span: Span) -> Result<Vec<Instruction>, PlanError> {
    triggers.iter().map(|trigger| one_trigger(trigger).at(span)).collect()
}

fn one_trigger(trigger: &str) -> Result<Instruction, PlanErrorKind> {
    let parsed = parse_trigger(trigger)
        .map_err(|source| PlanErrorKind::Trigger { trigger: trigger.to_owned(), source })?;
    let [instruction] = <[Instruction; 1]>::try_from(parsed)
        .map_err(|_| PlanErrorKind::TriggerNotSingle { trigger: trigger.to_owned() })?;
    Ok(instruction)
}

/// The images and contexts that COPY --from and mounts name have to be there before anything runs.
fn check_images(
    context: &Context<'_>,
    graph: &StageGraph,
    stage: usize,
    base: &StageBase,
) -> Result<(), PlanError> {
    if graph.stages[stage].replaced {
        return Ok(());
    }
    let at = span(context, stage);
    let mut checked = BTreeSet::new();
    let triggers = base.triggers.iter().map(|trigger| (trigger, Some(at)));
    let own = context.dockerfile.stages[stage].instructions.iter().map(|own| (own, None));
    for (instruction, place) in triggers.chain(own) {
        for reference in graph.references(instruction, context.request)? {
            let place = place.unwrap_or(reference.span);
            if checked.insert(reference.name.clone()) {
                check_image(context, graph, &reference).at(place)?;
            }
        }
    }
    Ok(())
}

fn check_image(
    context: &Context<'_>,
    graph: &StageGraph,
    reference: &stage_graph::Reference,
) -> Result<(), PlanErrorKind> {
    match &reference.source {
        GraphBase::Image(name) => image(context, graph, name, &context.platform).map(|_| ()),
        GraphBase::Named(key) => named(context, key, &context.platform).map(|_| ()),
        GraphBase::Scratch | GraphBase::Stage(_) => Ok(()),
    }
}

fn image(
    context: &Context<'_>,
    graph: &StageGraph,
    name: &str,
    platform: &Platform,
) -> Result<ImageConfig, PlanErrorKind> {
    let reference: Reference = name.parse().map_err(|source| PlanErrorKind::BaseName {
        name: name.to_owned(),
        source: Box::new(source),
    })?;
    context.images.image(name, platform).map_err(|source| {
        let stages = graph.stages.iter().map(|stage| stage.name.as_str());
        PlanErrorKind::Base {
            name: name.to_owned(),
            canonical: reference.to_string(),
            suggestion: parser::suggest::suggest(name, stages).map(str::to_owned),
            source,
        }
    })
}

fn named(
    context: &Context<'_>,
    key: &str,
    platform: &Platform,
) -> Result<Option<ImageConfig>, PlanErrorKind> {
    context.images.named(key, platform).map_err(|source| PlanErrorKind::Base {
        name: key.to_owned(),
        canonical: format!("build context `{key}`"),
        suggestion: None,
        source,
    })
}
