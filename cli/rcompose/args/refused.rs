//! Flags of docker compose's command lines that `rcompose` cannot honour, and why.

use clap::{ArgMatches, Command};
use cli::refused::{self, Flag, RefusedFlag, Takes, switch, value, with};

const CLASSIC: &str = "this flag belongs to docker's classic builder";
const ATTESTATIONS: &str = "attestations are not made yet";

const BUILD: &[Flag] = &[
    value("builder", "there is no daemon to choose: the build runs in this process"),
    switch("compress", CLASSIC),
    switch("force-rm", CLASSIC),
    Flag {
        name: "memory",
        short: Some('m'),
        takes: Takes::Value,
        hint: "resource limits of RUN steps are not supported yet",
    },
    switch("no-rm", CLASSIC),
    switch("print", "there are no bake files here; `rcompose config` shows what is built"),
    value("progress", "give it before the command: `rcompose --progress MODE build`"),
    Flag { name: "provenance", short: None, takes: Takes::SwitchOrValue, hint: ATTESTATIONS },
    Flag { name: "sbom", short: None, takes: Takes::SwitchOrValue, hint: ATTESTATIONS },
];

const PULL: &[Flag] = &[
    switch("no-parallel", "docker compose has deprecated it"),
    switch("parallel", "docker compose has deprecated it"),
];

const COMMANDS: &[(&str, &[Flag])] = &[("build", BUILD), ("pull", PULL)];

/// Adds the refused flags to their commands.
pub(super) fn declare(root: Command) -> Command {
    COMMANDS
        .iter()
        .fold(root, |root, (name, flags)| root.mut_subcommand(name, |command| with(command, flags)))
}

/// The first refused flag among the arguments.
pub(super) fn find(matches: &ArgMatches) -> Option<RefusedFlag> {
    let (given, matches) = matches.subcommand()?;
    let (command, flags) = COMMANDS.iter().find(|(name, _)| *name == given)?;
    Some(RefusedFlag { program: "rcompose", command, flag: refused::find(flags, matches)? })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::CommandFactory;

    use super::*;

    /// Of docker compose 2.40.3, with those that its help does not show.
    const DOCKERS: &[(&str, &str)] = &[
        (
            "up",
            "abort-on-container-exit abort-on-container-failure always-recreate-deps attach \
            attach-dependencies build d/detach exit-code-from force-recreate menu no-attach no-build \
            no-color no-deps no-log-prefix no-recreate no-start pull quiet-build quiet-pull \
            remove-orphans V/renew-anon-volumes scale t/timeout timestamps wait wait-timeout w/watch \
            y/yes",
        ),
        ("down", "remove-orphans rmi t/timeout v/volumes"),
        (
            "create",
            "build force-recreate no-build no-recreate pull quiet-pull remove-orphans scale y/yes",
        ),
        ("start", ""),
        ("stop", "t/timeout"),
        ("restart", "no-deps t/timeout"),
        ("kill", "remove-orphans s/signal"),
        ("rm", "f/force s/stop v/volumes a/all"),
        ("ps", "a/all filter format no-trunc orphans q/quiet services status"),
        ("ls", "a/all filter format q/quiet"),
        ("logs", "f/follow index no-color no-log-prefix since n/tail t/timestamps until"),
        ("exec", "d/detach e/env index T/no-tty privileged u/user w/workdir i/interactive t/tty"),
        (
            "run",
            "build cap-add cap-drop d/detach entrypoint e/env env-from-file i/interactive l/label name \
            no-deps T/no-TTY p/publish pull q/quiet quiet-build quiet-pull remove-orphans rm \
            P/service-ports use-aliases u/user v/volume w/workdir t/tty",
        ),
        ("attach", "detach-keys index no-stdin sig-proxy"),
        ("wait", "down-project"),
        ("scale", "no-deps"),
        ("images", "format q/quiet"),
        ("pause", ""),
        ("unpause", ""),
        ("top", ""),
        ("port", "index protocol"),
        ("volumes", "format q/quiet"),
        (
            "build",
            "build-arg builder check m/memory no-cache print provenance pull push q/quiet sbom ssh \
            with-dependencies compress force-rm no-rm parallel progress",
        ),
        (
            "pull",
            "ignore-buildable ignore-pull-failures include-deps policy q/quiet parallel no-parallel",
        ),
        ("push", "ignore-push-failures include-deps q/quiet"),
        ("export", "index o/output"),
        ("commit", "a/author c/change index m/message p/pause"),
        (
            "config",
            "environment format hash images lock-image-digests models networks no-consistency \
            no-env-resolution no-interpolate no-normalize no-path-resolution o/output profiles q/quiet \
            resolve-image-digests services variables volumes",
        ),
        ("version", "f/format short"),
        ("watch", "no-up prune quiet"),
        ("stats", "a/all format no-stream no-trunc"),
        ("events", "json since until"),
        ("cp", "all a/archive L/follow-link index"),
    ];

    /// Of all commands.
    const GENERAL: &str = "all-resources ansi compatibility dry-run env-file f/file no-ansi parallel profile progress \
        project-directory p/project-name v/version workdir";

    fn is_known(command: &Command, flag: &str) -> bool {
        let (short, long) = flag.split_once('/').unwrap_or(("", flag));
        command.get_arguments().any(|arg| {
            let named = arg.get_long() == Some(long)
                || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&long));
            let short = short.chars().next();
            let same = short.is_none_or(|short| {
                let shorts = arg.get_short_and_visible_aliases();
                shorts.is_some_and(|shorts| shorts.contains(&short))
            });
            named && same
        })
    }

    #[test]
    fn every_flag_of_docker_composes_is_there_or_refused_with_a_reason() {
        let mut root = declare(super::super::Args::command());
        root.build();
        let mut unknown = Vec::new();
        for (name, flags) in DOCKERS {
            let command = root.find_subcommand(name).unwrap_or_else(|| panic!("no `{name}`"));
            let missing = flags.split(' ').filter(|it| !it.is_empty() && !is_known(command, it));
            unknown.extend(missing.map(|flag| format!("{name} --{flag}")));
        }
        unknown.extend(
            GENERAL.split(' ').filter(|it| !is_known(&root, it)).map(|it| format!("--{it}")),
        );
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn what_is_refused_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compose.md");
        let text = fs::read_to_string(path).unwrap();
        let lines = COMMANDS.iter().flat_map(|(command, flags)| {
            flags.iter().map(move |it| format!("| `{command} --{}` | {} |", it.name, it.hint))
        });
        let missing: Vec<String> = lines.filter(|line| !text.contains(line)).collect();
        assert!(missing.is_empty(), "not in docs/compose.md:\n{}", missing.join("\n"));
    }
}
