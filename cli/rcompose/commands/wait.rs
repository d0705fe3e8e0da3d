//! `rcompose wait`

use std::sync::mpsc::channel;
use std::thread;

use anyhow::{Context, Result, bail};
use cli::{Exit, output};

use super::down;
use super::stack::{Call, of_services};
use crate::args::{DownArgs, WaitArgs};

/// Ends with the exit code of the last that was waited for, as docker compose does.
pub(super) fn run(args: &WaitArgs, call: Call<'_>) -> Result<Exit> {
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let found = of_services(&host, &project, &args.services)?;
    if found.is_empty() {
        bail!("no containers for project \"{}\"", project.name);
    }
    let (tell, hear) = channel();
    let count = found.len();
    for member in found {
        let (tell, containers) = (tell.clone(), host.containers.clone());
        thread::spawn(move || {
            let ended = engine::wait(&containers, &member.container);
            // Who has heard enough is gone.
            let _over = tell.send((member.name().to_owned(), ended));
        });
    }
    let mut code = 0;
    for _ in 0..count {
        let (name, ended) = hear.recv().context("cannot wait for the containers")?;
        code = ended?;
        output::line(&format!("container \"{name}\" exited with status code {code}"))?;
        if args.down_project {
            down::run(&DownArgs::default(), call)?;
            break;
        }
    }
    Ok(Exit::of_code(code))
}
