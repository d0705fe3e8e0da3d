//! `--push`: the image to the registries of its names.

use store::archive::FormOptions;
use store::registry::{PushOptions, Registries};
use store::{Descriptor, Image, Reference, Store};

use super::transfer::Teller;
use crate::error::BuildError;
use crate::export::{ExportError, output_names};
use crate::request::PushOutput;

pub(super) fn push(
    store: &Store,
    registries: &Registries,
    images: &[Image],
    names: &[Reference],
    options: &PushOutput,
    teller: Teller<'_>,
) -> Result<Option<Descriptor>, BuildError> {
    let names = output_names(names, &options.names)?;
    if names.is_empty() {
        return Err(ExportError::PushWithoutName.into());
    }
    let form = FormOptions { form: options.compression.form(), force: options.force_compression };
    let target = match images {
        [image] => image.descriptor.clone(),
        several => store.put_index(several)?,
    };
    let mut pushed = None;
    for name in &names {
        let by_digest = options.by_digest;
        let shown = if by_digest { name.name() } else { name.to_string() };
        let done = teller.tell(format!("[internal] push {shown}"), |watch| {
            registries.push(store, &target, name, &PushOptions { form, by_digest }, watch)
        });
        match done {
            Ok(done) => pushed = Some(done.manifest),
            Err(_) if teller.cancel.is_cancelled() => return Err(BuildError::Cancelled),
            Err(error) => return Err(ExportError::from(error).into()),
        }
    }
    Ok(pushed)
}
