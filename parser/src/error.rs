//! What can be wrong with a Dockerfile.

use crate::span::Span;
use crate::word::SyntaxError;

/// One error with its place.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    pub kind: ErrorKind,
    pub span: Span,
}

impl ParseError {
    pub fn new(kind: ErrorKind, span: Span) -> ParseError {
        ParseError { kind, span }
    }

    /// What to try instead, as a phrase without full stop.
    pub fn hint(&self) -> Option<String> {
        self.kind.hint()
    }
}

/// All errors of a file, in source order; never empty.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct ParseErrors {
    pub errors: Vec<ParseError>,
}

impl std::fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl ParseErrors {
    /// Fails with the errors in source order when there are any.
    pub(crate) fn check(mut errors: Vec<ParseError>) -> Result<(), ParseErrors> {
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by_key(|error| error.span);
        Err(ParseErrors { errors })
    }
}

/// The wording keeps BuildKit's phrases: they are what people search for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    // The text
    #[error("file with no instructions: the Dockerfile cannot be empty")]
    EmptyFile,
    #[error("file with no instructions")]
    NoInstructions,
    #[error("the file is not UTF-8 text")]
    NotUtf8,
    #[error("the file holds a NUL byte")]
    Nul,
    #[error(
        "dockerfile line greater than max allowed size of {limit}: this one has {length} bytes"
    )]
    LongLine { limit: usize, length: usize },

    // Directives
    #[error("only one {name} parser directive can be used")]
    RepeatedDirective { name: String },
    #[error("invalid escape token '{value}' does not match ` or \\")]
    BadEscape { value: String },
    #[error("failed to parse check options: invalid check option \"{option}\"")]
    BadCheckOption { option: String },

    // The shape of a file
    #[error("no build stage in current context: `{instruction}` stands before the first FROM")]
    NoStage { instruction: String },
    #[error("dockerfile contains no stages to build")]
    NoStages,
    #[error("{instruction} is not a valid change command")]
    NotAChange { instruction: String },
    #[error("unknown instruction: {name}{}", did_you_mean(suggestion))]
    UnknownInstruction { name: String, suggestion: Option<String> },

    // Arguments
    #[error("{instruction} requires exactly one argument")]
    ExactlyOneArgument { instruction: &'static str },
    #[error("{instruction} requires at least one argument")]
    AtLeastOneArgument { instruction: &'static str },
    #[error(
        "{instruction} requires at least two arguments, but only one was provided. Destination could not be determined"
    )]
    NoDestination { instruction: &'static str },
    #[error("FROM requires either one or three arguments")]
    FromArguments { words: usize },
    #[error(
        "invalid name for build stage: {name:?}, name can't start with a number or contain symbols"
    )]
    BadStageName { name: String },
    #[error("{instruction} must have two arguments")]
    TwoArguments { instruction: &'static str },
    #[error("Syntax error - can't find = in {word:?}. Must be of the form: name=value")]
    NoEquals { word: String },
    #[error("{instruction} names can not be blank")]
    BlankName { instruction: &'static str },
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotStrings,
    #[error("{instruction} requires the arguments to be in JSON form")]
    NotJson { instruction: &'static str, suggestion: String },
    #[error("VOLUME specified can not be an empty string")]
    EmptyVolume,

    // Flags
    #[error("unknown flag: --{flag}{}", did_you_mean(suggestion))]
    UnknownFlag {
        flag: String,
        suggestion: Option<String>,
        known: Vec<&'static str>,
        instruction: &'static str,
    },
    #[error("duplicate flag specified: --{flag}")]
    RepeatedFlag { flag: String },
    #[error("missing a value on flag: --{flag}")]
    NoFlagValue { flag: String },
    #[error("expecting boolean value for flag --{flag}, not: {value}")]
    NotBoolean { flag: String, value: String },
    #[error("invalid network mode {value:?}")]
    BadNetwork { value: String },
    #[error("security {value:?} is not valid")]
    BadSecurity { value: String },
    #[error(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"
    )]
    VariableInFrom,

    // Here-documents
    #[error("unterminated heredoc: no line is `{name}`")]
    UnterminatedHeredoc { name: String },
    #[error("invalid heredoc `{word}`: {cause}")]
    BadHeredoc { word: String, cause: String },
    #[error("{instruction} cannot accept a heredoc as a destination")]
    HeredocDestination { instruction: &'static str },

    // ONBUILD
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    ChainedOnbuild,
    #[error("{instruction} isn't allowed as an ONBUILD trigger")]
    ForbiddenTrigger { instruction: String },

    // HEALTHCHECK
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthcheckNoneArguments,
    #[error("Missing command after HEALTHCHECK CMD")]
    HealthcheckNoCommand,
    #[error("Unknown type {kind:?} in HEALTHCHECK (try CMD)")]
    HealthcheckKind { kind: String },
    #[error("invalid value for --{flag}: {cause}")]
    BadDuration { flag: &'static str, cause: String },
    #[error("Interval {flag:?} cannot be less than 1ms")]
    ShortInterval { flag: &'static str },
    #[error("invalid value for --retries: parsing {value:?}: {cause}")]
    BadRetries { value: String, cause: &'static str },
    #[error("--retries cannot be negative ({value})")]
    NegativeRetries { value: i64 },

    // Words
    #[error("failed to process {word:?}: {cause}")]
    BadWord { word: String, cause: SyntaxError },

    // RUN --mount and --device
    #[error(transparent)]
    Mount(#[from] crate::mount::MountError),
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}

impl ErrorKind {
    /// What to try instead; errors that name a near miss in their text have none.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ErrorKind::UnknownInstruction { suggestion: None, .. } => {
                "a line that continues an instruction needs the escape character at the end of the line before it"
            }
            ErrorKind::UnknownFlag { known, instruction, .. } if known.is_empty() => {
                return Some(format!("{instruction} takes no flags"));
            }
            ErrorKind::UnknownFlag { known, instruction, .. } => {
                let known: Vec<String> = known.iter().map(|flag| format!("`--{flag}`")).collect();
                return Some(format!("the flags of {instruction}: {}", known.join(", ")));
            }
            ErrorKind::NotJson { instruction, suggestion } => {
                return Some(format!("write `{instruction} {suggestion}`"));
            }
            ErrorKind::NoFlagValue { flag } => {
                return Some(format!("write `--{flag}=VALUE`, without a space"));
            }
            ErrorKind::NoDestination { .. } => "name the sources first and the destination last",
            ErrorKind::FromArguments { words: 2 } => "write `FROM <image> AS <name>`",
            ErrorKind::FromArguments { .. } => "write `FROM <image>` or `FROM <image> AS <name>`",
            ErrorKind::BadStageName { .. } => {
                "a stage name is a letter followed by letters, digits, `-`, `_` and `.`"
            }
            ErrorKind::NoEquals { .. } => "quote a value that holds spaces: `name=\"a b\"`",
            ErrorKind::TwoArguments { .. } => "write `name=value`",
            ErrorKind::NotStrings => "quote each element: `[\"a\", \"1\"]`",
            ErrorKind::BadNetwork { .. } => "the network modes are `default`, `none` and `host`",
            ErrorKind::BadSecurity { .. } => "the security modes are `sandbox` and `insecure`",
            ErrorKind::UnterminatedHeredoc { .. } => {
                "the closing line holds the delimiter and nothing else; only `<<-` allows tabs before it"
            }
            ErrorKind::NotAChange { .. } => {
                "only CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR are"
            }
            ErrorKind::NoStage { .. } => "only ARG may stand before the first FROM",
            ErrorKind::NoStages | ErrorKind::NoInstructions | ErrorKind::EmptyFile => {
                "start with `FROM <image>`"
            }
            ErrorKind::NotUtf8 | ErrorKind::Nul => "save the file as UTF-8",
            ErrorKind::LongLine { .. } => {
                "split the line with the escape character, or use a here-document"
            }
            ErrorKind::ForbiddenTrigger { .. } | ErrorKind::ChainedOnbuild => {
                "a trigger is any instruction but FROM, MAINTAINER and ONBUILD"
            }
            ErrorKind::BadDuration { .. } | ErrorKind::ShortInterval { .. } => {
                "durations look like `30s`, `1m30s`, `500ms`"
            }
            ErrorKind::BadCheckOption { .. } => {
                "the options are `skip=RULE,…`, `error=true` and `experimental=RULE,…`, separated by `;`"
            }
            ErrorKind::BadWord {
                cause: SyntaxError::SingleQuote | SyntaxError::DoubleQuote,
                ..
            } => {
                "escape a quote that belongs to the text; in COPY, ADD and VOLUME, names with spaces need the JSON form"
            }
            ErrorKind::VariableInFrom => {
                "write `FROM $IMAGE AS alias` above and `--from=alias` here"
            }
            ErrorKind::Mount(error) => return error.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
