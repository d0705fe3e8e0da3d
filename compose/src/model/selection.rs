//! Which services of a project are on, and which resources they need.

use std::collections::BTreeSet;

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
        let services = &self.services;
        let any = |test: &dyn Fn(&Service) -> bool| services.values().any(test);
        self.networks.retain(|name, _| any(&|it| it.networks.contains_key(name)));
        self.volumes.retain(|name, _| {
            any(&|it| it.volumes.iter().any(|it| it.kind == "volume" && it.source == *name))
        });
        self.secrets.retain(|name, _| {
            any(&|it| {
                let build = it.build.iter().flat_map(|build| &build.secrets);
                it.secrets.iter().chain(build).any(|it| it.source == *name)
            })
        });
        self.configs.retain(|name, _| any(&|it| it.configs.iter().any(|it| it.source == *name)));
        self.models.retain(|name, _| any(&|it| it.models.contains_key(name)));
    }
}

impl Service {
    fn is_in(&self, profiles: &[String]) -> bool {
        self.profiles.is_empty()
            || profiles.iter().any(|profile| profile == "*" || self.profiles.contains(profile))
    }
}
