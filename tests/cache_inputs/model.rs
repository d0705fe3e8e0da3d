//! What each step of a Dockerfile reads, told from the text of the file and of its context alone.

use std::collections::{BTreeMap, BTreeSet};

use parser::ast::{Add, CommandForm, Copy, CopySource, Heredoc, Run};
use parser::mount::{MountError, MountKind};
use parser::{Instruction, InstructionKind, Stage, Word, expand};

use super::files::{Files, Kind, Named};

/// Everything a build is given.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) dockerfile: String,
    pub(super) context: Files,
    /// `--build-context`
    pub(super) named: BTreeMap<String, Files>,
    pub(super) arguments: BTreeMap<String, String>,
    pub(super) platform: String,
    /// What images consist of, by a word for it; all have the same.
    pub(super) image: String,
    /// ENV of the images.
    pub(super) image_env: BTreeMap<String, String>,
}

/// A stage and its steps: RUN, COPY, ADD and WORKDIR.
#[derive(Clone, Debug)]
pub(super) struct Modelled {
    /// In the progress; empty for the only one of a file.
    pub(super) name: String,
    pub(super) from: Origin,
    pub(super) steps: Vec<Step>,
    after: Scope,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    Scratch,
    Stage(usize),
    Image(String),
}

/// What counts for one step. Two builds differ in it where one of the sets does.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) keyword: String,
    /// Ends up in the layer: another value is another layer.
    pub(super) bytes: BTreeSet<String>,
    /// The step has to run again; it may make the same.
    pub(super) settings: BTreeSet<String>,
    /// It may have to run again.
    pub(super) loose: BTreeSet<String>,
    /// Stages it copies from or mounts.
    pub(super) stages: BTreeSet<usize>,
    /// It does not see what is below it.
    pub(super) linked: bool,
}

/// What instructions leave for the next.
#[derive(Clone, Debug, Default)]
struct Scope {
    variables: BTreeMap<String, String>,
    directory: String,
    user: String,
    shell: String,
    triggers: Vec<Instruction>,
}

pub(super) fn model(world: &World) -> Vec<Modelled> {
    let file = parser::parse(&world.dockerfile).unwrap();
    let mut globals = platform_variables(world);
    for instruction in &file.global_args {
        let InstructionKind::Arg(declared) = &instruction.kind else { continue };
        for declaration in declared {
            let default = || declaration.default.as_ref().map(|word| expanded(word, &globals));
            let name = declaration.name.text.clone();
            if let Some(value) = world.arguments.get(&name).cloned().or_else(default) {
                globals.insert(name, value);
            }
        }
    }
    let mut stages: Vec<Modelled> = Vec::new();
    for stage in &file.stages {
        let reader = Reader { world, globals: &globals, stages: &stages };
        let modelled = reader.stage(stage, file.stages.len() == 1);
        stages.push(modelled);
    }
    stages
}

fn platform_variables(world: &World) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (kind, platform) in [("TARGET", world.platform.as_str()), ("BUILD", "linux/amd64")] {
        let (system, architecture) = platform.split_once('/').unwrap();
        for (what, value) in
            [("PLATFORM", platform), ("OS", system), ("ARCH", architecture), ("VARIANT", "")]
        {
            variables.insert(format!("{kind}{what}"), value.to_owned());
        }
    }
    variables
}

fn expanded(word: &Word, variables: &BTreeMap<String, String>) -> String {
    expand::expand(word, '\\', variables).unwrap().value
}

struct Reader<'a> {
    world: &'a World,
    globals: &'a BTreeMap<String, String>,
    stages: &'a [Modelled],
}

impl Reader<'_> {
    fn stage(&self, stage: &Stage, only: bool) -> Modelled {
        let number = self.stages.len();
        let name = match &stage.from.name {
            _ if only => String::new(),
            Some(name) => name.value.clone(),
            None => format!("stage-{number}"),
        };
        let base = expanded(&stage.from.base, self.globals);
        let from = match self.stage_named(&base) {
            Some(stage) => Origin::Stage(stage),
            None if base == "scratch" => Origin::Scratch,
            None => Origin::Image(base),
        };
        let mut scope = match &from {
            Origin::Stage(stage) => self.stages[*stage].after.clone(),
            Origin::Scratch => Scope { directory: "/".to_owned(), ..Scope::default() },
            Origin::Image(_) => Scope {
                variables: self.world.image_env.clone(),
                directory: "/".to_owned(),
                ..Scope::default()
            },
        };
        let mut steps = Vec::new();
        let triggers = std::mem::take(&mut scope.triggers);
        for instruction in triggers.iter().chain(&stage.instructions) {
            if let Some(mut step) = self.instruction(instruction, &mut scope) {
                step.keyword = instruction.keyword.value.to_uppercase();
                steps.push(step);
            }
        }
        Modelled { name, from, steps, after: scope }
    }

    fn stage_named(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        let named = self.stages.iter().rposition(|stage| stage.name == name);
        named.or_else(|| name.parse().ok().filter(|number| *number < self.stages.len()))
    }

    fn instruction(&self, instruction: &Instruction, scope: &mut Scope) -> Option<Step> {
        let value = |word: &Word| expanded(word, &scope.variables);
        match &instruction.kind {
            InstructionKind::Arg(declared) => {
                for declaration in declared {
                    let name = &declaration.name.text;
                    let default =
                        declaration.default.as_ref().map(|word| expanded(word, &scope.variables));
                    let given = self.world.arguments.get(name).cloned().or(default);
                    if let Some(value) = given.or_else(|| self.globals.get(name).cloned()) {
                        scope.variables.insert(name.clone(), value);
                    }
                }
            }
            InstructionKind::Env(pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|pair| (value(&pair.key), value(&pair.value))).collect();
                scope.variables.extend(pairs);
            }
            InstructionKind::User(user) => scope.user = value(user),
            InstructionKind::Shell(shell) => scope.shell = format!("{shell:?}"),
            InstructionKind::Onbuild(onbuild) => {
                scope.triggers.extend(onbuild.trigger.as_deref().cloned());
            }
            InstructionKind::Workdir(path) => {
                scope.directory = joined(&scope.directory, &value(path));
                let settings = [format!("at {} of {}", scope.directory, scope.user)];
                return Some(Step { settings: settings.into(), ..Step::default() });
            }
            InstructionKind::Copy(copy) => return Some(self.copy(copy, scope)),
            InstructionKind::Add(add) => return Some(self.add(add, scope)),
            InstructionKind::Run(run) => return Some(self.run(run, scope)),
            _ => {}
        }
        None
    }

    fn copy(&self, copy: &Copy, scope: &Scope) -> Step {
        let mut step = Step { linked: copy.link, ..Step::default() };
        let chmod = copy.chmod.as_ref().map(|mode| expanded(mode, &scope.variables));
        let files = copy
            .from
            .as_ref()
            .map_or(Some(&self.world.context), |from| self.files_of(&from.text, &mut step));
        let excludes = self.settings(
            &mut step,
            &[&copy.chown, &copy.chmod],
            &copy.excludes,
            &copy.dest,
            scope,
        );
        for source in self.sources(&copy.sources, &mut step, scope) {
            for (path, named) in files.iter().flat_map(|files| files.named_by(&source, &excludes)) {
                step.bytes.insert(described(path, named));
                match chmod.as_deref() {
                    None => step.bytes.extend(mode_of(path, named)),
                    Some(mode) if mode.chars().all(|c| c.is_ascii_digit()) => {}
                    Some(_) => step.loose.extend(mode_of(path, named)),
                }
            }
            if copy.parents {
                let directories = files.iter().flat_map(|files| files.directories());
                step.loose.extend(directories);
            }
        }
        step
    }

    fn add(&self, add: &Add, scope: &Scope) -> Step {
        let mut step = Step { linked: add.link, ..Step::default() };
        let excludes =
            self.settings(&mut step, &[&add.chown, &add.chmod], &add.excludes, &add.dest, scope);
        for source in self.sources(&add.sources, &mut step, scope) {
            for (path, named) in self.world.context.named_by(&source, &excludes) {
                // An archive may hold the same with other bytes around it, and its own mode is nothing.
                step.settings.insert(described(path, named));
                let unpacked = path.ends_with(".tar") || path.ends_with(".gz");
                let modes = if unpacked { &mut step.loose } else { &mut step.settings };
                modes.extend(mode_of(path, named));
            }
        }
        step
    }

    /// What COPY and ADD have in common. The patterns of `--exclude`.
    fn settings(
        &self,
        step: &mut Step,
        flags: &[&Option<Word>],
        excludes: &[Word],
        dest: &Word,
        scope: &Scope,
    ) -> Vec<String> {
        let value = |word: &Word| expanded(word, &scope.variables);
        let flags: Vec<_> = flags.iter().map(|flag| flag.as_ref().map(value)).collect();
        let excludes: Vec<String> = excludes.iter().map(value).collect();
        let dest = format!("{}/{}", scope.directory, value(dest));
        step.settings.insert(format!("to {dest} with {flags:?} without {excludes:?}"));
        excludes
    }

    /// The paths; here-documents are noted in the step.
    fn sources(&self, sources: &[CopySource], step: &mut Step, scope: &Scope) -> Vec<String> {
        let mut paths = Vec::new();
        for source in sources {
            match source {
                CopySource::Path(path) => paths.push(expanded(path, &scope.variables)),
                CopySource::Heredoc(document) => {
                    step.bytes.insert(format!("{} is {}", document.name, text(document, scope)));
                }
            }
        }
        step.settings.insert(format!("of {paths:?}"));
        paths
    }

    /// The files of a named context; those of stages are not known, and of images none changes.
    fn files_of(&self, from: &str, step: &mut Step) -> Option<&Files> {
        let stage = self.stage_named(from);
        if let Some(stage) = stage {
            step.stages.insert(stage);
        }
        let named = self.world.named.get(from).filter(|_| stage.is_none());
        if stage.is_none() && named.is_none() {
            step.loose.insert(format!("{from} is {}", self.world.image));
        }
        named
    }

    fn run(&self, run: &Run, scope: &Scope) -> Step {
        let mut step = Step::default();
        let shell = match &run.command {
            CommandForm::Shell { .. } => scope.shell.as_str(),
            CommandForm::Exec(_) => "",
        };
        let variables: Vec<_> = scope.variables.iter().collect();
        let place = (&scope.directory, &scope.user, shell);
        step.settings.insert(format!("{:?} at {place:?} with {variables:?}", run.command));
        step.settings.insert(format!("{:?} {:?}", run.network, run.security));
        for mount in &run.mounts {
            let value = |text: &str| {
                let word = Word::new(text, mount.span);
                Ok::<_, MountError>(expanded(&word, &scope.variables))
            };
            let mount = parser::mount::parse(&mount.text, value).unwrap();
            step.settings.insert(format!("{mount:?}"));
            let files = match &mount.from {
                Some(from) => self.files_of(from, &mut step),
                None => Some(&self.world.context),
            };
            if mount.kind == MountKind::Bind {
                let source = mount.source.unwrap_or_default();
                for (path, named) in files.iter().flat_map(|files| files.named_by(&source, &[])) {
                    step.settings.insert(described(path, named));
                    let modes = if named.top { &mut step.loose } else { &mut step.settings };
                    modes.extend(mode_of(path, Named { top: false, ..named }));
                }
            }
        }
        step
    }
}

fn text(document: &Heredoc, scope: &Scope) -> String {
    match document.expand {
        true => {
            expand::expand_heredoc(&document.body(), document.span, &scope.variables).unwrap().value
        }
        false => document.body(),
    }
}

fn joined(directory: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{directory}/{path}") }
}

fn described(path: &str, named: Named<'_>) -> String {
    format!("{path} is {:?}", named.entry.kind)
}

/// None where it does not count.
fn mode_of(path: &str, named: Named<'_>) -> Option<String> {
    match named.entry.kind {
        // What a link's mode is depends on the machine.
        Kind::Link(_) => None,
        _ => (!named.top).then(|| format!("{path} has mode {:o}", named.entry.mode)),
    }
}
