//! The host as the plan needs to know it.

use std::collections::BTreeMap;

use engine::volumes::{Volume, Volumes};
use runtime::containers::{Container, HealthStatus, Status as State};
use runtime::network::NetworkDefinition;
use store::StoreError;

use super::contents::{Content, Contents};
use super::members::{Member, members};
use super::{Host, Result, labels};
use crate::model::Project;
use crate::reconcile::{Health, ObservedContainer, ObservedObject, ObservedState, Status};

/// What there is of the project, and what it uses.
pub fn observe(host: &Host, project: &Project, contents: &Contents) -> Result<ObservedState> {
    let images = images(host, project)?;
    Ok(ObservedState { images, ..observe_without_images(host, project, contents)? })
}

/// The same for those who make nothing of images. It writes nothing, and so works on a disk that is full.
pub fn observe_without_images(
    host: &Host,
    project: &Project,
    contents: &Contents,
) -> Result<ObservedState> {
    let digests = |contents: &BTreeMap<String, Content>| {
        contents.iter().map(|(key, content)| (key.clone(), content.digest())).collect()
    };
    let containers = settled(host, members(host, &project.name)?)?;
    Ok(ObservedState {
        images: BTreeMap::new(),
        configs: digests(&contents.configs),
        secrets: digests(&contents.secrets),
        networks: networks(host)?,
        volumes: volumes(host)?,
        containers: containers.iter().map(observed).collect(),
    })
}

/// What a command that was killed has begun with them is done first.
fn settled(host: &Host, members: Vec<Member>) -> Result<Vec<Member>> {
    let mut settled = Vec::with_capacity(members.len());
    for member in members {
        if let Some(container) = host.containers.settled(member.container)? {
            settled.push(Member { container, ..member });
        }
    }
    Ok(settled)
}

/// All there are: one that a project only uses may be anybody's.
fn networks(host: &Host) -> Result<BTreeMap<String, ObservedObject>> {
    let networks = engine::networks_of(&host.store)?.list().map_err(engine::EngineError::from)?;
    let observed = |network: NetworkDefinition| {
        let (project, record) =
            (network.labels.get(labels::PROJECT).cloned(), labels::record_of(&network.labels));
        (network.name, ObservedObject { project, record })
    };
    Ok(networks.into_iter().map(observed).collect())
}

/// The same of volumes.
fn volumes(host: &Host) -> Result<BTreeMap<String, ObservedObject>> {
    let volumes = Volumes::of(&host.store).and_then(|volumes| volumes.list());
    let volumes = volumes.map_err(engine::EngineError::from)?.into_iter();
    let observed = |volume: Volume| {
        let (project, record) =
            (volume.labels.get(labels::PROJECT).cloned(), labels::record_of(&volume.labels));
        (volume.name, ObservedObject { project, record })
    };
    Ok(volumes.map(observed).collect())
}

fn images(host: &Host, project: &Project) -> Result<BTreeMap<String, String>> {
    let mut images = BTreeMap::new();
    let services = project.services.iter().chain(&project.disabled_services);
    let names = services.flat_map(|(name, service)| {
        let mounted = service.volumes.iter().filter(|mount| mount.kind == "image");
        let mounted = mounted.map(|mount| mount.source.clone());
        mounted.chain([service.image_name(&project.name, name)])
    });
    for image in names {
        if images.contains_key(&image) {
            continue;
        }
        match host.store.resolve(&image) {
            Ok(found) => {
                images.insert(image, found.id().to_string());
            }
            Err(StoreError::ImageNotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(images)
}

fn observed(member: &Member) -> ObservedContainer {
    let (container, identity) = (&member.container, &member.identity);
    ObservedContainer {
        id: container.id().to_owned(),
        name: container.definition.name.clone(),
        service: identity.service.clone(),
        number: identity.number,
        one_off: identity.one_off,
        status: status(container),
        health: container.state.health.as_ref().map(|health| match health.status {
            HealthStatus::Starting => Health::Starting,
            HealthStatus::Healthy => Health::Healthy,
            HealthStatus::Unhealthy => Health::Unhealthy,
        }),
        image: container.definition.image.id.clone(),
        record: identity.record.clone(),
        joins: identity.joins.clone(),
    }
}

pub fn status(container: &Container) -> Status {
    match container.state.status {
        State::Created => Status::Created,
        State::Running => Status::Running,
        State::Paused => Status::Paused,
        State::Restarting => Status::Restarting,
        State::Exited => Status::Exited(container.state.exit_code),
    }
}
