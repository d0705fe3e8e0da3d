//! The command line of one command without the descriptions of all the others, which take longer to make than
//! many a command takes.

use std::ffi::OsString;

use clap::{Args as _, FromArgMatches};

use super::{
    Args, BuildArgs, CreateArgs, ExecArgs, ImagesArgs, KillArgs, LogsArgs, PsArgs, RmArgs, RunArgs,
    StartArgs, StopArgs, WaitArgs, refused,
};

/// What the words say, if they begin with a command that people wait for and there is nothing wrong with them. Else whoever
/// asks has to look at all commands; so what is told about mistakes is the same for all.
pub(super) fn parse(words: &[OsString]) -> Option<Args> {
    let word = words.get(1)?.to_str()?;
    let (name, describe) = COMMANDS.iter().find(|(name, _)| *name == word)?;
    let command = refused::declare_for(name, describe(clap::Command::new(*name)));
    let root = clap::Command::new("rbuild").subcommand(command);
    let matches = root.try_get_matches_from(words).ok()?;
    if refused::find(&matches).is_some() {
        return None;
    }
    Args::from_arg_matches(&matches).ok()
}

type Describe = fn(clap::Command) -> clap::Command;

const COMMANDS: [(&str, Describe); 13] = [
    ("build", BuildArgs::augment_args),
    ("create", CreateArgs::augment_args),
    ("exec", ExecArgs::augment_args),
    ("images", ImagesArgs::augment_args),
    ("kill", KillArgs::augment_args),
    ("logs", LogsArgs::augment_args),
    ("ps", PsArgs::augment_args),
    ("restart", StopArgs::augment_args),
    ("rm", RmArgs::augment_args),
    ("run", RunArgs::augment_args),
    ("start", StartArgs::augment_args),
    ("stop", StopArgs::augment_args),
    ("wait", WaitArgs::augment_args),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        std::iter::once("rbuild").chain(line.split(' ')).map(OsString::from).collect()
    }

    #[test]
    fn it_says_what_all_commands_together_say() {
        for line in [
            "build .",
            "build -q --no-cache -t a -t b:1 --build-arg X=1 -f - --output type=oci,dest=x .",
            "build --provenance=false --load ctx",
            "run --rm -it -e A=b -v /a:/b:ro -h box --memory 10m --network none image sh -c echo",
            "run -d --name x --restart always image",
            "create --name x image true",
            "start -a x",
            "stop -t 3 x y",
            "restart x",
            "kill -s TERM x",
            "rm -f x",
            "ps -a --filter name=x --format json -n -1",
            "logs -f --tail 3 x",
            "exec -it -w /x x sh -c ls",
            "wait x",
            "images -q",
        ] {
            let words = words(line);
            let alone = parse(&words).unwrap_or_else(|| panic!("{line}"));
            let all = Args::parse_all(&words).unwrap();
            assert_eq!(format!("{alone:?}"), format!("{all:?}"), "{line}");
        }
    }

    #[test]
    fn mistakes_and_questions_are_for_all_commands() {
        for line in [
            "build",
            "build --help",
            "run",
            "run --gpus all image",
            "rm --what x",
            "df",
            "--version",
        ] {
            assert!(parse(&words(line)).is_none(), "{line}");
        }
    }
}
