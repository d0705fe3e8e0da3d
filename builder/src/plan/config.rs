//! The instructions that only change the configuration, and WORKDIR.

use parser::ast::{ArgDecl, CommandForm, Healthcheck, Instruction, KeyValue, Onbuild};
use parser::{Word, expand, expose};

use super::stage::StagePlanner;
use super::step_name::shown;
use super::warnings;
use super::{Argument, PlanError, PlanErrorKind, ResultExt};
use crate::history::{self, Layer};
use crate::step::{Step, WorkdirStep};
use crate::{healthcheck, image_config};

impl StagePlanner<'_> {
    pub(super) fn cmd(
        &mut self,
        instruction: &Instruction,
        command: &CommandForm,
    ) -> Result<(), PlanError> {
        warnings::check_json_form(instruction, command, &self.config, &mut self.warnings);
        image_config::set_cmd(&mut self.config, command);
        self.cmd_is_own = true;
        self.note(format!("CMD {}", history::quoted_list(&self.config.config.cmd)))
    }

    pub(super) fn entrypoint(
        &mut self,
        instruction: &Instruction,
        command: &CommandForm,
    ) -> Result<(), PlanError> {
        warnings::check_json_form(instruction, command, &self.config, &mut self.warnings);
        image_config::set_entrypoint(&mut self.config, command, self.cmd_is_own);
        let words = history::quoted_list(&self.config.config.entrypoint);
        self.note(format!("ENTRYPOINT {words}"))
    }

    pub(super) fn maintainer(&mut self, name: &Word) -> Result<(), PlanError> {
        self.config.author = name.text.clone();
        self.note(format!("MAINTAINER {}", name.text))
    }

    pub(super) fn shell(&mut self, words: &[String]) -> Result<(), PlanError> {
        self.config.config.shell = words.to_vec();
        self.note(format!("SHELL [{}]", words.join(" ")))
    }

    pub(super) fn arg(
        &mut self,
        instruction: &Instruction,
        declarations: &[ArgDecl],
    ) -> Result<(), PlanError> {
        let mut shown = Vec::new();
        for declaration in declarations {
            let name = declaration.name.text.as_str();
            warnings::check_secret("ARG", name, instruction.span, &mut self.warnings);
            let value = self.arg_value(declaration)?;
            self.take_argument(instruction, declaration, value.as_deref());
            shown.push(match &value {
                Some(value) => format!("{name}={value}"),
                None => name.to_owned(),
            });
            self.scope.declare(name, value);
        }
        self.note(format!("ARG {}", shown.join(" ")))
    }

    /// `--build-arg`, else the default, else the global ARG of the same name.
    fn arg_value(&mut self, declaration: &ArgDecl) -> Result<Option<String>, PlanError> {
        let name = declaration.name.text.as_str();
        if let Some(value) = self.context.build_args.get(name) {
            return Ok(Some(value.clone()));
        }
        match &declaration.default {
            Some(default) => self.expand(default).map(Some),
            None => Ok(self.context.globals.get(name).map(str::to_owned)),
        }
    }

    /// For the outline: one that only takes over a global ARG is that one.
    fn take_argument(
        &mut self,
        instruction: &Instruction,
        declaration: &ArgDecl,
        value: Option<&str>,
    ) {
        let name = declaration.name.text.clone();
        let given = self.context.build_args.contains_key(&name);
        if declaration.default.is_none() && !given && value.is_some() {
            self.arguments.globals.insert(name);
            return;
        }
        self.arguments.declared.push(Argument {
            name,
            value: value.map(str::to_owned),
            description: declaration.description.clone(),
            span: self.place(instruction),
        });
    }

    pub(super) fn env(
        &mut self,
        instruction: &Instruction,
        pairs: &[KeyValue],
    ) -> Result<(), PlanError> {
        let pairs = self.expand_pairs(instruction, pairs)?;
        let mut text = "ENV".to_owned();
        for (name, value) in &pairs {
            warnings::check_secret("ENV", name, instruction.span, &mut self.warnings);
            // The scope holds every variable of the configuration: a new name needs no search there.
            match self.scope.variables().get(name) {
                Some(_) => image_config::set_env(&mut self.config, name, value),
                None => self.config.config.env.push(format!("{name}={value}")),
            }
            self.scope.set_env(name, value);
            text.push_str(&format!(" {name}={value}"));
        }
        self.note(text)
    }

    pub(super) fn label(
        &mut self,
        instruction: &Instruction,
        pairs: &[KeyValue],
    ) -> Result<(), PlanError> {
        let pairs = self.expand_pairs(instruction, pairs)?;
        let mut text = "LABEL".to_owned();
        for (name, value) in pairs {
            text.push_str(&format!(" {name}={value}"));
            self.config.config.labels.insert(name, value);
        }
        self.note(text)
    }

    /// All pairs see the variables as they were before the instruction.
    fn expand_pairs(
        &mut self,
        instruction: &Instruction,
        pairs: &[KeyValue],
    ) -> Result<Vec<(String, String)>, PlanError> {
        warnings::check_legacy_pairs(instruction, pairs, &mut self.warnings);
        let mut expanded = Vec::new();
        for pair in pairs {
            expanded.push((self.expand(&pair.key)?, self.expand(&pair.value)?));
        }
        Ok(expanded)
    }

    pub(super) fn expose(
        &mut self,
        instruction: &Instruction,
        words: &[Word],
    ) -> Result<(), PlanError> {
        let mut words = words.to_vec();
        words.sort_by(|a, b| a.text.cmp(&b.text));
        let mut specs = Vec::new();
        for word in &words {
            // As with BuildKit, a variable nobody has set is no warning here: the port is just not there.
            let expanded = expand::expand(word, self.context.escape(), &self.scope);
            let expanded = expanded.map_err(PlanErrorKind::from).at(word.span)?;
            self.context.room.take(expanded.value.len()).at(word.span)?;
            specs.extend(expanded.words);
        }
        let mut ports = Vec::new();
        for spec in &specs {
            ports.extend(expose::parse(spec).map_err(PlanErrorKind::from)?);
        }
        warnings::check_ports(instruction, &specs, &mut self.warnings);
        self.config.config.exposed_ports.extend(ports.iter().cloned());
        self.note(format!("EXPOSE [{}]", ports.join(" ")))
    }

    pub(super) fn healthcheck(&mut self, check: &Healthcheck) -> Result<(), PlanError> {
        let check = healthcheck::to_config(check);
        let text = format!("HEALTHCHECK {}", healthcheck::for_history(&check));
        self.config.config.healthcheck = Some(check);
        self.note(text)
    }

    /// Only stored; BuildKit writes no history for it.
    pub(super) fn onbuild(&mut self, onbuild: &Onbuild) -> Result<(), PlanError> {
        self.config.config.on_build.push(onbuild.expression.clone());
        Ok(())
    }

    pub(super) fn stop_signal(&mut self, word: &Word) -> Result<(), PlanError> {
        let signal = self.expand(word)?;
        image_config::set_stop_signal(&mut self.config, &signal).at(word.span)?;
        self.note(format!("STOPSIGNAL {signal}"))
    }

    pub(super) fn user(&mut self, word: &Word) -> Result<(), PlanError> {
        self.config.config.user = self.expand(word)?;
        self.note(format!("USER {}", self.config.config.user))
    }

    pub(super) fn volume(&mut self, words: &[Word]) -> Result<(), PlanError> {
        let volumes = words.iter().map(|word| self.expand(word)).collect::<Result<Vec<_>, _>>()?;
        image_config::add_volumes(&mut self.config, &volumes)?;
        self.note(format!("VOLUME [{}]", volumes.join(" ")))
    }

    pub(super) fn workdir(
        &mut self,
        instruction: &Instruction,
        word: &Word,
    ) -> Result<(), PlanError> {
        let written = self.expand(word)?;
        if !self.workdir_is_absolute && !written.starts_with('/') {
            warnings::relative_workdir(&written, instruction.span, &mut self.warnings);
        }
        self.workdir_is_absolute = true;
        image_config::set_workdir(&mut self.config, &written);
        let path = image_config::workdir(&self.config);
        let mut layer = Layer::None;
        if path != "/" {
            let user = self.config.config.user.clone();
            let step = WorkdirStep { path, user, created: self.context.epoch };
            let text = shown(&instruction.original, self.context.escape(), &self.scope);
            self.push(Step::Workdir(step), &text, instruction.span);
            layer = Layer::Made;
        }
        let dir = self.config.config.working_dir.replace('\\', "/");
        self.record(format!("WORKDIR {dir}"), layer)
    }
}
