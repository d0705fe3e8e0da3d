//! Which services of a project are on, and which resources they need.

use std::collections::{BTreeSet, HashSet};

use thiserror::Error;

use super::{Project, Service};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectionError {
    #[error("no such service: {name}")]
    NoSuchService { name: String, nearest: Option<String> },
}

impl Project {
    /// Enables the services that have no profile or an active one, and disables the rest.
    pub fn apply_profiles(&mut self, profiles: &[String]) {
        let mut all = std::mem::take(&mut self.services);
        all.append(&mut self.disabled_services);
        for (name, service) in all {
            let services = if service.is_in(profiles) {
                &mut self.services
            } else {
                &mut self.disabled_services
            };
            services.insert(name, service);
        }
    }

    /// Leaves the named services and what they depend on; all when none is named. A named service is enabled
    /// whatever its profiles.
    pub fn select(&mut self, names: &[String]) -> Result<(), SelectionError> {
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if let Some(service) = self.disabled_services.remove(name) {
                self.services.insert(name.clone(), service);
            }
            if !self.services.contains_key(name) {
                let known = self.services.keys().map(String::as_str);
                let nearest = crate::schema::nearest(name, known).map(str::to_owned);
                return Err(SelectionError::NoSuchService { name: name.clone(), nearest });
            }
        }
        let wanted = self.with_dependencies(names);
        let all = std::mem::take(&mut self.services);
        for (name, mut service) in all {
            if wanted.contains(&name) {
                service.depends_on.retain(|name, _| wanted.contains(name));
                self.services.insert(name, service);
            } else {
                self.disabled_services.insert(name, service);
            }
        }
        Ok(())
    }

    fn with_dependencies(&self, names: &[String]) -> BTreeSet<String> {
        let mut wanted = BTreeSet::new();
        let mut queue: Vec<&String> = names.iter().collect();
        while let Some(name) = queue.pop() {
            let Some(service) = self.services.get(name) else { continue };
            if wanted.insert(name.clone()) {
                queue.extend(service.depends_on.keys());
            }
        }
        wanted
    }

    /// Drops resources that no enabled service uses.
    pub fn drop_unused(&mut self) {
        let names = |of: &dyn Fn(&Service) -> Vec<&String>| -> HashSet<String> {
            self.services.values().flat_map(of).cloned().collect()
        };
        let networks = names(&|it| it.networks.keys().collect());
        let volumes = names(&|it| {
            it.volumes.iter().filter(|it| it.kind == "volume").map(|it| &it.source).collect()
        });
        let secrets = names(&|it| {
            let build = it.build.iter().flat_map(|build| &build.secrets);
            it.secrets.iter().chain(build).map(|it| &it.source).collect()
        });
        let configs = names(&|it| it.configs.iter().map(|it| &it.source).collect());
        let models = names(&|it| it.models.keys().collect());
        self.networks.retain(|name, _| networks.contains(name));
        self.volumes.retain(|name, _| volumes.contains(name));
        self.secrets.retain(|name, _| secrets.contains(name));
        self.configs.retain(|name, _| configs.contains(name));
        self.models.retain(|name, _| models.contains(name));
    }
}

impl Service {
    fn is_in(&self, profiles: &[String]) -> bool {
        self.profiles.is_empty()
            || profiles.iter().any(|profile| profile == "*" || self.profiles.contains(profile))
    }
}
