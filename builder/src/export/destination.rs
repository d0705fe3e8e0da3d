//! Where an archive goes: stdout, or a file that has its name only once it is complete.

use std::io::{self, Write};
use std::path::Path;

use store::archive::NewFile;

use super::ExportError;
use crate::request::Destination;

/// Calls `write` with the destination opened.
pub(super) fn write_to(
    destination: &Destination,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    match destination {
        Destination::Stdout => {
            let mut stdout = io::stdout().lock();
            write(&mut stdout)?;
            stdout.flush().map_err(|source| ExportError::Stdout { source })
        }
        Destination::Path(path) => write_file(path, write),
    }
}

fn write_file(
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut file = NewFile::create(path).map_err(failed("create", path))?;
    write(&mut file)?;
    file.finish().map_err(failed("write", path))
}

pub(super) fn failed(act: &'static str, path: &Path) -> impl Fn(io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Io { act, path: path.clone(), source }
}
