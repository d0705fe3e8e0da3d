//! A session with a container, by its shim.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::Result;
use runtime::shim::{AttachStreams, Connection};

use super::{Bond, ContainerTarget, Ends, Session};
use crate::Exit;

/// Copies and forwards until the container ends.
pub fn follow(
    session: Session,
    streams: AttachStreams,
    connection: Connection,
    bond: Bond,
) -> Result<Exit> {
    let ends = Ends {
        input: streams.input.map(|end| File::from(OwnedFd::from(end))),
        output: streams.output.map(|end| File::from(OwnedFd::from(end))),
        errors: streams.errors.map(|end| File::from(OwnedFd::from(end))),
    };
    let target = Arc::new(ContainerTarget::new(connection, bond));
    Ok(session.follow(ends, target)?.exit())
}
