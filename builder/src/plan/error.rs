//! What can be wrong with a Dockerfile that parses.

use std::borrow::Cow;

use parser::expand::ExpandError;
use parser::expose::ExposeError;
use parser::mount::MountError;
use parser::{ErrorKind, ParseErrors, Span};
use runtime::NoEmulator;

use super::BaseError;
use crate::execute::StepError;
use crate::fetch::ChecksumError;
use crate::fetch::git::GitRefError;
use crate::quirk::Quirk;
use crate::request::Entitlement;

/// One error with its place.
#[derive(Debug)]
pub struct PlanError {
    pub kind: PlanErrorKind,
    /// Absent when the error is about the request.
    pub span: Option<Span>,
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for PlanError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

impl From<PlanErrorKind> for PlanError {
    fn from(kind: PlanErrorKind) -> PlanError {
        PlanError { kind, span: None }
    }
}

impl PlanError {
    pub fn at(span: Span, kind: PlanErrorKind) -> PlanError {
        PlanError { kind, span: Some(span) }
    }

    /// What to try instead, as a sentence without full stop.
    pub fn hint(&self) -> Option<String> {
        self.kind.hint().map(Cow::into_owned)
    }
}

impl PlanErrorKind {
    /// Whether the Dockerfile is right and only we cannot build it.
    pub(super) fn is_limit(&self) -> bool {
        use PlanErrorKind::{ForeignRun, NotAllowed, Unsupported};
        matches!(self, Unsupported { .. } | ForeignRun { .. } | NotAllowed { .. })
    }
}

/// Gives an error its place, unless it knows a better one.
pub(crate) trait ResultExt<T> {
    fn at(self, span: Span) -> Result<T, PlanError>;
}

impl<T, E: Into<PlanError>> ResultExt<T> for Result<T, E> {
    fn at(self, span: Span) -> Result<T, PlanError> {
        self.map_err(|error| {
            let error = error.into();
            PlanError { span: error.span.or(Some(span)), ..error }
        })
    }
}

/// The wording keeps BuildKit's key phrases: people search for them.
#[derive(Debug, thiserror::Error)]
pub enum PlanErrorKind {
    #[error("dockerfile contains no stages to build")]
    NoStages,
    #[error("the variables of this file make more than {limit} MiB of text")]
    TooMuchText { limit: usize },
    #[error("target stage {target:?} could not be found{}", did_you_mean(suggestion))]
    TargetMissing { target: String, suggestion: Option<String> },
    #[error("base name ({name}) should not be blank")]
    BlankBase { name: String },
    #[error(
        "{name}: failed to resolve source metadata for {canonical}{}",
        did_you_mean(suggestion)
    )]
    Base { name: String, canonical: String, suggestion: Option<String>, source: BaseError },
    #[error("failed to parse stage name {name:?}: {source}")]
    BaseName { name: String, source: BaseError },
    #[error("empty platform value from expression {expression}{}", did_you_mean(suggestion))]
    EmptyPlatform { expression: String, suggestion: Option<String> },
    #[error(
        "failed to parse platform {expression}: {value:?}: cannot parse platform specifier: invalid argument{}",
        did_you_mean(suggestion)
    )]
    Platform { expression: String, value: String, suggestion: Option<String> },
    #[error("circular dependency detected on stage: {stage}")]
    Circular { stage: String },
    #[error("invalid stage index {index}")]
    StageIndex { index: i64 },
    #[error(
        "cannot copy from stage {from:?}, it needs to be defined before current stage {stage:?}"
    )]
    CopyFromLater { from: String, stage: String },
    #[error(
        "cannot mount from stage {from:?} to {target:?}, stage needs to be defined before current command"
    )]
    MountFromLater { from: String, target: String },
    #[error(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"
    )]
    VariableInFrom,
    #[error(transparent)]
    Expand(Box<ExpandError>),
    #[error(transparent)]
    Mount(Box<MountError>),
    #[error(transparent)]
    Expose(Box<ExposeError>),
    #[error(transparent)]
    Check(Box<ErrorKind>),
    #[error("invalid mount target {target:?}")]
    MountTarget { target: String },
    #[error("invalid secret mount. one of source, target required")]
    SecretWithoutName,
    #[error("arguments are required: RUN has nothing to run")]
    NothingToRun,
    #[error("VOLUME specified can not be an empty string")]
    EmptyVolume,
    #[error("invalid signal: {signal}")]
    InvalidSignal { signal: String },
    #[error("{source}")]
    Chmod { source: BaseError },
    #[error("source can't be a URL for COPY")]
    CopyUrl,
    #[error("source can't be a git ref for COPY")]
    CopyGit,
    #[error("checksum can't be specified for multiple sources")]
    ChecksumOfSeveral,
    #[error("checksum requires HTTP(S) or Git sources")]
    ChecksumOfLocal,
    #[error(transparent)]
    Git(#[from] GitRefError),
    #[error("inconsistent keep-git-dir configuration")]
    KeepGitDir,
    #[error("checksum mismatch {flag:?} != {query:?}")]
    ChecksumTwice { flag: String, query: String },
    #[error("invalid checksum {checksum} for Git URL, expected hex commit hash")]
    GitChecksum { checksum: String },
    #[error("invalid checksum {text:?}: {source}")]
    Checksum { text: String, source: ChecksumError },
    #[error("onbuild trigger should be a single expression: `{trigger}`")]
    TriggerNotSingle { trigger: String },
    #[error("invalid ONBUILD trigger `{trigger}` of the base image: {source}")]
    Trigger { trigger: String, source: ParseErrors },
    #[error("invalid SOURCE_DATE_EPOCH: {value}")]
    Epoch { value: String },
    #[error("SOURCE_DATE_EPOCH stage {problem}")]
    EpochStage { problem: EpochStageProblem },
    #[error("cannot take SOURCE_DATE_EPOCH from stage `{stage}`: {source}")]
    EpochSource { stage: String, source: BaseError },
    #[error("RUN needs a machine of platform {platform}, this one is {host}{}", because(why))]
    ForeignRun { platform: String, host: String, why: Option<NoEmulator> },
    #[error("lint violation found for rules: {rules}")]
    Lint { rules: String },
    /// With `--strict` only.
    #[error("{}: {message}", quirk.name())]
    Quirk { quirk: Quirk, message: String },
    #[error("{entitlement} is not allowed")]
    NotAllowed { entitlement: Entitlement },
    /// Known, and planned for later.
    #[error("{feature} is not supported yet")]
    Unsupported { feature: String },
    #[error("the syntax image `{image}` is not supported: only docker/dockerfile is built in")]
    Syntax { image: String },
}

/// Why a stage has no time that SOURCE_DATE_EPOCH could be. The texts are BuildKit's.
#[derive(Debug, thiserror::Error)]
pub enum EpochStageProblem {
    #[error("must use FROM scratch")]
    Base,
    #[error("does not meet source-only requirements: unsupported {keyword} instruction")]
    Instruction { keyword: String },
    #[error("must contain exactly one remote ADD")]
    NotOneAdd,
    #[error("source must be a single HTTP(S) or Git ADD")]
    Local,
}

impl PlanErrorKind {
    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            PlanErrorKind::Platform { .. } | PlanErrorKind::EmptyPlatform { .. } => {
                Some("platforms look like linux/amd64 or linux/arm/v7".into())
            }
            PlanErrorKind::ForeignRun { why: Some(_), .. } => Some(
                "`qemu-user-static` and `binfmt-support` (Debian, Ubuntu) register interpreters that containers can use; \
                 a stage that only compiles can be FROM --platform=$BUILDPLATFORM"
                    .into(),
            ),
            PlanErrorKind::NothingToRun => Some("give RUN a command".into()),
            PlanErrorKind::CopyGit => Some("ADD takes repositories".into()),
            PlanErrorKind::Git(error) => error.hint().map(Cow::from),
            PlanErrorKind::KeepGitDir => {
                Some("the flag and the address disagree: leave one of them out".into())
            }
            PlanErrorKind::EpochStage { .. } => {
                Some("it has FROM scratch, ARGs, and one ADD of one URL or repository".into())
            }
            PlanErrorKind::CopyUrl => Some("ADD takes URLs".into()),
            PlanErrorKind::BlankBase { .. } => {
                Some("give the ARG a default before the first FROM, or pass --build-arg".into())
            }
            PlanErrorKind::NotAllowed { entitlement } => {
                Some(format!("allow it with `--allow {entitlement}`").into())
            }
            PlanErrorKind::Quirk { quirk, .. } => Some(quirk.hint().into()),
            PlanErrorKind::Mount(error) => error.hint().map(Cow::from),
            PlanErrorKind::Base { source, suggestion: None, .. } => {
                source.downcast_ref::<StepError>()?.hint().map(Cow::from)
            }
            _ => None,
        }
    }
}

impl From<ExpandError> for PlanErrorKind {
    fn from(error: ExpandError) -> PlanErrorKind {
        PlanErrorKind::Expand(Box::new(error))
    }
}

impl From<ExposeError> for PlanErrorKind {
    fn from(error: ExposeError) -> PlanErrorKind {
        PlanErrorKind::Expose(Box::new(error))
    }
}

impl From<MountError> for PlanErrorKind {
    fn from(error: MountError) -> PlanErrorKind {
        PlanErrorKind::Mount(Box::new(error))
    }
}

fn because(why: &Option<NoEmulator>) -> String {
    why.as_ref().map_or(String::new(), |why| format!(", and {why}"))
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or(String::new(), |name| format!(" (did you mean {name}?)"))
}
