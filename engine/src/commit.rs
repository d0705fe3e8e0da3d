//! A container's writable layer on top of its image, as a new image.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use runtime::containers::{Container, HealthCheck};
use runtime::events::Event;
use store::layer::{LayerError, LayerWriter, write_layer};
use store::{
    ChainId, ContainerConfig, Descriptor, DiffId, Healthcheck, History, Image, ImageConfig,
    NewImage, Reference, Store, media_type,
};

use crate::changes::Changes;
use crate::define::DEFAULT_PATH;
use crate::values::signal;
use crate::{EngineError, Result};

/// What the new image says about itself.
#[derive(Clone, Debug)]
pub struct CommitRequest {
    pub names: Vec<Reference>,
    pub author: String,
    pub message: String,
    /// RFC 3339.
    pub created: String,
    /// How it is run: [`committed_config`], or what was made of it.
    pub config: ContainerConfig,
}

/// Makes an image of the image's layers and one more with the container's changes.
pub fn commit(
    store: &Store,
    container: &Container,
    changes: &Changes,
    request: &CommitRequest,
) -> Result<Image> {
    let failed = |source| EngineError::Changes { id: container.short_id().to_owned(), source };
    let mut writer = LayerWriter::new(store.blob_writer()?);
    write_layer(&changes.index, &changes.dir, &mut writer).map_err(failed)?;
    let (mut blob, index) = writer.finish().map_err(failed)?;
    blob.flush().map_err(|source| failed(LayerError::Write { source }))?;
    let info = blob.finish()?;
    let below = &changes.image;
    let diff_id = DiffId(info.digest);
    store.put_layer_index(ChainId::on(below.config.chain_id(), diff_id), Arc::new(index))?;
    let mut layers = below.manifest.layers.clone();
    layers.push(Descriptor::new(media_type::LAYER_TAR, info.digest, info.size));
    let config = image_config(container, &below.config, diff_id, request);
    let image = store.put_image(&NewImage {
        config: &config,
        layers: &layers,
        annotations: &BTreeMap::new(),
        names: &request.names,
    })?;
    let event = Event::of_container(&container.definition, "commit");
    event.with("imageID", image.id()).note(store.state());
    Ok(image)
}

fn image_config(
    container: &Container,
    below: &ImageConfig,
    diff_id: DiffId,
    request: &CommitRequest,
) -> ImageConfig {
    let mut config = below.clone();
    config.config = request.config.clone();
    config.author = request.author.clone();
    config.created = Some(request.created.clone());
    config.rootfs.diff_ids.push(diff_id);
    let definition = &container.definition;
    let words = definition.entrypoint.iter().chain(&definition.command);
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    config.history.push(History {
        created: Some(request.created.clone()),
        created_by: words.join(" "),
        author: request.author.clone(),
        comment: request.message.clone(),
        ..History::default()
    });
    config
}

/// How the container is run, as an image says it: the image's words, with what was said otherwise when it was made.
pub fn committed_config(container: &Container, image: &ImageConfig) -> ContainerConfig {
    let definition = &container.definition;
    let spec = &definition.spec;
    let texts = |words: &[std::ffi::OsString]| {
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    };
    let mut config = image.config.clone();
    config.env = own_variables(container, image);
    config.entrypoint = texts(&definition.entrypoint);
    config.cmd = texts(&definition.command);
    config.user = spec.user.clone();
    let directory = spec.cwd.to_string_lossy().into_owned();
    if !(config.working_dir.is_empty() && directory == "/") {
        config.working_dir = directory;
    }
    config.labels = definition.labels.clone();
    let anonymous = definition.volumes.iter().filter(|used| used.anonymous);
    config.volumes.extend(anonymous.map(|used| used.target.to_string_lossy().into_owned()));
    if !(config.stop_signal.is_empty() && definition.stop_signal == signal::TERM) {
        config.stop_signal = signal::name(definition.stop_signal);
    }
    config.healthcheck = match (&definition.health, &image.config.healthcheck) {
        (Some(check), _) => Some(health_check(check)),
        (None, None) => None,
        (None, Some(_)) => {
            Some(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() })
        }
    };
    // Triggers are for who builds on the image that names them.
    config.on_build = Vec::new();
    config
}

/// Without those that every container gets.
fn own_variables(container: &Container, image: &ImageConfig) -> Vec<String> {
    let spec = &container.definition.spec;
    let given =
        [DEFAULT_PATH.to_owned(), format!("HOSTNAME={}", spec.hostname), "TERM=xterm".to_owned()];
    let is_own =
        |variable: &&String| image.config.env.contains(variable) || !given.contains(variable);
    spec.env.iter().filter(is_own).cloned().collect()
}

fn health_check(check: &HealthCheck) -> Healthcheck {
    let nanos = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
    Healthcheck {
        test: check.test.clone(),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        start_period: nanos(check.start_period),
        start_interval: nanos(check.start_interval),
        retries: i64::from(check.retries),
        ..Healthcheck::default()
    }
}
