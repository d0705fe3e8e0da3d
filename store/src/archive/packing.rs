//! [`Packing`]: a layer that is compressed while it is written, for whoever is going to ask for that form.

use std::fmt;
use std::io::{self, Write};

use super::forms::LayerForm;
use crate::blob::BlobWriter;
use crate::descriptor::Descriptor;
use crate::digest::DiffId;
use crate::error::Result;
use crate::layer::compress::Compressor;
use crate::open::Store;

/// Takes the bytes of a plain layer. Dropped without [`Packing::finish`], it leaves nothing.
pub struct Packing {
    store: Store,
    form: LayerForm,
    encoder: Compressor<BlobWriter>,
}

impl Store {
    /// None if that is the form in which layers are written anyway.
    pub fn packing(&self, form: LayerForm) -> Result<Option<Packing>> {
        if form == LayerForm::Plain {
            return Ok(None);
        }
        let encoder = self.encoder(form)?;
        Ok(Some(Packing { store: self.clone(), form, encoder }))
    }
}

impl Packing {
    /// `plain` is what all these bytes turned out to be.
    pub fn finish(self, plain: &Descriptor) -> Result<()> {
        let Packing { store, form, encoder } = self;
        store.keep_form(plain, DiffId(plain.digest), form, encoder).map(drop)
    }
}

impl Write for Packing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packing").field("form", &self.form).finish_non_exhaustive()
    }
}
