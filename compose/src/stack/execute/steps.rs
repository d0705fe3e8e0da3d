//! What each kind of step does.

use engine::names;
use runtime::ProcessView;
use runtime::containers::{Container, ContainerError, LogDriver};
use runtime::shim::Connection;

use super::wait::wait_for_service;
use super::{Observer, Order, Waited, hooks, resources};
use crate::model::Service;
use crate::reconcile::{Action, Condition, Record, service_joins};
use crate::stack::{
    Replica, Result, StackError, check_request, container_request, external_links, joined, labels,
};

pub(super) fn carry_out(action: &Action, order: Order<'_>, observer: &dyn Observer) -> Result<()> {
    match action {
        Action::Create { service, number, name } => {
            create(order, service, *number, name, (None, false)).map(drop)
        }
        Action::Recreate { service, number, name, id, renew_volumes } => {
            recreate(order, observer, service, *number, name, (id, *renew_volumes))
        }
        Action::Rename { id, name, .. } => rename(order, id, name),
        Action::Stop { service, id, .. } => stop(order, observer, service, id),
        Action::Remove { id, .. } => remove(order, id, order.options.remove_volumes),
        Action::Start { service, name } => start(order, observer, service, name),
        Action::Wait { service, condition, .. } => wait(order, service, *condition),
        Action::RemoveImage { image } => {
            order.host.store.untag(image, false)?;
            Ok(())
        }
        Action::Pull { image, .. } => Err(StackError::Pull { image: image.clone() }),
        Action::Unpause { id, .. } => unpause(order, id),
        // Images are brought in before anything else is planned.
        Action::Build { image, .. } => Err(StackError::Unbuilt { image: image.clone() }),
        Action::CreateNetwork { key, .. } => resources::create_network(order, key),
        Action::RemoveNetwork { name } => resources::remove_network(order, name),
        Action::CreateVolume { key, .. } => resources::create_volume(order, key),
        Action::RemoveVolume { name } => resources::remove_volume(order, name),
    }
}

/// Whether what this step is to make can be made at all, as far as the project tells: asked before anything is made.
pub(super) fn check(action: &Action, order: Order<'_>) -> Result<()> {
    let (Action::Create { service: key, number, name }
    | Action::Recreate { service: key, number, name, .. }) = action
    else {
        return Ok(());
    };
    let (project, service) = (order.project, service_of(order, key)?);
    let modes = [&service.network_mode, &service.ipc, &service.pid, &service.uts];
    // They may be made only now.
    let joins = modes.into_iter().cloned().chain(service_joins(service));
    let replica = Replica {
        project,
        service: key,
        number: *number,
        name: name.clone(),
        one_off: false,
        has_names: true,
        record: Record::default(),
        contents: order.contents,
        joins: joins.map(|name| (name, String::new())).collect(),
        links: Vec::new(),
        inherited: &[],
    };
    check_request(&replica, service)
}

fn service_of<'a>(order: Order<'a>, name: &str) -> Result<&'a Service> {
    let none = || StackError::NoContainer { service: name.to_owned() };
    order.project.service(name).ok_or_else(none)
}

/// The ID of the new container. `replaces` is the one whose place it is to take.
fn create(
    order: Order<'_>,
    key: &str,
    number: u32,
    name: &str,
    (replaces, inherits): (Option<&Container>, bool),
) -> Result<String> {
    let (host, project) = (order.host, order.project);
    let service = service_of(order, key)?;
    let image = host.image(project, key, service)?;
    host.store.mark_used(&image);
    let replica = Replica {
        project,
        service: key,
        number,
        name: name.to_owned(),
        one_off: false,
        has_names: true,
        record: Record::of_service(project, service, order.observed),
        contents: order.contents,
        joins: joined(host, project, service)?,
        links: external_links(host, project, key, service)?,
        inherited: match replaces.filter(|_| inherits) {
            Some(old) => &old.definition.volumes,
            None => &[],
        },
    };
    let mut request = container_request(&replica, service, &image)?;
    if let Some(old) = replaces {
        request.labels.push((labels::REPLACES.to_owned(), old.definition.name.clone()));
    }
    let id = names::random_id()?;
    engine::make(&host.store, &host.containers, &image, &id, &request)?;
    Ok(id)
}

/// The new one is there before the old one goes, so that what cannot be made takes nothing away; which of the two stays
/// when this is cut short, the next plan decides.
fn recreate(
    order: Order<'_>,
    observer: &dyn Observer,
    key: &str,
    number: u32,
    name: &str,
    (id, renew): (&str, bool),
) -> Result<()> {
    let Some(old) = find(order, id)? else {
        return create(order, key, number, name, (None, false)).map(drop);
    };
    let provisional = format!("{}_{name}", old.short_id());
    let new = create(order, key, number, &provisional, (Some(&old), !renew))?;
    stop(order, observer, key, id)?;
    remove(order, id, renew)?;
    rename(order, &new, name)
}

/// None for one that has gone meanwhile.
fn find(order: Order<'_>, id: &str) -> Result<Option<Container>> {
    match order.host.containers.read(id) {
        Ok(container) => Ok(Some(container)),
        Err(ContainerError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn rename(order: Order<'_>, id: &str, name: &str) -> Result<()> {
    let containers = &order.host.containers;
    let container = containers.read(id)?;
    Ok(containers.rename(&containers.lock()?, &container, name)?)
}

fn stop(order: Order<'_>, observer: &dyn Observer, service: &str, id: &str) -> Result<()> {
    let Some(container) = find(order, id)? else { return Ok(()) };
    hooks::before_stop(order, observer, service, &container)?;
    Ok(engine::stop(&container, None, order.options.stop_timeout)?)
}

/// With its anonymous volumes, or without.
fn remove(order: Order<'_>, id: &str, volumes: bool) -> Result<()> {
    let Some(container) = find(order, id)? else { return Ok(()) };
    if container.state.status.is_alive() {
        engine::end(&container)?;
    }
    let (store, containers) = (&order.host.store, &order.host.containers);
    let removed = match volumes {
        true => engine::remove_with_volumes(store, containers, &container),
        false => engine::remove(store, containers, &container),
    };
    Ok(removed?)
}

fn unpause(order: Order<'_>, id: &str) -> Result<()> {
    let Some(container) = find(order, id)? else { return Ok(()) };
    let connection = Connection::open(&container).map_err(engine::EngineError::from)?;
    Ok(connection.unpause().map_err(engine::EngineError::from)?)
}

fn start(order: Order<'_>, observer: &dyn Observer, service: &str, name: &str) -> Result<()> {
    let containers = &order.host.containers;
    let container = containers.find(name)?;
    if container.state.status.is_alive() {
        return Ok(());
    }
    let view = ProcessView::needed_by(&container.definition.spec);
    let shim = order.host.shim(container.id(), view)?;
    let definition = &container.definition;
    let attached = definition.log.driver == LogDriver::None && observer.wants_output(service);
    let streams = attached.then(|| shim.attach(false, true, !definition.terminal));
    let streams = streams.transpose().map_err(engine::EngineError::from)?;
    match (shim.begin((0, 0)), streams) {
        (Ok(connection), Some(streams)) => observer.output(name, streams, connection),
        (Ok(_), None) => {}
        (Err(error), _) => {
            // The shim of a command that was killed may have come first.
            let now = containers.settled(containers.find(name)?)?;
            if !now.is_some_and(|container| container.state.status.is_alive()) {
                return Err(engine::EngineError::from(error).into());
            }
        }
    }
    hooks::after_start(order, observer, service, container.id())
}

fn wait(order: Order<'_>, service: &str, condition: Condition) -> Result<()> {
    let waited = match condition {
        Condition::Healthy => Waited::Healthy,
        Condition::Completed => Waited::Completed,
    };
    wait_for_service(order.host, order.project, service, waited, order.interrupted)
}
