//! The typed syntax tree of a Dockerfile. Nothing in it is resolved: variables, stages and paths are as written.

use std::time::Duration;

use serde::Serialize;

use crate::mount::Device;
use crate::span::{Span, Spanned};

/// A whole file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dockerfile {
    pub directives: Directives,
    /// The ARG instructions before the first FROM.
    pub global_args: Vec<Instruction>,
    pub stages: Vec<Stage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// The `# name=value` comments at the top of the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Directives {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syntax: Option<Spanned<String>>,
    /// `\` unless the file says `` ` ``.
    pub escape: char,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Spanned<String>>,
}

/// From one FROM to the next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    pub from: From,
    pub instructions: Vec<Instruction>,
    /// The FROM instruction.
    pub span: Span,
    /// `FROM` as typed.
    pub keyword: Spanned<String>,
    /// The FROM instruction with its continuations joined.
    pub original: String,
    /// The comment lines above, without `#`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<String>,
    /// What the comment `# <stage name> <description>` above says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `FROM [--platform=P] BASE [AS NAME]`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct From {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Word>,
    pub base: Word,
    /// `AS` as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_keyword: Option<Spanned<String>>,
    /// In lower case; the span shows it as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Spanned<String>>,
}

/// One instruction other than FROM.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Instruction {
    /// As typed: `RUN`, `run`, `Run`.
    pub keyword: Spanned<String>,
    pub kind: InstructionKind,
    /// From the keyword to the end of the last line, here-documents included.
    pub span: Span,
    /// The instruction with its continuations joined and comments left out, without here-document bodies.
    pub original: String,
    /// The comment lines above, without `#`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<String>,
    /// The here-documents of the instruction, in source order. JSON shows them where they are used.
    #[serde(skip)]
    pub heredocs: Vec<Heredoc>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstructionKind {
    Add(Add),
    Arg(Vec<ArgDecl>),
    Cmd(CommandForm),
    Copy(Copy),
    Entrypoint(CommandForm),
    Env(Vec<KeyValue>),
    /// As written; ports are read by [`crate::expose`] after expansion.
    Expose(Vec<Word>),
    Healthcheck(Healthcheck),
    Label(Vec<KeyValue>),
    Maintainer(Word),
    Onbuild(Onbuild),
    Run(Run),
    Shell(Vec<String>),
    Stopsignal(Word),
    User(Word),
    Volume(Vec<Word>),
    Workdir(Word),
}

/// Instructions that change the configuration of an image and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changes {
    pub escape: char,
    pub instructions: Vec<Instruction>,
}

/// Text as written, to be expanded by [`crate::expand`]. For JSON forms and flags: after JSON or flag quoting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Word {
    pub text: String,
    pub span: Span,
}

impl Word {
    pub fn new(text: impl Into<String>, span: Span) -> Word {
        Word { text: text.into(), span }
    }
}

/// One declaration of `ARG name[=default] …`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArgDecl {
    pub name: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Word>,
    /// What the comment `# <name> <description>` above says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One pair of ENV or LABEL.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyValue {
    pub key: Word,
    pub value: Word,
    /// `ENV key rest of the line`, without `=`.
    pub legacy: bool,
}

/// `RUN`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Each value of `--mount`; expand it field by field through [`crate::mount::parse`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Spanned<RunNetwork>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Spanned<RunSecurity>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Spanned<Device>>,
    pub command: CommandForm,
}

/// `RUN --network=`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunNetwork {
    Default,
    None,
    Host,
}

/// `RUN --security=`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunSecurity {
    Sandbox,
    Insecure,
}

/// What RUN, CMD, ENTRYPOINT and HEALTHCHECK CMD run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandForm {
    /// Text for the shell in force.
    Shell {
        text: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        heredocs: Vec<Heredoc>,
    },
    /// A JSON array.
    Exec(Vec<String>),
}

/// `<<NAME` and the lines up to `NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heredoc {
    pub name: String,
    /// The number before `<<`, 0 when there is none.
    pub file_descriptor: u32,
    /// The delimiter is not quoted: variables are expanded (by COPY and ADD; by the shell for RUN).
    pub expand: bool,
    /// `<<-`: leading tabs of each line are to be removed.
    pub chomp: bool,
    /// The lines as written; see [`Heredoc::body`].
    pub content: String,
    /// The lines in the source, without the closing delimiter.
    pub span: Span,
}

impl Heredoc {
    /// The content with leading tabs removed when the here-document is `<<-`.
    pub fn body(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// `COPY`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Copy {
    /// Never holds a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chown: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chmod: Option<Word>,
    pub link: bool,
    pub parents: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<Word>,
    pub sources: Vec<CopySource>,
    pub dest: Word,
}

/// `ADD`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Add {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chown: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chmod: Option<Word>,
    pub link: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_git_dir: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpack: Option<bool>,
    pub sources: Vec<CopySource>,
    pub dest: Word,
}

/// What COPY and ADD copy. BuildKit copies all paths before all here-documents.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CopySource {
    Path(Word),
    /// A file named by the delimiter, with [`Heredoc::body`] as content, expanded when `expand` says so.
    Heredoc(Heredoc),
}

/// `HEALTHCHECK`
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Healthcheck {
    None,
    Check(Check),
}

/// `HEALTHCHECK CMD`; options that are not given (or zero) take the engine's defaults.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    pub command: CommandForm,
}

/// `ONBUILD`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Onbuild {
    /// What the image configuration stores, here-document bodies included.
    pub expression: String,
    /// The trigger itself; absent when it would fail in every child build (a warning says why).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Box<Instruction>>,
}

/// Something to tell that is no error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    pub kind: WarningKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// An empty line inside a continued instruction (rule NoEmptyContinuation); `line` is the joined text. The
    /// span goes from the empty line to the instruction's last one, which is where BuildKit places it.
    EmptyContinuation { line: String },
    /// An ONBUILD trigger that no child build could run.
    BrokenTrigger { error: String },
    /// A flag that means nothing where it stands: those of HEALTHCHECK NONE.
    IgnoredFlag { flag: String },
}

impl WarningKind {
    /// The build check that says so, where it is one.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            WarningKind::EmptyContinuation { .. } => Some("NoEmptyContinuation"),
            WarningKind::BrokenTrigger { .. } | WarningKind::IgnoredFlag { .. } => None,
        }
    }
}

impl std::fmt::Display for WarningKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WarningKind::EmptyContinuation { line } => {
                write!(f, "empty continuation line found in: {line}")
            }
            WarningKind::BrokenTrigger { error } => {
                write!(f, "no build can run this trigger: {error}")
            }
            WarningKind::IgnoredFlag { flag } => write!(f, "`{flag}` means nothing here"),
        }
    }
}
