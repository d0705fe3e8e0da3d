//! `rbuild attach`

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;
use cli::session::{self, Bond, Manner, Session};
use runtime::events::Event;
use runtime::shim::Connection;

use super::open;
use crate::args::AttachArgs;

pub(crate) fn run(args: &AttachArgs, environment: &Environment) -> Result<Exit> {
    let (store, containers) = open(environment)?;
    let container = containers.find(&args.container)?;
    let definition = &container.definition;
    let connection = Connection::open(&container)?;
    let input = definition.open_stdin && !args.no_stdin;
    let session = Session::open(Manner {
        tty: definition.terminal,
        input,
        sig_proxy: args.client.sig_proxy.unwrap_or(true),
        detach_keys: args.client.detach_keys.as_deref(),
    })?;
    let streams = connection.attach(input, true, !definition.terminal)?;
    Event::of_container(definition, "attach").note(store.state());
    if definition.terminal {
        session::draw_anew(&connection)?;
    }
    let bond = Bond { goes: definition.auto_remove, owns: false };
    session::follow(session, streams, connection, bond)
}
