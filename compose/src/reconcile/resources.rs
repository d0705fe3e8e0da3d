//! Networks and volumes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, ObservedState, Plan, Reason, ReconcileError, Record, Warning};
use crate::model::Project;

/// Keys of the networks that services in scope use.
pub(super) fn used_networks(project: &Project, scope: &BTreeSet<String>) -> BTreeSet<String> {
    let services = scope.iter().filter_map(|name| project.services.get(name));
    services.flat_map(|service| service.networks.keys().cloned()).collect()
}

/// Keys of the volumes they use.
pub(super) fn used_volumes(project: &Project, scope: &BTreeSet<String>) -> BTreeSet<String> {
    let services = scope.iter().filter_map(|name| project.services.get(name));
    let mounts = services.flat_map(|service| &service.volumes);
    let named = mounts.filter(|mount| mount.kind == "volume" && !mount.source.is_empty());
    named.map(|mount| mount.source.clone()).collect()
}

/// Adds the steps for the networks; gives the positions of those that make one, by key. `stops` are the steps
/// that take containers off networks that are made anew.
pub(super) fn add_networks(
    plan: &mut Plan,
    project: &Project,
    observed: &ObservedState,
    used: &BTreeSet<String>,
    changed: &BTreeSet<String>,
    stops: &BTreeMap<String, Vec<usize>>,
) -> Result<BTreeMap<String, usize>, ReconcileError> {
    let mut made = BTreeMap::new();
    for (key, network) in &project.networks {
        let name = network.name.clone();
        let create = || Action::CreateNetwork { key: key.clone(), name: name.clone() };
        match observed.networks.get(&name) {
            _ if !used.contains(key) && !changed.contains(key) => {}
            None if network.external => return Err(ReconcileError::NoNetwork { name }),
            None => {
                made.insert(key.clone(), plan.add(create(), Reason::Absent, Vec::new()));
            }
            Some(_) if network.external => {}
            Some(is) if is.project.as_ref() != Some(&project.name) => {
                plan.warnings.push(Warning::ForeignNetwork { name, project: is.project.clone() });
            }
            Some(is) if changed.contains(key) => {
                let changes = Record::of_network(network).changes_since(&is.record);
                let reasons = || changes.iter().cloned().map(Reason::Changed).collect();
                let after = stops.get(key).cloned().unwrap_or_default();
                let remove = Action::RemoveNetwork { name: name.clone() };
                let removed = plan.add_for(remove, reasons(), after);
                made.insert(key.clone(), plan.add_for(create(), reasons(), vec![removed]));
            }
            Some(is) => {
                let changes = Record::of_network(network).changes_since(&is.record);
                if !changes.is_empty() {
                    plan.warnings.push(Warning::NetworkStays { name, changes });
                }
            }
        }
    }
    Ok(made)
}

/// The same for volumes. One that changed stays: it holds data.
pub(super) fn add_volumes(
    plan: &mut Plan,
    project: &Project,
    observed: &ObservedState,
    used: &BTreeSet<String>,
) -> Result<BTreeMap<String, usize>, ReconcileError> {
    let mut made = BTreeMap::new();
    for (key, volume) in project.volumes.iter().filter(|(key, _)| used.contains(*key)) {
        let name = volume.name.clone();
        match observed.volumes.get(&name) {
            None if volume.external => return Err(ReconcileError::NoVolume { name }),
            None => {
                let create = Action::CreateVolume { key: key.clone(), name };
                made.insert(key.clone(), plan.add(create, Reason::Absent, Vec::new()));
            }
            Some(_) if volume.external => {}
            Some(is) if is.project.as_ref() != Some(&project.name) => {
                plan.warnings.push(Warning::ForeignVolume { name, project: is.project.clone() });
            }
            Some(is) => {
                let changes = Record::of_volume(volume).changes_since(&is.record);
                if !changes.is_empty() {
                    plan.warnings.push(Warning::VolumeChanged { name, changes });
                }
            }
        }
    }
    Ok(made)
}
