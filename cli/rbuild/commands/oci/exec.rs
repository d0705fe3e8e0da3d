//! `exec`

use std::path::Path;

use anyhow::{Context, Result, bail};
use cli::Exit;
use runtime::oci::{self, ExecRequest, Executed, OciContainers, ProcessDocument};

use super::args::ExecArgs;
use super::log::Log;
use super::run::follow;

pub(super) fn run(containers: &OciContainers, args: &ExecArgs, log: &mut Log) -> Result<Exit> {
    for (flag, value) in [
        ("--apparmor", &args.apparmor),
        ("--process-label", &args.process_label),
        ("--cgroup", &args.cgroup),
    ] {
        if value.as_ref().is_some_and(|value| !value.is_empty()) {
            bail!("`{flag}` is not supported by this runtime");
        }
    }
    let process = match &args.process {
        Some(path) => read(path, args)?,
        None => typed(containers, args)?,
    };
    let request = ExecRequest {
        id: &args.id,
        process: &process,
        pid_file: args.program.pid_file.as_deref(),
        console_socket: args.program.console_socket.as_deref(),
        preserved: args.program.preserve_fds,
        keep_terminal: !args.detach,
    };
    let Executed { process, warnings } = oci::exec(containers, &request)?;
    log.warn_all(warnings);
    match args.detach {
        true => Ok(Exit::Success),
        false => follow(process, || Ok(())),
    }
}

fn read(path: &Path, args: &ExecArgs) -> Result<ProcessDocument> {
    if !args.command.is_empty() {
        bail!("`--process` says what is run; there is no use for `{}`", args.command.join(" "));
    }
    let text = super::read(path)?;
    let read = serde_json::from_slice::<ProcessDocument>(&text);
    let mut process = read.with_context(|| format!("cannot use `{}`", path.display()))?;
    // Who asks for a terminal gets one.
    process.terminal |= args.tty;
    Ok(process)
}

/// As the container's own program, but for what was typed.
fn typed(containers: &OciContainers, args: &ExecArgs) -> Result<ProcessDocument> {
    if args.command.is_empty() {
        bail!("name a program, or a file with one by `--process`");
    }
    let own = containers.read(&args.id)?.document()?.process;
    let mut process = own.unwrap_or_default();
    process.args = args.command.clone();
    process.terminal = args.tty;
    process.env.extend(args.env.iter().cloned());
    process.no_new_privileges |= args.no_new_privs;
    if let Some(directory) = &args.cwd {
        process.cwd = directory.clone();
    }
    if let Some(user) = &args.user {
        let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
        let number = |text: &str| {
            text.parse().with_context(|| format!("`--user {user}`: `{text}` is no number"))
        };
        (process.user.uid, process.user.gid) = (number(uid)?, number(gid)?);
    }
    process.user.additional_gids.extend(&args.additional_gids);
    if !args.cap.is_empty() {
        let sets = process.capabilities.get_or_insert_default();
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.extend(args.cap.iter().cloned());
        }
    }
    Ok(process)
}
