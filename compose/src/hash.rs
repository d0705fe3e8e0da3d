//! Compose's own hash of a service: what `config --hash` prints and containers carry as a label.

use sha2::{Digest, Sha256};

use crate::model::Service;
use crate::render::{Data, Form, json_compact};

/// SHA-256 of the service as Go writes it in JSON, without what does not make a container another: how its
/// image is built and pulled, how many there are, what they depend on, its profiles.
pub fn service_hash(service: &Service) -> String {
    let mut service = service.clone();
    service.build = None;
    service.pull_policy.clear();
    service.scale = None;
    if let Some(deploy) = &mut service.deploy {
        deploy.replicas = None;
    }
    service.depends_on.clear();
    service.profiles.clear();
    let document: Data = service.document(Form::Json);
    let digest = Sha256::digest(json_compact(&document).as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
