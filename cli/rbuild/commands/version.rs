//! `rbuild version`

use anyhow::Result;
use cli::format::{DocumentFormat, Shape, Struct};
use cli::{Exit, output};
use serde_json::json;
use store::Platform;

use crate::args::VersionArgs;

/// There is no daemon: as docker shows it when its own does not answer, the server is nil.
static VERSIONS: Struct = Struct {
    name: "the version",
    fields: &[("Client", Shape::Struct(&CLIENT)), ("Server", Shape::Pointer(&SERVER))],
};
static CLIENT: Struct = Struct {
    name: "the client",
    fields: &[("Version", Shape::Text), ("Os", Shape::Text), ("Arch", Shape::Text)],
};
static SERVER: Struct = Struct { name: "the server (there is no daemon)", fields: &[] };

pub(crate) fn run(args: &VersionArgs) -> Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    let text = match DocumentFormat::parse(args.format.as_deref())? {
        DocumentFormat::Indented => format!("rbuild {version}\n"),
        format => {
            let Platform { os, architecture, .. } = Platform::host();
            let client = json!({ "Version": version, "Os": os, "Arch": architecture });
            let document = json!({ "Client": client, "Server": null });
            format.one(&document, Shape::Struct(&VERSIONS))?
        }
    };
    output::write(&text)?;
    Ok(Exit::Success)
}
