//! `--ssh default|ID[=SOCKET]`

use std::ffi::OsStr;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use builder::fetch::git::Transport;
use builder::request::SshAgent;
use cli::environment::Environment;

use super::git;
use crate::args::BuildArgs;

/// Those of `--ssh`. When a context is a repository behind ssh, that of the environment comes unasked, as with docker.
pub(super) fn agents(args: &BuildArgs, environment: &Environment) -> Result<Vec<SshAgent>> {
    if !args.ssh.is_empty() {
        return args.ssh.iter().map(|text| parse(text, environment)).collect();
    }
    let named = args.build_contexts.iter().filter_map(|text| text.split_once('='));
    let context = args.context.to_string_lossy();
    let mut sources = named.map(|(_, source)| source).chain([&*context]);
    // A mistake in an address is told where it is used.
    let by_ssh = |source| {
        let found = git::repository(source).ok().flatten();
        found.is_some_and(|found| found.transport == Transport::Ssh)
    };
    let given = environment.os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty());
    match given && sources.any(by_ssh) {
        true => Ok(vec![parse("default", environment)?]),
        false => Ok(Vec::new()),
    }
}

fn parse(text: &str, environment: &Environment) -> Result<SshAgent> {
    let about = || format!("`--ssh {text}`");
    let (id, path) = match text.split_once('=') {
        Some((id, path)) => (id, Some(path)),
        None => (text, None),
    };
    let id = if id.is_empty() { "default" } else { id };
    if path.is_some_and(|path| path.contains(',')) {
        bail!("{}: only one socket can be given, and no key files or settings: {HINT}", about());
    }
    let environments = || environment.os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
    let socket = path.filter(|path| !path.is_empty()).map(OsStr::new).or_else(environments);
    let socket = socket.map(PathBuf::from).with_context(|| {
        format!("{}: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set", about())
    })?;
    let found = std::fs::metadata(&socket)
        .with_context(|| format!("{}: cannot open `{}`", about(), socket.display()))?;
    if !found.file_type().is_socket() {
        let path = socket.display();
        bail!("{}: `{path}` is no socket, and key files are not supported: {HINT}", about());
    }
    Ok(SshAgent { id: id.to_owned(), socket })
}

const HINT: &str = "add the key to an agent (`ssh-add KEY`) and give `--ssh ID`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_come_from_the_argument_or_the_environment() {
        let temp = tempfile::tempdir().unwrap();
        let (ours, other) = (temp.path().join("ours"), temp.path().join("other"));
        for path in [&ours, &other] {
            std::os::unix::net::UnixListener::bind(path).unwrap();
        }
        let environment = Environment::of([("SSH_AUTH_SOCK", ours.to_str().unwrap())]);
        let agent =
            |id: &str, socket: &PathBuf| SshAgent { id: id.to_owned(), socket: socket.clone() };
        let explicit = format!("work={}", other.display());
        for (text, expected) in [
            ("default", agent("default", &ours)),
            ("work", agent("work", &ours)),
            ("work=", agent("work", &ours)),
            (explicit.as_str(), agent("work", &other)),
        ] {
            assert_eq!(parse(text, &environment).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_agent_is_refused_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let key = temp.path().join("key");
        std::fs::write(&key, "").unwrap();
        let nothing = Environment::default();
        for (text, expected) in [
            ("default".to_owned(), "make sure SSH_AUTH_SOCK is set"),
            (format!("default={}", key.display()), "key files are not supported"),
            (format!("default={0},{0}", key.display()), "only one socket"),
            ("default=/nowhere/at/all".to_owned(), "cannot open `/nowhere/at/all`"),
        ] {
            let error = format!("{:#}", parse(&text, &nothing).unwrap_err());
            assert!(error.contains(expected) && error.contains(&text), "{error}");
        }
    }
}
