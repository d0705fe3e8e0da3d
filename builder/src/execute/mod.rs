//! What each kind of step does.
//!
//! COPY, ADD and WORKDIR become a layer straight from what they read ([`copy`], [`workdir`]): the
//! destination is resolved on the layers' indexes ([`target`]), each file is streamed once. RUN
//! starts a container on the snapshots below ([`run`]).

mod arranged;
pub(crate) mod copy;
mod error;
mod former;
pub(crate) mod layer;
mod owners;
pub(crate) mod run;
pub(crate) mod source;
pub(crate) mod target;
pub(crate) mod workdir;

use std::sync::Arc;

use store::layer::LayerIndex;
use store::{Descriptor, DiffId};

pub use error::StepError;
pub(crate) use error::{io_error, space_for};
pub(crate) use former::FormerLayer;
pub use run::RunError;

/// A layer that was made: an uncompressed tar in the store.
#[derive(Clone, Debug)]
pub(crate) struct NewLayer {
    pub(crate) descriptor: Descriptor,
    pub(crate) index: Arc<LayerIndex>,
}

impl NewLayer {
    /// The blob is the tar itself.
    pub(crate) fn diff_id(&self) -> DiffId {
        DiffId(self.descriptor.digest)
    }
}
