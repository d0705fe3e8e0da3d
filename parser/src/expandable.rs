//! Which words of an instruction are expanded when it is planned.

use crate::ast::{Add, Copy, CopySource, Healthcheck, InstructionKind, KeyValue, Stage, Word};

impl InstructionKind {
    /// The words whose variables, quotes and escapes the builder resolves, in source order of their kind.
    /// Commands are not among them: the shell expands those. Mounts of RUN are expanded field by field.
    pub fn expandable(&self) -> Vec<&Word> {
        match self {
            InstructionKind::Add(add) => added(add),
            InstructionKind::Arg(declarations) => declarations
                .iter()
                .flat_map(|arg| std::iter::once(&arg.name).chain(&arg.default))
                .collect(),
            InstructionKind::Copy(copy) => copied(copy),
            InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => paired(pairs),
            InstructionKind::Expose(words) | InstructionKind::Volume(words) => {
                words.iter().collect()
            }
            InstructionKind::Stopsignal(word)
            | InstructionKind::User(word)
            | InstructionKind::Workdir(word) => {
                vec![word]
            }
            InstructionKind::Healthcheck(Healthcheck::None | Healthcheck::Check(_))
            | InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::Onbuild(_)
            | InstructionKind::Run(_)
            | InstructionKind::Shell(_) => Vec::new(),
        }
    }
}

impl Stage {
    /// The words of the FROM instruction that are expanded.
    pub fn expandable(&self) -> Vec<&Word> {
        self.from.platform.iter().chain([&self.from.base]).collect()
    }
}

fn paired(pairs: &[KeyValue]) -> Vec<&Word> {
    pairs.iter().flat_map(|pair| [&pair.key, &pair.value]).collect()
}

fn added(add: &Add) -> Vec<&Word> {
    let flags = add.chown.iter().chain(&add.chmod).chain(&add.checksum).chain(&add.excludes);
    flags.chain(paths(&add.sources)).chain([&add.dest]).collect()
}

fn copied(copy: &Copy) -> Vec<&Word> {
    let flags = copy.chown.iter().chain(&copy.chmod).chain(&copy.excludes);
    flags.chain(paths(&copy.sources)).chain([&copy.dest]).collect()
}

fn paths(sources: &[CopySource]) -> impl Iterator<Item = &Word> {
    sources.iter().filter_map(|source| match source {
        CopySource::Path(word) => Some(word),
        CopySource::Heredoc(_) => None,
    })
}
