//! A project on this host: what there is of it, and making it as a plan says.
//!
//! | file           | what                                                            |
//! |----------------|-----------------------------------------------------------------|
//! | `labels.rs`    | by which labels containers are found again                       |
//! | `members.rs`   | the containers of a project                                      |
//! | `contents.rs`  | what configs and secrets hold                                    |
//! | `external.rs`  | configs and secrets that no project owns                         |
//! | `observe.rs`   | the host as [`crate::reconcile`] needs to know it                 |
//! | `build.rs`     | what `build` says to a [`builder::BuildRequest`]                 |
//! | `request/`     | a service to an [`engine::ContainerRequest`]                      |
//! | `execute/`     | a plan, carried out: at once what does not wait for each other    |
//! | `watch/`       | which changes of files mean what                                 |
//!
//! See `docs/decisions/0011`.

pub mod build;
mod contents;
mod error;
pub mod execute;
mod external;
pub mod labels;
mod members;
mod observe;
mod request;
pub mod watch;

use std::path::Path;

use runtime::ProcessView;
use runtime::containers::Containers;
use runtime::shim::{NewShim, ShimMaker, ShimOrder};
use store::{Image, Platform, Store};

use crate::model::{Project, Service};

pub use contents::{Content, Contents};
pub use error::StackError;
pub use external::{ExternalError, ExternalKind, Externals};
pub use members::{Member, external_links, joined, members, projects};
pub use observe::{observe, observe_without_images, status};
pub use request::{Replica, check_request, container_request};

pub(crate) type Result<T, E = StackError> = std::result::Result<T, E>;

/// Where projects live: a store and its containers.
#[derive(Debug)]
pub struct Host {
    pub store: Store,
    pub containers: Containers,
    shims: Option<ShimMaker>,
}

impl Host {
    /// To look at it only.
    pub fn open(root: &Path, state: &Path) -> Result<Host> {
        let store = Store::open(root, state)?;
        let containers = engine::recovered_containers(&store)?;
        Ok(Host { store, containers, shims: None })
    }

    /// To start containers as well. Before any thread exists.
    pub fn open_to_start(root: &Path, state: &Path) -> Result<Host> {
        let shims = ShimMaker::fork(root, state).map_err(engine::EngineError::from)?;
        Ok(Host { shims: Some(shims), ..Host::open(root, state)? })
    }

    /// The image of a service's containers, of the platform that the service asks for.
    pub fn image(&self, project: &Project, key: &str, service: &Service) -> Result<Image> {
        let name = service.image_name(&project.name, key);
        let none = |source| StackError::NoImage {
            service: key.to_owned(),
            image: name.clone(),
            source: Box::new(source),
        };
        if service.platform.is_empty() {
            return self.store.resolve(&name).map_err(none);
        }
        let wrong = |source| StackError::Attribute {
            service: key.to_owned(),
            attribute: "`platform`".to_owned(),
            source: Box::new(source),
        };
        let wanted: Platform = service.platform.parse().map_err(wrong)?;
        let image = self.store.resolve_for(&name, &wanted).map_err(none)?;
        if image.platform().runs_on(&wanted) {
            return Ok(image);
        }
        Err(StackError::Platform {
            service: key.to_owned(),
            offered: image.platform().to_string(),
            image: name,
            wanted: service.platform.clone(),
        })
    }

    /// A shim for a container, by any thread.
    pub fn shim(&self, id: &str, processes: ProcessView) -> Result<NewShim> {
        let made = match &self.shims {
            Some(maker) => maker.make(id, processes),
            None => {
                let (root, state) = (self.store.root(), self.store.state());
                NewShim::fork(ShimOrder {
                    root,
                    state,
                    id,
                    processes,
                    traced: false,
                    usual: None,
                    main: None,
                })
            }
        };
        Ok(made.map_err(engine::EngineError::from)?)
    }
}
