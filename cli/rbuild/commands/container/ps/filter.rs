//! `--filter` of `rbuild ps`. Filters of different names must all fit; of several of one name one must, but all labels.

use std::collections::HashSet;

use anyhow::{Context, Result, bail};
use runtime::MountSource;
use runtime::containers::{Container, HealthStatus, Status};
use runtime::network::{ContainerPort, parse_exposed};
use store::Store;

use super::super::super::times::{self, Instant};

const NAMES: &str = "`ancestor`, `before`, `exited`, `expose`, `health`, `id`, `label`, `name`, `network`, `publish`, `since`, `status` and `volume`";

#[derive(Debug, Default)]
pub(super) struct Filter {
    ids: Vec<String>,
    names: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    statuses: Vec<String>,
    exited: Vec<i32>,
    healths: Vec<String>,
    /// Image IDs.
    ancestors: Option<HashSet<String>>,
    before: Option<Instant>,
    since: Option<Instant>,
    volumes: Vec<String>,
    networks: Vec<String>,
    published: Vec<PortExpression>,
    exposed: Vec<PortExpression>,
}

/// `80`, `80/udp`, `8000-8010/tcp`: any of these ports of the container.
type PortExpression = Vec<ContainerPort>;

impl Filter {
    /// Containers and images that are named in filters are looked up.
    pub(super) fn of(texts: &[String], store: &Store, all: &[Container]) -> Result<Filter> {
        let mut filter = Filter::default();
        for text in texts {
            filter
                .add(text, store, all)
                .with_context(|| format!("cannot use `--filter {text}`"))?;
        }
        Ok(filter)
    }

    fn add(&mut self, text: &str, store: &Store, all: &[Container]) -> Result<()> {
        let (name, value) = text.split_once('=').context("it is not of the form name=value")?;
        let (name, value) = (name.trim().to_lowercase(), value.trim().to_owned());
        match name.as_str() {
            "id" => self.ids.push(value),
            "name" => self.names.push(value.trim_start_matches('/').to_owned()),
            "label" => self.labels.push(match value.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (value, None),
            }),
            "status" => {
                const KNOWN: [&str; 7] =
                    ["created", "restarting", "running", "removing", "paused", "exited", "dead"];
                if !KNOWN.contains(&value.as_str()) {
                    bail!("`{value}` is no status; known are {}", KNOWN.join(", "));
                }
                self.statuses.push(value);
            }
            "exited" => self.exited.push(value.parse().context("its value is no exit code")?),
            "health" => {
                const KNOWN: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];
                if !KNOWN.contains(&value.as_str()) {
                    bail!("`{value}` is no health; known are {}", KNOWN.join(", "));
                }
                self.healths.push(value);
            }
            "ancestor" => {
                let ids = self.ancestors.get_or_insert_default();
                // An image that is not there has no containers.
                if let Ok(image) = store.resolve(&value) {
                    ids.insert(image.id().to_string());
                }
            }
            "before" => self.before = Some(made(all, &value)?),
            "since" => self.since = Some(made(all, &value)?),
            "volume" => self.volumes.push(value),
            "network" => self.networks.push(value),
            "publish" => self.published.push(parse_exposed(&value)?),
            "expose" => self.exposed.push(parse_exposed(&value)?),
            _ => bail!("the filters are {NAMES}"),
        }
        Ok(())
    }

    /// Docker shows containers that do not run when a filter can only mean them.
    pub(super) fn asks_for_ended(&self) -> bool {
        !self.statuses.is_empty() || !self.exited.is_empty()
    }

    pub(super) fn admits(&self, container: &Container) -> bool {
        let definition = &container.definition;
        let state = &container.state;
        let created = times::instant(Some(&definition.created));
        any(&self.ids, |id| container.id().starts_with(id.as_str()))
            && any(&self.names, |name| definition.name.contains(name.as_str()))
            && self.labels.iter().all(|(name, value)| {
                definition
                    .labels
                    .get(name)
                    .is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
            })
            && any(&self.statuses, |status| state.status.word() == status)
            && any(&self.exited, |code| state.status == Status::Exited && state.exit_code == *code)
            && any(&self.healths, |health| self::health(container) == health)
            && self.ancestors.as_ref().is_none_or(|ids| ids.contains(&definition.image.id))
            && self.before.is_none_or(|moment| created < moment)
            && self.since.is_none_or(|moment| created > moment)
            && any(&self.volumes, |volume| has_volume(container, volume))
            && any(&self.networks, |network| definition.network_names().contains(&network.as_str()))
            && any(&self.published, |ports| {
                ports.iter().any(|port| state.ports.iter().any(|bound| bound.container == *port))
            })
            && any(&self.exposed, |ports| {
                let published = definition.network.ports.iter().map(|port| port.container);
                let all: Vec<ContainerPort> =
                    definition.network.exposed.iter().copied().chain(published).collect();
                ports.iter().any(|port| all.contains(port))
            })
    }
}

/// Whether one fits, where there are any.
fn any<T>(wanted: &[T], fits: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}

fn health(container: &Container) -> &'static str {
    match &container.state.health {
        Some(health) if container.state.status == Status::Running => health.status.word(),
        _ if container.definition.health.is_some() => HealthStatus::Starting.word(),
        _ => "none",
    }
}

fn has_volume(container: &Container, volume: &str) -> bool {
    if container.definition.volumes.iter().any(|used| used.name == volume) {
        return true;
    }
    container.definition.spec.mounts.iter().any(|mount| {
        let source = match &mount.source {
            MountSource::Path { source, .. } => source.to_str(),
            _ => None,
        };
        mount.target.to_str() == Some(volume) || source == Some(volume)
    })
}

fn made(all: &[Container], text: &str) -> Result<Instant> {
    let mut found = all
        .iter()
        .filter(|container| container.definition.name == text || container.id().starts_with(text));
    match (found.next(), found.next()) {
        (Some(container), None) => Ok(times::instant(Some(&container.definition.created))),
        (None, _) => bail!("there is no container `{text}`"),
        _ => bail!("`{text}` may be several containers"),
    }
}
