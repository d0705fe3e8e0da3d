//! `rbuild version`

use anyhow::Result;
use cli::{Exit, output};

pub(crate) fn run() -> Result<Exit> {
    output::line(&format!("rbuild {}", env!("CARGO_PKG_VERSION")))?;
    Ok(Exit::Success)
}
