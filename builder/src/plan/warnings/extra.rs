//! Checks that BuildKit does not have (`rbuild check --extra`): mistakes in what a Dockerfile does, not in its style.
//! docs/checks.md says where each comes from.

use std::collections::BTreeMap;

use parser::ast::{CommandForm, Dockerfile, Instruction, InstructionKind, Run, Stage};
use parser::{Span, Word};
use store::Reference;

use super::shell::{self, Command};
use super::{rule, skip_by_comments, skip_by_options};
use crate::progress::Warning;
use crate::request::BuildRequest;

/// All of them, in the order of the file; none when it does not parse.
pub(crate) fn check(request: &BuildRequest) -> Vec<Warning> {
    let Ok(dockerfile) = parser::parse(&request.dockerfile.text) else { return Vec::new() };
    let mut warnings = Vec::new();
    let mut done: BTreeMap<&str, Known> = BTreeMap::new();
    let kept = kept_stages(&dockerfile, request);
    for (at, stage) in dockerfile.stages.iter().enumerate() {
        let base = stage.from.base.text.to_lowercase();
        let mut known = done.get(base.as_str()).cloned().unwrap_or_else(|| Known::of_base(&base));
        let from = warnings.len();
        if !done.contains_key(base.as_str()) && !request.named_contexts.contains_key(&base) {
            floating_base(&stage.from.base, stage.span, &mut warnings);
        }
        skip_by_comments(&stage.comments, from, &mut warnings);
        for instruction in &stage.instructions {
            let from = warnings.len();
            known.check(instruction, kept[at], &mut warnings);
            skip_by_comments(&instruction.comments, from, &mut warnings);
        }
        if let Some(name) = &stage.from.name {
            done.insert(&name.value, known);
        }
    }
    // A broken `# check=` is reported with the other rules.
    drop(skip_by_options(&dockerfile, request, &mut warnings));
    warnings
}

/// Whether the layers of each stage are in the image: those of the target and of what it starts from.
fn kept_stages(dockerfile: &Dockerfile, request: &BuildRequest) -> Vec<bool> {
    let is_called = |stage: &Stage, name: &str| {
        stage.from.name.as_ref().is_some_and(|own| own.value == name.to_lowercase())
    };
    let stages = &dockerfile.stages;
    let mut kept = vec![false; stages.len()];
    let target = request.target.as_deref();
    let named = target.and_then(|name| stages.iter().position(|stage| is_called(stage, name)));
    let mut next = named.or(stages.len().checked_sub(1));
    while let Some(at) = next {
        kept[at] = true;
        next = stages[..at].iter().rposition(|stage| is_called(stage, &stages[at].from.base.text));
    }
    kept
}

/// What the instructions so far decided.
#[derive(Clone, Debug)]
struct Known {
    /// `None`: the base's.
    shell: Option<Vec<String>>,
    has_workdir: bool,
    variables: Vec<String>,
}

impl Known {
    fn of_base(base: &str) -> Known {
        Known { shell: None, has_workdir: base == "scratch", variables: Vec::new() }
    }

    fn check(&mut self, instruction: &Instruction, kept: bool, warnings: &mut Vec<Warning>) {
        let span = instruction.span;
        match &instruction.kind {
            InstructionKind::Workdir(_) => self.has_workdir = true,
            InstructionKind::Shell(words) => self.shell = Some(words.clone()),
            InstructionKind::Env(pairs) => {
                self.variables.extend(pairs.iter().map(|pair| pair.key.text.clone()));
            }
            InstructionKind::Arg(names) => {
                self.variables.extend(names.iter().map(|arg| arg.name.text.clone()));
            }
            InstructionKind::Copy(copy) => self.relative(&copy.dest, span, warnings),
            InstructionKind::Add(add) => self.relative(&add.dest, span, warnings),
            InstructionKind::Run(run) => self.run(run, kept, span, warnings),
            _ => {}
        }
    }

    fn relative(&self, dest: &Word, span: Span, warnings: &mut Vec<Warning>) {
        let text = dest.text.trim_matches('"');
        let is_absolute = text.starts_with(['/', '$', '\\']) || text.get(1..2) == Some(":");
        if !is_absolute && !self.has_workdir {
            let message = format!(
                "{text:?} is below the working directory of the base image, which may change; set WORKDIR or write the whole path"
            );
            warnings.push(rule("CopyRelativeToBase", message, span));
        }
    }

    fn run(&self, run: &Run, kept: bool, span: Span, warnings: &mut Vec<Warning>) {
        let CommandForm::Shell { text, heredocs } = &run.command else { return };
        let shell = self.shell.as_deref().unwrap_or_default();
        let program = shell.first().map_or("sh", |path| path.rsplit('/').next().unwrap_or("sh"));
        if !matches!(program, "sh" | "bash" | "ash" | "dash" | "ksh" | "zsh") {
            return;
        }
        let bodies: Vec<String> = heredocs.iter().map(|heredoc| heredoc.body()).collect();
        if bodies.iter().any(|body| {
            body.starts_with("#!") && !body.lines().next().is_some_and(|line| line.ends_with("sh"))
        }) {
            return;
        }
        let script = match text.trim_start().starts_with("<<") {
            true => bodies.join("\n"),
            false => text.clone(),
        };
        let commands = shell::commands(&script);
        let has_pipefail = shell.iter().any(|word| word.contains("pipefail"));
        piped_download(&commands, has_pipefail, span, warnings);
        asking_install(&commands, &script, span, warnings);
        without_effect(&commands, span, warnings);
        if kept {
            let mounts = texts(&run.mounts).join("\n");
            self.kept_cache(&commands, &format!("{script}\n{mounts}"), span, warnings);
        }
    }

    /// Lists and downloads of package managers that end up in a layer of the image.
    fn kept_cache(
        &self,
        commands: &[Command],
        text: &str,
        span: Span,
        warnings: &mut Vec<Warning>,
    ) {
        let any = |names: &[&str], verbs: &[&str]| {
            commands.iter().any(|own| names.contains(&own.name()) && own.has(verbs))
        };
        let mut warn = |what: &str, remedy: &str| {
            let message = format!("{what} stay in the layer; {remedy}");
            warnings.push(rule("PackageCacheKept", message, span));
        };
        if any(&["apt-get", "apt"], &["update"]) && !text.contains("/var/lib/apt") {
            warn(
                "the package lists of apt",
                "add `rm -rf /var/lib/apt/lists/*`, or mount a cache there",
            );
        }
        let updates = any(&["apk"], &["update", "-U", "--update", "--update-cache"]);
        if updates && !text.contains("--no-cache") && !text.contains("/var/cache/apk") {
            warn("the package lists of apk", "use `apk add --no-cache`");
        }
        let installs = any(&["dnf", "yum", "microdnf"], &["install", "update", "upgrade"]);
        if installs && !any(&["dnf", "yum", "microdnf"], &["clean"]) && !text.contains("/var/cache")
        {
            warn("the package lists of dnf", "add `dnf clean all`, or mount a cache at /var/cache");
        }
        let no_cache = text.contains("--no-cache-dir") || text.contains(".cache");
        let variable = |name: &String| name == "PIP_NO_CACHE_DIR";
        let is_pip = any(&["pip", "pip3"], &["install"]);
        if is_pip
            && !no_cache
            && !self.variables.iter().any(variable)
            && !text.contains("PIP_NO_CACHE_DIR")
        {
            warn(
                "the downloads of pip",
                "use `pip install --no-cache-dir`, or mount a cache at /root/.cache",
            );
        }
    }
}

fn texts(words: &[Word]) -> Vec<String> {
    words.iter().map(|word| word.text.clone()).collect()
}

/// A name that means another image tomorrow.
fn floating_base(base: &Word, span: Span, warnings: &mut Vec<Warning>) {
    if base.text.contains('$') || base.text.eq_ignore_ascii_case("scratch") {
        return;
    }
    let Ok(reference) = base.text.parse::<Reference>() else { return };
    if reference.digest().is_none() && reference.tag() == Some("latest") {
        let message = format!(
            "`{}` is whatever has the tag `latest` on the day of the build; name a version",
            base.text
        );
        warnings.push(rule("FloatingBaseImage", message, span));
    }
}

/// The shell looks at the last program of a pipe only: half a download counts as success.
fn piped_download(
    commands: &[Command],
    has_pipefail: bool,
    span: Span,
    warnings: &mut Vec<Warning>,
) {
    let mut safe = has_pipefail;
    for command in commands {
        safe |= command.name() == "set" && command.has(&["pipefail"]);
        if !safe && command.is_piped && matches!(command.name(), "curl" | "wget") {
            let message = format!(
                "a failure of `{}` goes unnoticed, because the shell looks at the last program of the pipe only; download to a file first, or set pipefail",
                command.name()
            );
            return warnings.push(rule("PipedDownload", message, span));
        }
    }
}

/// Nobody answers during a build: the installation is given up.
fn asking_install(commands: &[Command], script: &str, span: Span, warnings: &mut Vec<Warning>) {
    let lower = script.to_lowercase().replace('-', "");
    if lower.contains("assumeyes") || commands.iter().any(|own| own.name() == "yes") {
        return;
    }
    for command in commands {
        let asks = matches!(command.name(), "apt-get" | "apt" | "yum" | "dnf");
        let installs = matches!(command.verb(), "install" | "upgrade" | "dist-upgrade" | "remove");
        let agrees = |word: &String| match word.strip_prefix("--") {
            Some(long) => matches!(long, "yes" | "download-only" | "help" | "simulate"),
            None => word.starts_with('-') && (word.contains(['y', 's', 'd']) || word == "-qq"),
        };
        if asks && installs && !command.words.iter().any(agrees) {
            let message = format!(
                "`{} {}` asks before it goes on and nobody answers during a build; add `-y`",
                command.name(),
                command.verb()
            );
            return warnings.push(rule("InstallAsks", message, span));
        }
    }
}

/// Directory, variables and functions end with the shell.
fn without_effect(commands: &[Command], span: Span, warnings: &mut Vec<Warning>) {
    const SETTINGS: [&str; 8] = ["cd", "export", "source", ".", "alias", "umask", "ulimit", "set"];
    let all =
        commands.iter().all(|command| SETTINGS.contains(&command.name()) && !command.is_piped);
    if let Some(first) = commands.first().filter(|_| all) {
        let remedy = match first.name() {
            "cd" => "use WORKDIR",
            "export" => "use ENV",
            _ => "put it into the RUN that needs it",
        };
        let message = format!(
            "`{}` ends with this RUN and has no effect on the next instruction; {remedy}",
            first.name()
        );
        warnings.push(rule("RunWithoutEffect", message, span));
    }
}
