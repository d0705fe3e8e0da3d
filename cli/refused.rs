//! Flags of docker's command lines that cannot be honoured. They are known by name, so that the answer is a reason and never
//! "unexpected argument" or, worse, silence.

use std::fmt;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// A flag the user gave and which is not supported.
#[derive(Clone, Copy, Debug)]
pub struct RefusedFlag {
    pub program: &'static str,
    pub command: &'static str,
    pub flag: &'static Flag,
}

impl fmt::Display for RefusedFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {} --{}` is not supported", self.program, self.command, self.flag.name)
    }
}

impl RefusedFlag {
    pub fn hint(&self) -> &'static str {
        self.flag.hint
    }
}

#[derive(Debug)]
pub struct Flag {
    pub name: &'static str,
    pub short: Option<char>,
    pub takes: Takes,
    /// Why, or what to do instead.
    pub hint: &'static str,
}

/// What follows the flag on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Value,
    /// A switch. `--flag=false` asks for what happens anyway, so it is accepted.
    Switch,
    /// As `Switch`, but it may also carry a specification: `--provenance=mode=max`.
    SwitchOrValue,
}

pub const fn value(name: &'static str, hint: &'static str) -> Flag {
    Flag { name, short: None, takes: Takes::Value, hint }
}

pub const fn switch(name: &'static str, hint: &'static str) -> Flag {
    Flag { name, short: None, takes: Takes::Switch, hint }
}

/// Adds them to a command, whose help has them at its end, each with the reason.
pub fn with(command: Command, flags: &'static [Flag]) -> Command {
    let reasons: String =
        flags.iter().map(|flag| format!("\n  --{}: {}", flag.name, flag.hint)).collect();
    let command = command.args(flags.iter().map(argument));
    command.after_long_help(format!("Flags of docker's that are not supported:{reasons}"))
}

pub fn argument(flag: &'static Flag) -> Arg {
    let mut arg = Arg::new(flag.name).long(flag.name).hide(true).action(ArgAction::Append);
    if let Some(short) = flag.short {
        arg = arg.short(short);
    }
    match flag.takes {
        Takes::Value => arg.num_args(1),
        Takes::Switch | Takes::SwitchOrValue => {
            arg.num_args(0..=1).require_equals(true).default_missing_value("true")
        }
    }
}

/// The first of them that was given.
pub fn find(flags: &'static [Flag], matches: &ArgMatches) -> Option<&'static Flag> {
    flags.iter().find(|flag| asks_for(flag, matches))
}

fn asks_for(flag: &Flag, matches: &ArgMatches) -> bool {
    if matches.value_source(flag.name) != Some(ValueSource::CommandLine) {
        return false;
    }
    let mut values = matches.get_many::<String>(flag.name).into_iter().flatten();
    flag.takes == Takes::Value || values.any(|value| !matches!(value.as_str(), "false" | "0"))
}
