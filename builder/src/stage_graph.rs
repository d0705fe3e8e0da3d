//! Which stage needs which: names resolved, mistakes found, nothing planned yet.

use std::collections::{BTreeMap, BTreeSet};

use parser::ast::{Copy, Dockerfile, Instruction, InstructionKind, Run, Stage};
use parser::{Span, mount};

use crate::named_context;
use crate::plan::{PlanError, PlanErrorKind, ResultExt};
use crate::request::BuildRequest;

/// The stages of a Dockerfile, by their position in it.
#[derive(Clone, Debug)]
pub(crate) struct StageGraph {
    pub stages: Vec<GraphStage>,
    /// Lower-case names; of stages with the same name the last counts.
    by_name: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct GraphStage {
    /// As declared, in lower case, else `stage-N`.
    pub name: String,
    pub base: GraphBase,
    /// A named context has the name of the stage: it replaces the stage, instructions and all.
    pub replaced: bool,
    edges: Vec<Edge>,
}

/// What a name in FROM, `COPY --from` or `--mount from=` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GraphBase {
    Scratch,
    Stage(usize),
    /// By its name in the Dockerfile.
    Image(String),
    /// By its key in the request.
    Named(String),
}

/// One use of another stage.
#[derive(Clone, Copy, Debug)]
struct Edge {
    to: usize,
    span: Span,
}

/// Where an instruction reads files of another stage, image or context, in the order of its sources.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub source: GraphBase,
    /// As written.
    pub name: String,
    pub span: Span,
}

/// Resolves all names. `bases` are the expanded base names, one for each stage.
pub(crate) fn build(
    dockerfile: &Dockerfile,
    bases: &[String],
    request: &BuildRequest,
) -> Result<StageGraph, PlanError> {
    let mut graph = StageGraph { stages: Vec::new(), by_name: BTreeMap::new() };
    for (index, (stage, base)) in dockerfile.stages.iter().zip(bases).enumerate() {
        graph.add_stage(index, stage, base, request);
    }
    for (index, stage) in dockerfile.stages.iter().enumerate() {
        for instruction in &stage.instructions {
            graph.add_edges(index, instruction, instruction.span, request)?;
        }
    }
    graph.check_cycles()?;
    Ok(graph)
}

impl StageGraph {
    fn add_stage(&mut self, index: usize, stage: &Stage, base: &str, request: &BuildRequest) {
        let declared = stage.from.name.as_ref().map(|name| name.value.to_lowercase());
        let context = declared.as_deref().and_then(|name| named_context::find(request, name));
        let replaced = context.is_some();
        let base = match context {
            Some(key) => GraphBase::Named(key),
            None => self.base(base, request),
        };
        let name = declared.clone().unwrap_or_else(|| format!("stage-{index}"));
        self.stages.push(GraphStage { name, base, replaced, edges: Vec::new() });
        if let Some(name) = declared {
            self.by_name.insert(name, index);
        }
    }

    /// What FROM starts from: a stage above, `scratch`, a named context or an image.
    fn base(&self, name: &str, request: &BuildRequest) -> GraphBase {
        if let Some(stage) = self.by_name.get(&name.to_lowercase()) {
            return GraphBase::Stage(*stage);
        }
        if name == "scratch" {
            return GraphBase::Scratch;
        }
        match named_context::find(request, name) {
            Some(key) => GraphBase::Named(key),
            None => GraphBase::Image(name.to_owned()),
        }
    }

    /// Notes which stages an instruction reads from. `span` is where to point at: triggers of a base image
    /// have no place of their own.
    pub(crate) fn add_edges(
        &mut self,
        stage: usize,
        instruction: &Instruction,
        span: Span,
        request: &BuildRequest,
    ) -> Result<(), PlanError> {
        for reference in self.references(instruction, request).at(span)? {
            if let GraphBase::Stage(to) = reference.source {
                self.stages[stage].edges.push(Edge { to, span: reference.span });
            }
        }
        Ok(())
    }

    /// What an instruction reads besides the state before it and the build context.
    pub(crate) fn references(
        &self,
        instruction: &Instruction,
        request: &BuildRequest,
    ) -> Result<Vec<Reference>, PlanError> {
        match &instruction.kind {
            InstructionKind::Copy(copy) => {
                Ok(self.copy_reference(copy, request)?.into_iter().collect())
            }
            InstructionKind::Run(run) => self.mount_references(run, instruction.span, request),
            _ => Ok(Vec::new()),
        }
    }

    fn copy_reference(
        &self,
        copy: &Copy,
        request: &BuildRequest,
    ) -> Result<Option<Reference>, PlanError> {
        let Some(from) = &copy.from else { return Ok(None) };
        if from.text.contains('$') {
            return Err(PlanError::at(from.span, PlanErrorKind::VariableInFrom));
        }
        let source = match from.text.parse::<i64>() {
            Ok(index) => GraphBase::Stage(self.by_index(index).at(from.span)?),
            Err(_) => self.base(&from.text, request),
        };
        Ok(Some(Reference { source, name: from.text.clone(), span: from.span }))
    }

    fn by_index(&self, index: i64) -> Result<usize, PlanErrorKind> {
        let position = usize::try_from(index).ok().filter(|at| *at < self.stages.len());
        position.ok_or(PlanErrorKind::StageIndex { index })
    }

    fn mount_references(
        &self,
        run: &Run,
        span: Span,
        request: &BuildRequest,
    ) -> Result<Vec<Reference>, PlanError> {
        let mut references = Vec::new();
        for word in &run.mounts {
            let from = mount::from_of(&word.text).map_err(PlanErrorKind::from).at(word.span)?;
            if let Some(name) = from.filter(|name| !name.is_empty()) {
                let source = self.base(&name, request);
                references.push(Reference { source, name, span });
            }
        }
        Ok(references)
    }

    /// What `name` in `--mount from=` stands for.
    pub(crate) fn mount_source(&self, name: &str, request: &BuildRequest) -> GraphBase {
        self.base(name, request)
    }

    /// The stage to build: by name, in any case; the last one without a name.
    pub(crate) fn target(&self, target: Option<&str>) -> Result<usize, PlanErrorKind> {
        let Some(target) = target.filter(|target| !target.is_empty()) else {
            return self.stages.len().checked_sub(1).ok_or(PlanErrorKind::NoStages);
        };
        let found = self.by_name.get(&target.to_lowercase()).copied();
        found.ok_or_else(|| {
            let names = self.stages.iter().map(|stage| stage.name.as_str());
            let suggestion = parser::suggest::suggest(&target.to_lowercase(), names);
            let suggestion = suggestion.map(str::to_owned);
            PlanErrorKind::TargetMissing { target: target.to_owned(), suggestion }
        })
    }

    /// The stages a stage needs, itself included.
    pub(crate) fn needed(&self, stage: usize) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut open = vec![stage];
        while let Some(stage) = open.pop() {
            if needed.insert(stage) {
                open.extend(self.next(stage));
            }
        }
        needed
    }

    fn next(&self, stage: usize) -> impl Iterator<Item = usize> {
        let stage = &self.stages[stage];
        let base = match &stage.base {
            GraphBase::Stage(base) => Some(*base),
            _ => None,
        };
        let edges: &[Edge] = if stage.replaced { &[] } else { &stage.edges };
        base.into_iter().chain(edges.iter().map(|edge| edge.to))
    }

    /// Stages that copy from each other, in a circle.
    fn check_cycles(&self) -> Result<(), PlanError> {
        let mut finished = vec![false; self.stages.len()];
        for (index, stage) in self.stages.iter().enumerate() {
            if let Some(span) = self.find_cycle(index, &mut finished) {
                let stage = stage.name.clone();
                return Err(PlanError::at(span, PlanErrorKind::Circular { stage }));
            }
        }
        Ok(())
    }

    /// Follows the edges from a stage, without recursion: files may chain any number of stages.
    fn find_cycle(&self, start: usize, finished: &mut [bool]) -> Option<Span> {
        if finished[start] {
            return None;
        }
        let mut on_path = BTreeSet::from([start]);
        let mut path = vec![(start, 0)];
        while let Some((stage, next)) = path.last_mut() {
            let Some(edge) = self.stages[*stage].edges.get(*next) else {
                finished[*stage] = true;
                on_path.remove(stage);
                path.pop();
                continue;
            };
            *next += 1;
            if on_path.contains(&edge.to) {
                return Some(edge.span);
            }
            if !finished[edge.to] {
                on_path.insert(edge.to);
                path.push((edge.to, 0));
            }
        }
        None
    }
}
