//! `rbuild login` and `rbuild logout`

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::registries::{Keeper, Kept, registries};
use cli::report::{self, Report};
use cli::{Exit, output};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use store::registry::Credential;

use crate::args::{LoginArgs, LogoutArgs};

const HUB: &str = "docker.io";
/// More than any password or token has.
const LONGEST: u64 = 1 << 20;

pub(crate) fn run(args: &LoginArgs, environment: &Environment) -> Result<Exit> {
    let registry = registry(args.server.as_deref())?;
    let (user, password) = ask(args)?;
    let credential = Credential::Password { user: user.clone(), password: password.clone() };
    registries(environment, args.tls.tls_verify)?.log_in(&registry, credential)?;
    if let Kept::File(path) = Keeper::of(environment).put(&registry, &user, &password)? {
        let text = format!("your credentials are in `{}`, not encrypted", path.display());
        Report::warning(text).hint("`credsStore` in it can name a program that keeps them").print();
    }
    output::line("Login Succeeded")?;
    Ok(Exit::Success)
}

pub(crate) fn forget(args: &LogoutArgs, environment: &Environment) -> Result<Exit> {
    let registry = registry(args.server.as_deref())?;
    let removed = Keeper::of(environment).remove(&registry)?;
    output::line(&match removed {
        true => format!("Removing login credentials for {registry}"),
        false => format!("Not logged in to {registry}"),
    })?;
    Ok(Exit::Success)
}

/// The registry as in names of images; a URL of one will do.
fn registry(server: Option<&str>) -> Result<String> {
    let Some(server) = server else { return Ok(HUB.to_owned()) };
    let bare = server.strip_prefix("https://").or(server.strip_prefix("http://"));
    let host = bare.unwrap_or(server).split('/').next().unwrap_or_default();
    if matches!(host, "index.docker.io" | "registry-1.docker.io" | HUB) {
        return Ok(HUB.to_owned());
    }
    // What could not be the registry of an image is none.
    let name: Result<store::Reference, _> = format!("{host}/x").parse();
    match name {
        Ok(name) if name.domain() == host => Ok(host.to_owned()),
        _ => bail!("`{server}` is not the name of a registry (`host[:port]`)"),
    }
}

fn ask(args: &LoginArgs) -> Result<(String, String)> {
    let terminal = io::stdin().is_terminal();
    let user = match &args.username {
        Some(user) => user.clone(),
        None if args.password_stdin || args.password.is_some() || !terminal => {
            bail!("`--username` is missing")
        }
        None => read_line("Username: ", false)?,
    };
    let password = match &args.password {
        Some(password) => password.clone(),
        None if args.password_stdin => {
            let mut text = String::new();
            let read = io::stdin().take(LONGEST).read_to_string(&mut text);
            read.context("cannot read the password from stdin")?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        None if terminal => read_line("Password: ", true)?,
        None => bail!("stdin is not a terminal: give the password with `--password-stdin`"),
    };
    if user.is_empty() || password.is_empty() {
        bail!("user name and password must not be empty");
    }
    Ok((user, password))
}

/// A line from the terminal; what is secret is not shown while it is typed.
fn read_line(prompt: &str, secret: bool) -> Result<String> {
    report::print_part(prompt);
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).ok();
    if let (true, Some(before)) = (secret, &before) {
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &quiet).context("cannot hide the password")?;
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let (true, Some(before)) = (secret, &before) {
        tcsetattr(&stdin, OptionalActions::Flush, before).context("cannot restore the terminal")?;
        report::print("");
    }
    read.context("cannot read from the terminal")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
