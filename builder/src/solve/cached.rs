//! `--cache-from` and `--cache-to`: what is asked of caches in registries before a build, and what is sent after it.

use std::sync::{Arc, PoisonError};

use store::archive::FormOptions;
use store::registry::Registries;
use store::{Platform, Store};

use super::filesystem::Filesystem;
use super::seal::error_chain;
use super::session::StepSlots;
use super::transfer::Teller;
use crate::cache::{self, Cache, Imported, Record, StepKey};
use crate::error::BuildError;
use crate::execute::StepError;
use crate::progress::{BuildEvent, Warning};
use crate::request::{BuildRequest, CacheExport};

/// A cache that is not there, as before the first build of all, is no failure.
pub(super) fn import(
    store: &Store,
    request: &BuildRequest,
    platforms: &[Platform],
    teller: Teller<'_>,
) -> Result<Imported, BuildError> {
    let imported = Imported::new(request.registries.clone());
    let Some(registries) = &request.registries else { return Ok(imported) };
    for name in &request.cache_from {
        let title = format!("[internal] import cache {name}");
        let learned = teller.tell(title, |_| imported.learn(store, registries, name, platforms));
        match learned {
            Ok(()) => {}
            Err(_) if teller.cancel.is_cancelled() => return Err(BuildError::Cancelled),
            Err(error) => remark(teller, format!("the cache `{name}` is not used"), &error),
        }
    }
    Ok(imported)
}

/// Sends what the steps of the build made, or what it found of them.
pub(super) fn export(
    store: &Store,
    request: &BuildRequest,
    slots: &StepSlots,
    targets: &[Filesystem],
    teller: Teller<'_>,
) -> Result<(), BuildError> {
    let Some(registries) = &request.registries else { return Ok(()) };
    for wanted in &request.cache_to {
        let keys = keys(slots, targets, wanted.all);
        let sent = send(store, registries, wanted, keys, teller);
        match sent {
            Ok(()) => {}
            Err(_) if teller.cancel.is_cancelled() => return Err(BuildError::Cancelled),
            Err(error) if wanted.ignore_error => {
                remark(teller, format!("the cache was not sent to `{}`", wanted.name), &*error);
            }
            Err(source) => {
                return Err(BuildError::CacheExport { name: wanted.name.to_string(), source });
            }
        }
    }
    Ok(())
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn send(
    store: &Store,
    registries: &Registries,
    wanted: &CacheExport,
    keys: Vec<StepKey>,
    teller: Teller<'_>,
) -> Result<(), AnyError> {
    let cache = Cache::open(store)?;
    let form = FormOptions { form: wanted.compression.form(), force: false };
    let name = &wanted.name;
    let sent = teller.tell(format!("[internal] export cache {name}"), |watch| {
        cache::export(store, &cache, registries, name, keys, form, watch)
    });
    Ok(sent?)
}

/// The records of the steps whose layers the image has.
pub(super) fn of_image(
    store: &Store,
    slots: &StepSlots,
    target: &Filesystem,
) -> Result<Vec<Record>, StepError> {
    let cache = Cache::open(store)?;
    let keys = keys(slots, std::slice::from_ref(target), false);
    keys.into_iter().filter_map(|key| cache.find(key).transpose()).collect()
}

/// Of all steps, or of those whose layers are in an image.
fn keys(slots: &StepSlots, targets: &[Filesystem], all: bool) -> Vec<StepKey> {
    let slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    let mut keys = Vec::new();
    for (key, slot) in &*slots {
        let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, layer)) = &*slot else { continue };
        let of_image = || {
            let layers = targets.iter().flat_map(|target| &target.layers);
            layers.into_iter().any(|known| Arc::ptr_eq(known, layer))
        };
        if all || of_image() {
            keys.push(*key);
        }
    }
    keys
}

fn remark(teller: Teller<'_>, what: String, error: &dyn std::error::Error) {
    let text = format!("{what}: {}", error_chain(error));
    teller.progress.event(BuildEvent::Warning(Warning::remark(text)));
}
