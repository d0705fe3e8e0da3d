//! Which networks are listed and removed: docker's filters. Those of different names must all fit; of several of
//! one name one must, but all labels.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use runtime::containers::Containers;
use runtime::network::{Networks, is_predefined};

use super::super::labels::Label;
use super::super::times::{self, Instant};
use super::{DRIVER, SCOPE};

/// A network of the list; `host` and `none`, which are always there, among them.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) driver: &'static str,
    pub(super) created: String,
    pub(super) internal: bool,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) builtin: bool,
    /// A container is on it, running or not.
    pub(super) used: bool,
}

pub(super) fn lines(networks: &Networks, containers: &Containers) -> Result<Vec<Line>> {
    let mut used: Vec<String> = Vec::new();
    for container in containers.list()? {
        used.extend(container.definition.network_names().into_iter().map(str::to_owned));
    }
    let builtin = |name: &str, driver| Line {
        id: networks.builtin_id(name),
        name: name.to_owned(),
        driver,
        created: String::new(),
        internal: false,
        labels: BTreeMap::new(),
        builtin: true,
        used: used.iter().any(|used| used == name),
    };
    let mut all = vec![builtin("host", "host"), builtin("none", "null")];
    all.extend(networks.list()?.into_iter().map(|network| Line {
        builtin: is_predefined(&network.name),
        used: used.contains(&network.name),
        id: network.id,
        name: network.name,
        driver: DRIVER,
        created: network.created,
        internal: network.internal,
        labels: network.labels,
    }));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

#[derive(Debug, Default)]
pub(super) struct Filter {
    names: Vec<String>,
    ids: Vec<String>,
    drivers: Vec<String>,
    scopes: Vec<String>,
    labels: Vec<(Label, bool)>,
    dangling: Vec<bool>,
    builtin: Vec<bool>,
    before: Option<Instant>,
}

impl Filter {
    pub(super) fn of(texts: &[String]) -> Result<Filter> {
        let mut filter = Filter::default();
        for text in texts {
            filter.add(text).with_context(|| format!("cannot use `--filter {text}`"))?;
        }
        Ok(filter)
    }

    /// Of `prune`, which knows fewer.
    pub(super) fn of_prune(texts: &[String]) -> Result<Filter> {
        let known = ["until=", "label=", "label!="];
        match texts.iter().find(|text| !known.iter().any(|name| text.starts_with(name))) {
            Some(text) => {
                bail!(
                    "cannot use `--filter {text}`: the filters are `until=`, `label=` and `label!=`"
                )
            }
            None => Filter::of(texts),
        }
    }

    fn add(&mut self, text: &str) -> Result<()> {
        let (name, value) = text.split_once('=').context("it is not of the form name=value")?;
        match name {
            "name" => self.names.push(value.to_owned()),
            "id" => self.ids.push(value.to_owned()),
            "driver" => self.drivers.push(value.to_owned()),
            "scope" => self.scopes.push(value.to_owned()),
            "label" => self.labels.push((Label::parse(value), true)),
            "label!" => self.labels.push((Label::parse(value), false)),
            "dangling" => self.dangling.push(match value {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => bail!("its value is neither `true` nor `false`"),
            }),
            "type" => self.builtin.push(match value {
                "builtin" => true,
                "custom" => false,
                _ => bail!("its value is neither `builtin` nor `custom`"),
            }),
            "until" => {
                let moment = times::moment(value, std::time::SystemTime::now());
                self.before = Some(moment.context("its value is no time and no duration")?);
            }
            _ => bail!(
                "the filters are `dangling`, `driver`, `id`, `label`, `name`, `scope` and `type`"
            ),
        }
        Ok(())
    }

    pub(super) fn admits(&self, line: &Line) -> bool {
        let any = |texts: &[String], fits: &dyn Fn(&String) -> bool| {
            texts.is_empty() || texts.iter().any(fits)
        };
        any(&self.names, &|part| line.name.contains(part.as_str()))
            && any(&self.ids, &|part| line.id.contains(part.as_str()))
            && any(&self.drivers, &|driver| driver == line.driver)
            && any(&self.scopes, &|scope| scope == SCOPE)
            && self.labels.iter().all(|(label, wanted)| label.is_among(&line.labels) == *wanted)
            && (self.dangling.is_empty() || self.dangling.contains(&(!line.used && !line.builtin)))
            && (self.builtin.is_empty() || self.builtin.contains(&line.builtin))
            && self.before.is_none_or(|before| times::instant(Some(&line.created)) < before)
    }
}
