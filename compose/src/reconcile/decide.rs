//! What becomes of each container: kept, recreated, restarted or removed, and which are missing.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ObservedContainer, ObservedState, Reason, ReconcileError, Record, Recreate, UpOptions, order,
};
use crate::model::{Project, Service};

/// By service, with the order in which services are to be brought up.
pub(super) struct Decisions<'a> {
    pub(super) order: Vec<String>,
    pub(super) scope: BTreeSet<String>,
    pub(super) services: BTreeMap<String, Decision<'a>>,
    /// Keys of networks that exist with another definition.
    pub(super) changed_networks: BTreeSet<String>,
    pub(super) orphans: Vec<&'a ObservedContainer>,
}

#[derive(Debug, Default)]
pub(super) struct Decision<'a> {
    pub(super) fates: Vec<(&'a ObservedContainer, Fate)>,
    /// Beyond the number wanted, or left by an interrupted recreation.
    pub(super) surplus: Vec<(&'a ObservedContainer, Reason)>,
    /// Numbers of replicas to create.
    pub(super) missing: Vec<u32>,
    pub(super) existing: usize,
    pub(super) wanted: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    Keep,
    Restart(Vec<Reason>),
    Recreate(Vec<Reason>),
}

impl Decision<'_> {
    /// Whether a container that there was is replaced.
    pub(super) fn recreates(&self) -> bool {
        self.fates.iter().any(|(_, fate)| matches!(fate, Fate::Recreate(_)))
    }

    pub(super) fn touches(&self) -> bool {
        self.fates.iter().any(|(_, fate)| *fate != Fate::Keep)
    }
}

/// The services meant: those named and, unless that is not wanted, what they depend on.
pub(super) fn scope(
    project: &Project,
    options: &UpOptions,
) -> Result<BTreeSet<String>, ReconcileError> {
    if options.services.is_empty() {
        return Ok(project.services.keys().cloned().collect());
    }
    let mut scope = BTreeSet::new();
    let mut waiting = options.services.clone();
    while let Some(name) = waiting.pop() {
        let Some(service) = project.services.get(&name) else {
            if options.services.contains(&name) {
                return Err(ReconcileError::NoService { service: name });
            }
            continue;
        };
        if scope.insert(name) && options.with_dependencies {
            waiting.extend(order::dependencies(service).into_keys());
        }
    }
    Ok(scope)
}

pub(super) fn decide<'a>(
    project: &'a Project,
    observed: &'a ObservedState,
    options: &UpOptions,
) -> Result<Decisions<'a>, ReconcileError> {
    let orphans = orphans(project, observed);
    let changed_networks = project.networks.iter().filter(|(_, network)| {
        let is = observed
            .networks
            .get(&network.name)
            .filter(|it| it.project.as_ref() == Some(&project.name));
        let changes =
            |it: &super::ObservedObject| Record::of_network(network).changes_since(&it.record);
        // Containers that are to stay keep their network.
        let stays = [options.recreate, options.recreate_dependencies].contains(&Recreate::Never);
        let is_on = |it: &ObservedContainer| it.status.is_up() && it.uses_network(&network.name);
        // Of services that are left out, of none, or made by `run`: only orphans go, if that is asked for.
        let goes = |it: &ObservedContainer| {
            let orphaned = options.remove_orphans && orphans.iter().any(|other| other.id == it.id);
            orphaned || !it.one_off && project.services.contains_key(&it.service)
        };
        let stays = stays || observed.containers.iter().any(|it| is_on(it) && !goes(it));
        !stays && !network.external && is.is_some_and(|it| !changes(it).is_empty())
    });
    let mut decisions = Decisions {
        order: order::sorted(project)?,
        scope: scope(project, options)?,
        services: BTreeMap::new(),
        changed_networks: changed_networks.map(|(key, _)| key.clone()).collect(),
        orphans: orphans.clone(),
    };
    for name in decisions.order.clone() {
        let context = Context { project, observed, options, decisions: &decisions };
        let decision = context.service(&name, &project.services[&name])?;
        decisions.services.insert(name, decision);
    }
    Ok(decisions)
}

/// Containers of services the project does not have, and what ended `run`s left.
fn orphans<'a>(project: &Project, observed: &'a ObservedState) -> Vec<&'a ObservedContainer> {
    let is_orphan = |it: &&ObservedContainer| match it.one_off {
        true => !it.status.is_up() && it.status != super::Status::Created,
        false => project.service(&it.service).is_none(),
    };
    observed.containers.iter().filter(is_orphan).collect()
}

struct Context<'a, 'd> {
    project: &'a Project,
    observed: &'a ObservedState,
    options: &'d UpOptions,
    /// Of the services this one may depend on.
    decisions: &'d Decisions<'a>,
}

impl<'a> Context<'a, '_> {
    fn service(&self, name: &str, service: &Service) -> Result<Decision<'a>, ReconcileError> {
        let containers =
            self.observed.containers.iter().filter(|it| it.service == name && !it.one_off);
        let mut containers: Vec<&ObservedContainer> = containers.collect();
        let in_scope = self.decisions.scope.contains(name);
        let wanted = service.replicas();
        if in_scope && wanted > 1 && !service.container_name.is_empty() {
            return Err(ReconcileError::FixedName {
                service: name.to_owned(),
                name: service.container_name.clone(),
                replicas: wanted,
            });
        }
        let mut decision = Decision { wanted: wanted.max(0) as usize, ..Decision::default() };
        if !in_scope {
            decision.wanted = containers.len();
        }
        let record = Record::of_service(self.project, service, self.observed);
        let mut judged: Vec<(&ObservedContainer, Vec<Reason>)> = Vec::new();
        containers.sort_by_key(|it| it.number);
        for container in containers {
            let reasons = self.reasons(name, service, container, &record);
            judged.push((container, reasons));
        }
        decision.surplus = take_doubles(&mut judged);
        decision.existing = judged.len();
        // What is up to date stays first, with low numbers before high ones.
        judged.sort_by_key(|(container, reasons)| {
            let stale = !reasons.is_empty() || self.is_stale(name, service, container, &record);
            (stale, container.number)
        });
        while judged.len() > decision.wanted {
            let reason = Reason::Replicas { existing: decision.existing, wanted: decision.wanted };
            decision.surplus.extend(judged.pop().map(|(container, _)| (container, reason)));
        }
        judged.sort_by_key(|(container, _)| container.number);
        let highest =
            self.observed.containers.iter().filter(|it| it.service == name && !it.one_off);
        let next = highest.map(|it| it.number).max().unwrap_or(0) + 1;
        let missing = decision.wanted - judged.len();
        decision.missing = (next..).take(missing).collect();
        for (container, reasons) in judged {
            let fate = match reasons {
                reasons if !reasons.is_empty() => Fate::Recreate(reasons),
                _ => self.restart(service, container),
            };
            decision.fates.push((container, fate));
        }
        Ok(decision)
    }

    /// Whether it is not as it would be made now, be it to stay so or not.
    fn is_stale(
        &self,
        name: &str,
        service: &Service,
        container: &ObservedContainer,
        record: &Record,
    ) -> bool {
        !record.changes_since(&container.record).is_empty()
            || self.image(name, service, container).is_some()
    }

    /// Why a container has to be recreated.
    fn reasons(
        &self,
        name: &str,
        service: &Service,
        container: &ObservedContainer,
        record: &Record,
    ) -> Vec<Reason> {
        let named =
            self.options.services.is_empty() || self.options.services.iter().any(|it| it == name);
        let policy = match named {
            true => self.options.recreate,
            false => self.options.recreate_dependencies,
        };
        let mut reasons = Vec::new();
        if policy == Recreate::Never {
            return reasons;
        }
        if self.decisions.scope.contains(name) {
            if policy == Recreate::Always {
                reasons.push(Reason::AskedFor);
            }
            reasons
                .extend(record.changes_since(&container.record).into_iter().map(Reason::Changed));
            reasons.extend(self.image(name, service, container));
        }
        for key in
            service.networks.keys().filter(|key| self.decisions.changed_networks.contains(*key))
        {
            let network = self.project.networks[key].name.clone();
            reasons.push(Reason::Recreated { network });
        }
        reasons.extend(self.joins(service, container));
        reasons
    }

    fn image(
        &self,
        name: &str,
        service: &Service,
        container: &ObservedContainer,
    ) -> Option<Reason> {
        let image = service.image_name(&self.project.name, name);
        let new = self.observed.images.get(&image)?;
        (container.image != *new)
            .then(|| Reason::Image { old: container.image.clone(), new: new.clone() })
    }

    /// Namespaces and volumes of another container are named by its ID.
    fn joins(&self, service: &Service, container: &ObservedContainer) -> Option<Reason> {
        let exists = |id: &String| self.observed.containers.iter().any(|it| it.id == *id);
        if !container.joins.iter().all(exists) {
            return Some(Reason::JoinedIsGone);
        }
        let is_replaced = |name: &String| {
            self.decisions
                .services
                .get(name)
                .is_some_and(|it| it.recreates() || it.existing == 0 && !it.missing.is_empty())
        };
        let service = order::joined(service).into_iter().find(is_replaced)?;
        Some(Reason::Joins { service })
    }

    /// `restart: true` of a dependency that is recreated or restarted.
    fn restart(&self, service: &Service, container: &ObservedContainer) -> Fate {
        let dependencies = order::dependencies(service);
        let touched = dependencies.into_iter().filter(|(name, dependency)| {
            dependency.restart && self.decisions.services.get(name).is_some_and(Decision::touches)
        });
        let reasons: Vec<Reason> = touched
            .map(|(service, _)| match self.decisions.services[&service].recreates() {
                true => Reason::DependencyRecreated { service },
                false => Reason::DependencyRestarts { service },
            })
            .collect();
        if reasons.is_empty() || !container.status.is_up() {
            Fate::Keep
        } else {
            Fate::Restart(reasons)
        }
    }
}

/// Of two containers with one number, a recreation was cut short: the one to keep is the one that is as it
/// should be, else the one with the proper name.
fn take_doubles<'a>(
    judged: &mut Vec<(&'a ObservedContainer, Vec<Reason>)>,
) -> Vec<(&'a ObservedContainer, Reason)> {
    let mut doubles = Vec::new();
    let mut at = 1;
    while at < judged.len() {
        if judged[at - 1].0.number != judged[at].0.number {
            at += 1;
            continue;
        }
        let worse = |(container, reasons): &(&ObservedContainer, Vec<Reason>)| {
            (reasons.len(), !container.status.is_up(), container.name.len())
        };
        let out = if worse(&judged[at - 1]) > worse(&judged[at]) { at - 1 } else { at };
        doubles.push((judged.remove(out).0, Reason::Interrupted));
    }
    doubles
}
