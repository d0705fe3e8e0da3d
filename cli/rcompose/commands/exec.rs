//! `rcompose exec` and `attach`

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use cli::Exit;
use cli::session::{self, Bond, Manner, Session};
use engine::Variable;
use engine::exec::ExecRequest;
use runtime::Stdio;
use runtime::containers::Status;
use runtime::shim::Connection;

use super::run::not_started;
use super::stack::{Call, container_of};
use crate::args::{AttachArgs, ExecArgs};

pub(super) fn run(args: &ExecArgs, call: Call<'_>) -> Exit {
    exec(args, call).unwrap_or_else(|error| not_started(&error))
}

fn exec(args: &ExecArgs, call: Call<'_>) -> Result<Exit> {
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let member = container_of(&host, &project, &args.service, args.index)?;
    let container = &member.container;
    if container.state.status != Status::Running {
        bail!("service \"{}\" is not running", args.service);
    }
    let terminal =
        !args.no_tty && !args.detach && io::stdin().is_terminal() && io::stdout().is_terminal();
    let request = ExecRequest {
        command: args.command.iter().map(Into::into).collect(),
        env: variables(&args.env, &call.own_variables())?,
        user: args.user.clone(),
        working_directory: args.workdir.as_ref().map(Into::into),
        terminal,
        privileged: args.privileged,
    };
    let spec = engine::exec::program(&request, container)?;
    if args.detach {
        engine::exec::start_detached(&host.store, container, &spec)?;
        return Ok(Exit::Success);
    }
    let manner = Manner { tty: terminal, input: true, sig_proxy: true, detach_keys: None };
    let session = Session::open(manner)?;
    let stdio = match terminal {
        true => {
            let (rows, columns) = session::size();
            Stdio::Terminal { rows, columns }
        }
        false => Stdio::Pipes { stdin: true },
    };
    let execution = engine::exec::start(&host.store, container, &spec, stdio)?;
    session::follow_program(session, execution, true)
}

/// A name alone takes over what `known` says of it.
pub(super) fn variables(
    texts: &[String],
    known: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Variable>> {
    let mut variables = Vec::new();
    for text in texts {
        if text.is_empty() || text.starts_with('=') {
            bail!("`--env {text}`: the variable has no name");
        }
        variables.push(match (text.contains('='), known(text)) {
            (true, _) => Variable::Set(text.clone()),
            (false, Some(value)) => Variable::Set(format!("{text}={value}")),
            (false, None) => Variable::Removed(text.clone()),
        });
    }
    Ok(variables)
}

pub(super) fn attach(args: &AttachArgs, call: Call<'_>) -> Result<Exit> {
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let member = container_of(&host, &project, &args.service, args.index)?;
    let definition = &member.container.definition;
    let connection = Connection::open(&member.container)?;
    let input = definition.open_stdin && !args.no_stdin;
    let session = Session::open(Manner {
        tty: definition.terminal,
        input,
        sig_proxy: args.sig_proxy.unwrap_or(true),
        detach_keys: args.detach_keys.as_deref(),
    })?;
    let streams = connection.attach(input, true, !definition.terminal)?;
    if definition.terminal {
        session::draw_anew(&connection)?;
    }
    session::follow(
        session,
        streams,
        connection,
        Bond { goes: definition.auto_remove, owns: false },
    )
}
