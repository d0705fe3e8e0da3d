//! `import --change`: instructions that describe an image, applied to its configuration without a build.

use parser::ast::KeyValue;
use parser::expand::{self, Expanded};
use parser::{Changes, Instruction, InstructionKind, Word, expose};
use store::{ContainerConfig, ImageConfig, Platform};

use crate::error::BuildError;
use crate::plan::{PlanError, PlanErrorKind, ResultExt};
use crate::scope::Scope;
use crate::{healthcheck, image_config};

/// The configuration that `text` describes; later lines see the ENV of earlier ones. Unlike a build, it adds no PATH
/// and no directory of its own: an imported file system has what it is given.
pub fn changed_config(platform: &Platform, text: &str) -> Result<ContainerConfig, BuildError> {
    change_config(ImageConfig::empty(platform), text)
}

/// What Dockerfile instructions make of a configuration.
pub fn change_config(config: ImageConfig, text: &str) -> Result<ContainerConfig, BuildError> {
    if text.trim().is_empty() {
        return Ok(config.config);
    }
    let Changes { escape, instructions } = parser::parse_changes(text)?;
    let mut scope = Scope::default();
    for (name, value) in config.config.env.iter().filter_map(|pair| pair.split_once('=')) {
        scope.set_env(name, value);
    }
    let mut change = Change { config, scope, escape, cmd_is_own: false };
    for instruction in &instructions {
        change.apply(instruction).at(instruction.span)?;
    }
    // That mark is BuildKit's: it means that a build made the command.
    change.config.config.args_escaped = false;
    Ok(change.config.config)
}

struct Change {
    config: ImageConfig,
    scope: Scope,
    escape: char,
    cmd_is_own: bool,
}

impl Change {
    fn apply(&mut self, instruction: &Instruction) -> Result<(), PlanError> {
        match &instruction.kind {
            InstructionKind::Cmd(command) => {
                image_config::set_cmd(&mut self.config, command);
                self.cmd_is_own = true;
            }
            InstructionKind::Entrypoint(command) => {
                image_config::set_entrypoint(&mut self.config, command, self.cmd_is_own);
            }
            InstructionKind::Env(pairs) => {
                for (name, value) in self.pairs(pairs)? {
                    image_config::set_env(&mut self.config, &name, &value);
                    self.scope.set_env(&name, &value);
                }
            }
            InstructionKind::Label(pairs) => {
                let pairs = self.pairs(pairs)?;
                self.config.config.labels.extend(pairs);
            }
            InstructionKind::Expose(words) => self.expose(words)?,
            InstructionKind::Healthcheck(check) => {
                self.config.config.healthcheck = Some(healthcheck::to_config(check));
            }
            InstructionKind::Onbuild(onbuild) => {
                self.config.config.on_build.push(onbuild.expression.clone());
            }
            InstructionKind::Stopsignal(word) => {
                let signal = self.expand(word)?.value;
                image_config::set_stop_signal(&mut self.config, &signal).at(word.span)?;
            }
            InstructionKind::User(word) => self.config.config.user = self.expand(word)?.value,
            InstructionKind::Volume(words) => {
                let volumes = words.iter().map(|word| Ok(self.expand(word)?.value));
                let volumes = volumes.collect::<Result<Vec<_>, PlanError>>()?;
                image_config::add_volumes(&mut self.config, &volumes)?;
            }
            InstructionKind::Workdir(word) => {
                let dir = self.expand(word)?.value;
                image_config::set_workdir(&mut self.config, &dir);
            }
            // The parser lets none of them through.
            InstructionKind::Add(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::Run(_)
            | InstructionKind::Shell(_) => {}
        }
        Ok(())
    }

    fn expose(&mut self, words: &[Word]) -> Result<(), PlanError> {
        for word in words {
            for spec in self.expand(word)?.words {
                let ports = expose::parse(&spec).map_err(PlanErrorKind::from).at(word.span)?;
                self.config.config.exposed_ports.extend(ports);
            }
        }
        Ok(())
    }

    fn pairs(&self, pairs: &[KeyValue]) -> Result<Vec<(String, String)>, PlanError> {
        let pair =
            |pair: &KeyValue| Ok((self.expand(&pair.key)?.value, self.expand(&pair.value)?.value));
        pairs.iter().map(pair).collect()
    }

    fn expand(&self, word: &Word) -> Result<Expanded, PlanError> {
        let expanded = expand::expand(word, self.escape, &self.scope);
        expanded.map_err(PlanErrorKind::from).at(word.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str) -> ContainerConfig {
        changed_config(&Platform::host(), text).unwrap()
    }

    fn refused(text: &str) -> String {
        changed_config(&Platform::host(), text).unwrap_err().to_string()
    }

    #[test]
    fn every_instruction_docker_allows_is_applied() {
        let config = changed(
            "ENV A=1 B=two\nENV C=$A-${B}\nCMD [\"sh\"]\nENTRYPOINT echo $C\nEXPOSE 80 53/udp\n\
             LABEL a=\"x y\"\nONBUILD RUN make\nSTOPSIGNAL SIGUSR1\nUSER app:$A\nVOLUME /v /w\n\
             WORKDIR /a\nWORKDIR b\nHEALTHCHECK --interval=5s CMD true",
        );
        assert_eq!(config.env, ["A=1", "B=two", "C=1-two"]);
        assert_eq!(config.cmd, ["sh"]);
        assert_eq!(config.entrypoint, ["/bin/sh", "-c", "echo $C"]);
        assert_eq!(config.exposed_ports.iter().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
        assert_eq!(config.labels["a"], "x y");
        assert_eq!(config.on_build, ["RUN make"]);
        assert_eq!((config.stop_signal.as_str(), config.user.as_str()), ("SIGUSR1", "app:1"));
        assert_eq!(config.volumes.iter().collect::<Vec<_>>(), ["/v", "/w"]);
        assert_eq!(config.working_dir, "/a/b");
        assert_eq!(config.healthcheck.unwrap().interval, 5_000_000_000);
        assert_eq!(changed(""), ContainerConfig::default());
    }

    #[test]
    fn others_are_refused_by_name() {
        for instruction in ["RUN", "COPY", "ADD", "ARG", "FROM", "SHELL", "MAINTAINER"] {
            let text = refused(&format!("ENV a=b\n{instruction} x y"));
            assert!(text.contains(&format!("{instruction} is not a valid change")), "{text}");
        }
        for text in ["CDM x", "STOPSIGNAL NONSENSE", "EXPOSE x", "ENV", "ONBUILD FROM x"] {
            refused(text);
        }
    }
}
