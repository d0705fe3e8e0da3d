//! RUN.

use parser::ast::{CommandForm, Heredoc, Instruction, Run, RunNetwork, RunSecurity};
use parser::{Span, heredoc};

use super::mounts::agent_variable;
use super::stage::StagePlanner;
use super::step_name::{heredoc_summary, shown};
use super::{PlanError, PlanErrorKind, ResultExt};
use crate::history::{self, Layer};
use crate::image_config;
use crate::request::Entitlement;
use crate::scope;
use crate::step::{NetworkMode, RunStep, Script, Step};

/// Where a here-document that starts with `#!` is found by the process.
const SCRIPT_DIR: &str = "/dev/pipes";

/// What a RUN starts.
struct Command {
    args: Vec<String>,
    script: Option<Script>,
    /// What progress adds to the instruction.
    summary: Option<String>,
}

impl StagePlanner<'_> {
    pub(super) fn run(&mut self, instruction: &Instruction, run: &Run) -> Result<(), PlanError> {
        if !self.context.checks_only {
            self.check_supported(run)?;
        }
        let command = self.command(&run.command);
        if command.args.is_empty() {
            return Err(PlanErrorKind::NothingToRun.into());
        }
        let mounts = self.mounts(run)?;
        let request = self.context.request;
        let history = history::run_text(&command.args, &self.scope.declared_values());
        let mut env = self.scope.variables().to_env();
        env.extend(agent_variable(&mounts, &env));
        self.context.room.take(history.len())?;
        self.context.room.take_all(&env)?;
        let mut text = shown(&instruction.original, self.context.escape(), &self.scope);
        if let Some(summary) = &command.summary {
            text.push_str(&format!(" ({summary})"));
        }
        let step = RunStep {
            args: command.args,
            env,
            proxy_env: scope::proxy_environment(&self.context.build_args),
            cwd: image_config::workdir(&self.config),
            user: self.config.config.user.clone(),
            script: command.script,
            mounts,
            network: network(run, request.network),
            insecure: is_insecure(run),
            hostname: self.context.build_args.get("BUILDKIT_SANDBOX_HOSTNAME").cloned(),
            add_hosts: request.add_hosts.clone(),
            shm_size: request.shm_size,
            ulimits: request.ulimits.clone(),
        };
        self.push(Step::Run(Box::new(step)), &text, instruction.span);
        self.record(history, Layer::Made)
    }

    /// Whether this machine can do it and is allowed to.
    fn check_supported(&self, run: &Run) -> Result<(), PlanError> {
        self.check_platform()?;
        if let Some(security) = run.security.as_ref().filter(|_| is_insecure(run)) {
            self.check_allowed(Entitlement::SecurityInsecure, security.span)?;
        }
        if let Some(network) = &run.network
            && network.value == RunNetwork::Host
        {
            self.check_allowed(Entitlement::NetworkHost, network.span)?;
        }
        match run.devices.first() {
            Some(device) => {
                let feature = format!("RUN --device ({})", device.value.name);
                Err(PlanErrorKind::Unsupported { feature }).at(device.span)
            }
            None => Ok(()),
        }
    }

    /// Whether this machine or an interpreter runs the stage's programs.
    fn check_platform(&self) -> Result<(), PlanErrorKind> {
        // That of the base image, which may be another one than was asked for: its programs are what runs.
        let (platform, host) = (self.config.platform().normalized(), &self.context.host);
        if platform.runs_on(host) {
            return Ok(());
        }
        let why = match platform.os == host.os {
            true => match self.context.request.emulators.check(&platform.architecture) {
                Ok(()) => return Ok(()),
                Err(why) => Some(why),
            },
            false => None,
        };
        let (platform, host) = (platform.to_string(), host.to_string());
        Err(PlanErrorKind::ForeignRun { platform, host, why })
    }

    /// `--network=host` for the whole build allows it for each RUN, as with buildx.
    fn check_allowed(&self, entitlement: Entitlement, span: Span) -> Result<(), PlanError> {
        let request = self.context.request;
        let implied =
            entitlement == Entitlement::NetworkHost && request.network == NetworkMode::Host;
        match implied || request.allowed.contains(&entitlement) {
            true => Ok(()),
            false => Err(PlanErrorKind::NotAllowed { entitlement }).at(span),
        }
    }

    fn command(&self, form: &CommandForm) -> Command {
        let plain = |args| Command { args, script: None, summary: None };
        match form {
            CommandForm::Exec(args) => plain(args.clone()),
            CommandForm::Shell { text, heredocs } if heredocs.is_empty() => {
                plain(image_config::with_shell(&self.config, text))
            }
            CommandForm::Shell { text, heredocs } => self.heredoc_command(text, heredocs),
        }
    }

    /// `RUN <<EOF` alone is a script: for the program in its `#!` line, else for the shell. With more
    /// on the line the shell gets all of it, here-documents included.
    fn heredoc_command(&self, text: &str, heredocs: &[Heredoc]) -> Command {
        let [script] = heredocs else { return self.reassembled(text, heredocs) };
        if !is_heredoc_alone(text) {
            return self.reassembled(text, heredocs);
        }
        let content = script.body();
        let summary = Some(heredoc_summary(&script.content));
        if content.starts_with("#!") && self.config.os != "windows" {
            let path = format!("{SCRIPT_DIR}/{}", script.name);
            let args = image_config::with_shell(&self.config, &path);
            let script = Script { name: script.name.clone(), content };
            return Command { args, script: Some(script), summary };
        }
        Command { args: image_config::with_shell(&self.config, &content), script: None, summary }
    }

    fn reassembled(&self, text: &str, heredocs: &[Heredoc]) -> Command {
        let mut text = text.to_owned();
        for heredoc in heredocs {
            text.push('\n');
            text.push_str(&heredoc.content);
            text.push_str(&heredoc.name);
        }
        let args = image_config::with_shell(&self.config, &text);
        Command { args, script: None, summary: None }
    }
}

fn network(run: &Run, default: NetworkMode) -> NetworkMode {
    match run.network.as_ref().map(|network| network.value) {
        None | Some(RunNetwork::Default) => default,
        Some(RunNetwork::None) => NetworkMode::None,
        Some(RunNetwork::Host) => NetworkMode::Host,
    }
}

fn is_insecure(run: &Run) -> bool {
    run.security.as_ref().is_some_and(|security| security.value == RunSecurity::Insecure)
}

/// `<<EOF`, `3<<-"A B"`: nothing but one here-document on the line.
fn is_heredoc_alone(text: &str) -> bool {
    heredoc::parse_word(text).is_ok_and(|opener| opener.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_only_a_heredoc() {
        for yes in ["<<EOF", "3<<EOF", "<<-EOF", "<<'EOF'", "<<\"A B\""] {
            assert!(is_heredoc_alone(yes), "{yes}");
        }
        for no in ["<<EOF sh", "cat <<EOF", "<<A <<B", "<<", "echo", "<<EOF > /x"] {
            assert!(!is_heredoc_alone(no), "{no}");
        }
    }
}
