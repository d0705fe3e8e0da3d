//! Decisions as steps, and what each step waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Decision, Decisions, Fate};
use super::{
    Action, Condition, Health, ImageSteps, ObservedContainer, ObservedState, Plan, Reason,
    ReconcileError, Status, UpOptions, Warning, images, order, resources,
};
use crate::model::{Project, Service};

pub(super) fn plan(
    project: &Project,
    observed: &ObservedState,
    options: &UpOptions,
    decisions: &Decisions<'_>,
) -> Result<Plan, ReconcileError> {
    let mut planner = Planner {
        project,
        observed,
        options,
        decisions,
        plan: Plan::default(),
        images: BTreeMap::new(),
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        removed: Vec::new(),
        stopped: BTreeMap::new(),
        containers: BTreeMap::new(),
        started: BTreeMap::new(),
        waits: BTreeMap::new(),
    };
    planner.images()?;
    planner.orphans();
    planner.stops();
    planner.resources()?;
    for name in &decisions.order {
        planner.service(name, &project.services[name], &decisions.services[name])?;
    }
    Ok(planner.plan)
}

struct Planner<'a> {
    project: &'a Project,
    observed: &'a ObservedState,
    options: &'a UpOptions,
    decisions: &'a Decisions<'a>,
    plan: Plan,
    /// Steps that bring in an image, by its name.
    images: BTreeMap<String, usize>,
    /// Steps that make a network, by key.
    networks: BTreeMap<String, usize>,
    volumes: BTreeMap<String, usize>,
    /// Steps after which ports and names of orphans are free.
    removed: Vec<usize>,
    /// Steps that stop a container that is needed later, by service.
    stopped: BTreeMap<String, Vec<(String, usize)>>,
    /// Steps after which the containers of a service exist.
    containers: BTreeMap<String, Vec<usize>>,
    /// Steps after which they run.
    started: BTreeMap<String, Vec<usize>>,
    waits: BTreeMap<(String, Condition), usize>,
}

impl Planner<'_> {
    fn images(&mut self) -> Result<(), ReconcileError> {
        if self.options.images == ImageSteps::Planned {
            let (order, scope) = (&self.decisions.order, &self.decisions.scope);
            self.images = images::add(
                &mut self.plan,
                self.project,
                self.observed,
                self.options,
                order,
                scope,
            )?;
        }
        Ok(())
    }

    fn orphans(&mut self) {
        if !self.options.remove_orphans {
            let orphans = self.decisions.orphans.iter().filter(|it| !it.one_off);
            let names: Vec<String> = orphans.map(|it| it.name.clone()).collect();
            if !names.is_empty() {
                self.plan.warnings.push(Warning::Orphans { names });
            }
            return;
        }
        for container in &self.decisions.orphans {
            let reason = if container.one_off { Reason::OneOff } else { Reason::Orphan };
            let removed = self.plan.remove(container, reason, Vec::new());
            self.removed.push(removed);
        }
    }

    /// Containers that go down anyway, dependents first: those whose dependency is replaced or restarted, and
    /// those on a network that is made anew.
    fn stops(&mut self) {
        for name in self.decisions.order.iter().rev() {
            let service = &self.project.services[name];
            let touches =
                |it: &String| self.decisions.services.get(it).is_some_and(Decision::touches);
            let dependency = order::dependencies(service).into_keys().find(touches);
            let mut networks = service.networks.keys();
            let is_on_changed = networks.any(|key| self.decisions.changed_networks.contains(key));
            let after = self.stops_of_dependents(name);
            for (container, fate) in &self.decisions.services[name].fates {
                let reasons = match (fate, &dependency) {
                    (Fate::Restart(reasons), _) => reasons.clone(),
                    (Fate::Recreate(_), Some(service)) => {
                        vec![Reason::BeforeItsDependency { service: service.clone() }]
                    }
                    (Fate::Recreate(reasons), None) if is_on_changed => reasons.clone(),
                    _ => continue,
                };
                if !container.status.is_up() {
                    continue;
                }
                let stop = Action::Stop {
                    service: name.clone(),
                    id: container.id.clone(),
                    name: container.name.clone(),
                };
                let step = self.plan.add_for(stop, reasons, after.clone());
                self.stopped.entry(name.clone()).or_default().push((container.id.clone(), step));
            }
        }
    }

    fn stops_of_dependents(&self, name: &str) -> Vec<usize> {
        let depends = |other: &&String| {
            order::dependencies(&self.project.services[*other]).contains_key(name)
        };
        let dependents = self.stopped.keys().filter(depends);
        dependents.flat_map(|it| &self.stopped[it]).map(|(_, step)| *step).collect()
    }

    fn resources(&mut self) -> Result<(), ReconcileError> {
        let scope = &self.decisions.scope;
        let mut stops: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (name, stopped) in &self.stopped {
            for key in self.project.services[name].networks.keys() {
                stops.entry(key.clone()).or_default().extend(stopped.iter().map(|(_, step)| *step));
            }
        }
        let all = self.options.all_resources;
        let used = match all {
            true => self.project.networks.keys().cloned().collect(),
            false => resources::used_networks(self.project, scope),
        };
        let changed = &self.decisions.changed_networks;
        self.networks = resources::add_networks(
            &mut self.plan,
            self.project,
            self.observed,
            &used,
            changed,
            &stops,
        )?;
        let used = match all {
            true => self.project.volumes.keys().cloned().collect(),
            false => resources::used_volumes(self.project, scope),
        };
        self.volumes = resources::add_volumes(&mut self.plan, self.project, self.observed, &used)?;
        Ok(())
    }

    fn service(
        &mut self,
        name: &str,
        service: &Service,
        decision: &Decision<'_>,
    ) -> Result<(), ReconcileError> {
        if service.provider.is_some() {
            return Ok(());
        }
        for (container, reason) in &decision.surplus {
            let after = self.stops_of_dependents(name);
            let removed = self.plan.remove(container, reason.clone(), after);
            if *reason == Reason::Interrupted {
                self.removed.push(removed);
            }
        }
        let mut to_start = Vec::new();
        for (container, fate) in &decision.fates {
            to_start.extend(self.container(name, service, container, fate));
        }
        for number in &decision.missing {
            let container_name = self.container_name(name, service, *number);
            let create = Action::Create {
                service: name.to_owned(),
                number: *number,
                name: container_name.clone(),
            };
            let reason = match decision.wanted {
                1 => Reason::Absent,
                wanted => Reason::Replicas { existing: decision.existing, wanted },
            };
            let step = self.plan.add(create, reason, self.needs(name, service));
            self.containers.entry(name.to_owned()).or_default().push(step);
            to_start.push((container_name, Some(step), vec![Reason::IsNew]));
        }
        if self.options.start && !to_start.is_empty() {
            let after = self.dependencies(name, service)?;
            for (container, step, reasons) in to_start {
                let start = Action::Start { service: name.to_owned(), name: container };
                let after = after.iter().copied().chain(step).collect();
                let step = self.plan.add_for(start, reasons, after);
                self.started.entry(name.to_owned()).or_default().push(step);
            }
        }
        Ok(())
    }

    /// Steps for one that is there; its name, the step before and the reasons if it is to be started.
    fn container(
        &mut self,
        name: &str,
        service: &Service,
        container: &ObservedContainer,
        fate: &Fate,
    ) -> Option<(String, Option<usize>, Vec<Reason>)> {
        let in_scope = self.decisions.scope.contains(name);
        let stopped = self.stopped.get(name).into_iter().flatten();
        let stopped = stopped.filter(|(id, _)| *id == container.id).map(|(_, step)| *step).next();
        let proper = self.container_name(name, service, container.number);
        match fate {
            Fate::Recreate(reasons) => {
                let mut after = self.needs(name, service);
                after.extend(stopped);
                after.extend(self.stops_of_dependents(name));
                let recreate = Action::Recreate {
                    service: name.to_owned(),
                    number: container.number,
                    name: proper.clone(),
                    id: container.id.clone(),
                    renew_volumes: self.options.renew_volumes,
                };
                let step = self.plan.add_for(recreate, reasons.clone(), after);
                self.containers.entry(name.to_owned()).or_default().push(step);
                let starts = in_scope || container.status.is_up();
                starts.then(|| (proper, Some(step), vec![Reason::IsNew]))
            }
            Fate::Restart(reasons) => Some((container.name.clone(), stopped, reasons.clone())),
            Fate::Keep => {
                let renamed = (container.name != proper && in_scope).then(|| {
                    let rename = Action::Rename {
                        id: container.id.clone(),
                        from: container.name.clone(),
                        name: proper.clone(),
                    };
                    self.plan.add(rename, Reason::Interrupted, self.removed.clone())
                });
                if container.status == Status::Paused && in_scope && self.options.start {
                    let unpause =
                        Action::Unpause { id: container.id.clone(), name: container.name.clone() };
                    let step =
                        self.plan.add(unpause, Reason::NotRunning(container.status), Vec::new());
                    self.started.entry(name.to_owned()).or_default().push(step);
                }
                let name = if renamed.is_some() { proper } else { container.name.clone() };
                let starts = in_scope && !container.status.is_up();
                starts.then(|| (name, renamed, vec![Reason::NotRunning(container.status)]))
            }
        }
    }

    fn container_name(&self, name: &str, service: &Service, number: u32) -> String {
        match service.container_name.as_str() {
            "" => self.project.container_name(name, number),
            fixed => fixed.to_owned(),
        }
    }

    /// Steps that a new container of the service waits for.
    fn needs(&self, name: &str, service: &Service) -> Vec<usize> {
        let image = self.images.get(&service.image_name(&self.project.name, name));
        let networks = service.networks.keys().filter_map(|key| self.networks.get(key));
        let volumes = service.volumes.iter().filter_map(|mount| self.volumes.get(&mount.source));
        let mut steps: Vec<usize> =
            image.into_iter().chain(networks).chain(volumes).copied().collect();
        for other in order::joined(service) {
            let made = self.containers.get(&other).into_iter().chain(self.started.get(&other));
            steps.extend(made.flatten());
        }
        steps
    }

    /// Steps that starting a container of the service waits for.
    fn dependencies(
        &mut self,
        name: &str,
        service: &Service,
    ) -> Result<Vec<usize>, ReconcileError> {
        let mut after = self.removed.clone();
        for (dependency, terms) in order::dependencies(service) {
            if !self.decisions.scope.contains(&dependency) {
                self.check_outside(name, &dependency, terms.required)?;
                after.extend(self.started.get(&dependency).into_iter().flatten());
                continue;
            }
            let condition = match terms.condition.as_str() {
                "service_healthy" => Condition::Healthy,
                "service_completed_successfully" => Condition::Completed,
                _ => {
                    after.extend(self.started.get(&dependency).into_iter().flatten());
                    continue;
                }
            };
            if self.is_met(&dependency, condition) {
                continue;
            }
            after.push(self.wait(name, &dependency, condition, terms.required));
        }
        Ok(after)
    }

    /// A dependency that is not brought up: left out on purpose, disabled by its profile, or not there.
    fn check_outside(
        &self,
        name: &str,
        dependency: &str,
        required: bool,
    ) -> Result<(), ReconcileError> {
        let exists = self.project.services.contains_key(dependency);
        if exists || !required || !self.options.with_dependencies {
            return Ok(());
        }
        let why = match self.project.disabled_services.contains_key(dependency) {
            true => "no active profile enables",
            false => "the project does not have",
        };
        let (service, dependency) = (name.to_owned(), dependency.to_owned());
        Err(ReconcileError::Dependency { service, dependency, why })
    }

    /// Whether nothing has to be waited for.
    fn is_met(&self, name: &str, condition: Condition) -> bool {
        let containers: Vec<&ObservedContainer> = self
            .observed
            .containers
            .iter()
            .filter(|it| it.service == name && !it.one_off)
            .collect();
        let is_met = |it: &&ObservedContainer| match condition {
            Condition::Healthy => it.health == Some(Health::Healthy) && it.status.is_up(),
            Condition::Completed => it.status == Status::Exited(0),
        };
        !self.started.contains_key(name) && !containers.is_empty() && containers.iter().all(is_met)
    }

    /// One step for all that wait for the same.
    fn wait(
        &mut self,
        name: &str,
        dependency: &str,
        condition: Condition,
        required: bool,
    ) -> usize {
        let key = (dependency.to_owned(), condition);
        if let Some(at) = self.waits.get(&key) {
            let step = &mut self.plan.steps[*at];
            if let Action::Wait { required: all, .. } = &mut step.action {
                *all |= required;
            }
            if let Some(Reason::DependsOn { services }) = step.reasons.first_mut() {
                services.push(name.to_owned());
            }
            return *at;
        }
        let wait = Action::Wait { service: dependency.to_owned(), condition, required };
        let reason = Reason::DependsOn { services: vec![name.to_owned()] };
        let after = self.started.get(dependency).cloned().unwrap_or_default();
        let at = self.plan.add(wait, reason, after);
        self.waits.insert(key, at);
        at
    }
}

/// Networks that containers of the project may use.
pub(super) fn own_networks(project: &Project) -> BTreeSet<String> {
    let own = project.networks.values().filter(|network| !network.external);
    own.map(|network| network.name.clone()).collect()
}
