//! A model of the host: carries plans out, and lets things happen.

use std::collections::{BTreeMap, BTreeSet};

use compose::model::{Project, Service};
use compose::reconcile::{
    Action, Condition, Health, ObservedContainer, ObservedObject, ObservedState, Plan, Record,
    Status,
};

#[derive(Clone, Default)]
pub(crate) struct World {
    state: ObservedState,
    /// Images that were taken away, or given another ID.
    images: BTreeMap<String, Option<String>>,
    made: usize,
}

impl World {
    /// Images and contents that nothing was said about are there.
    pub(crate) fn state_for(&self, project: &Project) -> ObservedState {
        let mut state = self.state.clone();
        for (name, service) in &project.services {
            let image = service.image_name(&project.name, name);
            let id = match self.images.get(&image) {
                Some(id) => id.clone(),
                None if service.build.is_some() => None,
                None => Some(format!("sha256:{image}-1")),
            };
            id.map(|id| state.images.insert(image, id));
        }
        for (key, config) in &project.configs {
            let digest = format!("sha256:of-{}{}", config.content, config.file);
            state.configs.entry(key.clone()).or_insert(digest);
        }
        for (key, secret) in &project.secrets {
            let digest = format!("sha256:of-{}{}", secret.file, secret.environment);
            state.secrets.entry(key.clone()).or_insert(digest);
        }
        state
    }

    pub(crate) fn carry_out(&mut self, project: &Project, plan: &Plan) {
        for step in &plan.steps {
            self.act(project, &step.action);
        }
    }

    fn act(&mut self, project: &Project, action: &Action) {
        match action {
            Action::Pull { image, .. } | Action::Build { image, .. } => {
                self.made += 1;
                self.images.insert(image.clone(), Some(format!("sha256:made-{}", self.made)));
            }
            Action::CreateNetwork { key, name } => {
                let object = ObservedObject {
                    project: Some(project.name.clone()),
                    record: Record::of_network(&project.networks[key]),
                };
                assert!(self.state.networks.insert(name.clone(), object).is_none(), "{name} twice");
            }
            Action::CreateVolume { key, name } => {
                let object = ObservedObject {
                    project: Some(project.name.clone()),
                    record: Record::of_volume(&project.volumes[key]),
                };
                assert!(self.state.volumes.insert(name.clone(), object).is_none(), "{name} twice");
            }
            Action::RemoveNetwork { name } => {
                let mut up = self.state.containers.iter().filter(|it| it.status.is_up());
                assert!(!up.any(|it| it.uses_network(name)), "a container is on {name}");
                assert!(self.state.networks.remove(name).is_some(), "{name} is not there");
            }
            Action::RemoveVolume { name } => {
                assert!(self.state.volumes.remove(name).is_some(), "{name} is not there");
            }
            Action::RemoveImage { image } => {
                self.images.insert(image.clone(), None);
            }
            Action::Create { service, number, name } => {
                self.create(project, service, *number, name)
            }
            Action::Recreate { service, number, name, id, .. } => {
                self.state.containers.retain(|it| it.id != *id);
                self.create(project, service, *number, name);
            }
            Action::Rename { id, name, .. } => self.of_id(id).name.clone_from(name),
            Action::Stop { id, .. } => {
                let container = self.of_id(id);
                assert!(container.status.is_up(), "{} does not run", container.name);
                container.status = Status::Exited(143);
            }
            Action::Remove { id, name, .. } => {
                assert!(!self.of_id(id).status.is_up(), "{name} runs");
                self.state.containers.retain(|it| it.id != *id);
            }
            Action::Unpause { id, .. } => self.of_id(id).status = Status::Running,
            Action::Start { name, .. } => {
                let container = self.of_name(name);
                assert!(!container.status.is_up(), "{name} runs already");
                container.status = Status::Running;
            }
            Action::Wait { service, condition, .. } => {
                for container in &mut self.state.containers {
                    if container.service == *service {
                        match condition {
                            Condition::Healthy => container.health = Some(Health::Healthy),
                            Condition::Completed => container.status = Status::Exited(0),
                        }
                    }
                }
            }
        }
    }

    fn create(&mut self, project: &Project, name: &str, number: u32, container: &str) {
        let service = &project.services[name];
        let state = self.state_for(project);
        for key in service.networks.keys() {
            let network = &project.networks[key].name;
            assert!(
                project.networks[key].external || state.networks.contains_key(network),
                "no {network}"
            );
        }
        assert!(state.containers.iter().all(|it| it.name != container), "{container} twice");
        self.made += 1;
        let image = state.images.get(&service.image_name(&project.name, name));
        self.state.containers.push(ObservedContainer {
            id: format!("c{}", self.made),
            name: container.to_owned(),
            service: name.to_owned(),
            number,
            one_off: false,
            status: Status::Created,
            health: None,
            image: image.expect("an image").clone(),
            record: Record::of_service(project, service, &state),
            joins: self.joins(service),
        });
    }

    fn joins(&self, service: &Service) -> BTreeSet<String> {
        let modes = [&service.network_mode, &service.ipc, &service.pid];
        let services = modes.into_iter().filter_map(|mode| mode.strip_prefix("service:"));
        let services = services.chain(service.volumes_from.iter().map(String::as_str));
        let containers = services.map(|name| {
            let mut containers = self.state.containers.iter();
            containers.find(|it| it.service == name).expect("the container joined").id.clone()
        });
        containers.collect()
    }

    fn of_id(&mut self, id: &str) -> &mut ObservedContainer {
        self.state.containers.iter_mut().find(|it| it.id == id).expect("a container of this ID")
    }

    fn of_name(&mut self, name: &str) -> &mut ObservedContainer {
        let mut containers = self.state.containers.iter_mut();
        containers.find(|it| it.name == name).unwrap_or_else(|| panic!("no container {name}"))
    }

    /// A line of `-- host --`.
    pub(crate) fn change(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["exit", name, code] => {
                self.of_name(name).status = Status::Exited(code.parse().expect("a code"));
            }
            ["pause", name] => self.of_name(name).status = Status::Paused,
            ["created", name] => self.of_name(name).status = Status::Created,
            ["unhealthy", name] => self.of_name(name).health = Some(Health::Unhealthy),
            ["remove", name] => self.state.containers.retain(|it| it.name != *name),
            ["rename", name, new] => self.of_name(name).name = (*new).to_owned(),
            ["copy", name, new] => {
                let mut copy = self.of_name(name).clone();
                (copy.id, copy.name) = (format!("{}-copy", copy.id), (*new).to_owned());
                copy.status = Status::Created;
                self.state.containers.push(copy);
            }
            ["one-off", name, service, status] => {
                self.made += 1;
                self.state.containers.push(ObservedContainer {
                    id: format!("c{}", self.made),
                    name: (*name).to_owned(),
                    service: (*service).to_owned(),
                    number: 1,
                    one_off: true,
                    status: if *status == "running" { Status::Running } else { Status::Exited(0) },
                    health: None,
                    image: String::new(),
                    record: Record::default(),
                    joins: BTreeSet::new(),
                });
            }
            ["record", name, "version", version] => {
                self.of_name(name).record.version = version.parse().expect("a version");
            }
            ["record", name, "has", attribute, value] => {
                let record = &mut self.of_name(name).record;
                record.attributes.insert((*attribute).to_owned(), (*value).to_owned());
            }
            ["record", name, "loses", attribute] => {
                self.of_name(name).record.attributes.remove(*attribute);
            }
            ["image", name, id] => {
                self.images.insert((*name).to_owned(), Some((*id).to_owned()));
            }
            ["no", "image", name] => {
                self.images.insert((*name).to_owned(), None);
            }
            ["no", "network", name] => {
                self.state.networks.remove(*name);
            }
            ["config", key, digest] => {
                self.state.configs.insert((*key).to_owned(), (*digest).to_owned());
            }
            ["secret", key, digest] => {
                self.state.secrets.insert((*key).to_owned(), (*digest).to_owned());
            }
            ["network", name, of @ ..] => {
                let object = ObservedObject {
                    project: of.first().map(|it| (*it).to_owned()),
                    ..ObservedObject::default()
                };
                self.state.networks.insert((*name).to_owned(), object);
            }
            ["volume", name, of @ ..] => {
                let object = ObservedObject {
                    project: of.first().map(|it| (*it).to_owned()),
                    ..ObservedObject::default()
                };
                self.state.volumes.insert((*name).to_owned(), object);
            }
            _ => panic!("unknown event: {line}"),
        }
    }
}
