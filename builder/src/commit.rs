//! From the last state of the target stage to an image in the store.

use std::collections::BTreeMap;

use runtime::events::Event;
use store::{
    ChainId, Descriptor, DiffId, Digest, History, Image, ImageConfig, NewImage, Reference, Store,
};

use crate::cache::{Cache, Record, inline};
use crate::clamp::clamped;
use crate::execute::StepError;
use crate::history::rfc3339;
use crate::plan::BuildPlan;
use crate::solve::filesystem::Filesystem;

/// The parts of an image, before it gets its names.
#[derive(Debug)]
pub(crate) struct Parts {
    config: ImageConfig,
    layers: Vec<Descriptor>,
}

/// Puts the parts together. With `clamp`, no file of ours is newer than SOURCE_DATE_EPOCH. The configuration tells of the
/// steps that are `told`.
pub(crate) fn parts(
    store: &Store,
    filesystem: &Filesystem,
    plan: &BuildPlan,
    clamp: bool,
    told: Option<&[Record]>,
) -> Result<Parts, StepError> {
    let epoch = plan.source_date_epoch;
    let cache = Cache::open(store)?;
    let base = filesystem.base.as_ref().map(|base| &base.image);
    let mut layers: Vec<Descriptor> =
        base.map(|image| image.manifest.layers.clone()).unwrap_or_default();
    let mut diff_ids: Vec<DiffId> =
        base.map(|image| image.config.rootfs.diff_ids.clone()).unwrap_or_default();
    let mut times = Vec::new();
    // A snapshot is for the layers it was made on.
    let mut as_made = true;
    for layer in &filesystem.layers {
        let made = layer.sealed()?;
        let sealed = match epoch.filter(|_| clamp) {
            Some(epoch) => clamped(store, &cache, &made, epoch)?,
            None => made.clone(),
        };
        as_made &= sealed.diff_id == made.diff_id;
        diff_ids.push(sealed.diff_id);
        if sealed.is_new()
            && let Some(chain) = ChainId::of(&diff_ids)
        {
            store.put_layer_index(chain, sealed.index()?)?;
            if let Some(snapshot) = layer.snapshot().filter(|_| as_made) {
                store.set_snapshot_of_chain(chain, &snapshot)?;
            }
        }
        layers.push(sealed.descriptor);
        times.push(epoch.unwrap_or(layer.created));
    }
    let mut config = plan.stages[plan.target.0].config.clone();
    config.rootfs.diff_ids = diff_ids;
    let inherited = base.map_or(0, |image| image.config.history.len());
    set_times(&mut config, inherited, &times, epoch);
    if let Some(records) = told {
        inline::tell(&mut config, records, epoch)?;
    }
    Ok(Parts { config, layers })
}

/// The image of the parts for each platform, without a name: it lives as long as the build.
pub(crate) fn nameless(store: &Store, parts: &[Parts]) -> Result<Vec<Image>, StepError> {
    let annotations = BTreeMap::new();
    let write = |parts| Ok(store.write_image(&new_image(parts, &annotations, &[]))?);
    parts.iter().map(write).collect()
}

/// What was committed.
#[derive(Debug)]
pub(crate) struct Committed {
    /// For each platform, in the order of the request.
    pub(crate) images: Vec<Image>,
    /// What the names lead to: the manifest, or the index of several.
    pub(crate) descriptor: Descriptor,
}

/// Makes an image of the parts for each platform and gives it its names.
pub(crate) fn commit(
    store: &Store,
    parts: &[Parts],
    names: &[Reference],
) -> Result<Committed, StepError> {
    let annotations = BTreeMap::new();
    if let [parts] = parts {
        let image = store.put_image(&new_image(parts, &annotations, names))?;
        note(store, image.id(), parts, names);
        return Ok(Committed { descriptor: image.descriptor.clone(), images: vec![image] });
    }
    let all: Vec<NewImage<'_>> =
        parts.iter().map(|parts| new_image(parts, &annotations, names)).collect();
    let (descriptor, images) = store.put_images(&all, names)?;
    note(store, descriptor.digest, &parts[0], names);
    Ok(Committed { images, descriptor })
}

/// As docker tells of builds: that there is an image, and each of its names.
fn note(store: &Store, id: Digest, parts: &Parts, names: &[Reference]) {
    let labels = &parts.config.config.labels;
    Event::of_image(id, id, labels, "create").note(store.state());
    for name in names {
        Event::of_image(id, name.familiar(), labels, "tag").note(store.state());
    }
}

fn new_image<'a>(
    Parts { config, layers }: &'a Parts,
    annotations: &'a BTreeMap<String, String>,
    names: &'a [Reference],
) -> NewImage<'a> {
    NewImage { config, layers, annotations, names }
}

/// A layer's line says when the layer was made, another line when the layer before it was: so a build
/// answered from the cache makes the same bytes.
fn set_times(config: &mut ImageConfig, inherited: usize, times: &[i64], epoch: Option<i64>) {
    let inherited = inherited.min(config.history.len());
    let (base, own) = config.history.split_at_mut(inherited);
    let first = times.first().map(|time| rfc3339(*time));
    let mut last = base.iter().rev().find_map(|line| line.created.clone()).or(first);
    let mut times = times.iter();
    for line in own.iter_mut() {
        set_time(line, &mut times, &mut last);
    }
    config.created = match epoch {
        Some(epoch) => Some(rfc3339(epoch)),
        None => last,
    };
}

fn set_time(line: &mut History, times: &mut std::slice::Iter<'_, i64>, last: &mut Option<String>) {
    if !line.empty_layer
        && let Some(time) = times.next()
    {
        *last = Some(rfc3339(*time));
    }
    if line.created.is_none() {
        line.created = last.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(empty_layer: bool, created: Option<&str>) -> History {
        History { empty_layer, created: created.map(str::to_owned), ..History::default() }
    }

    #[test]
    fn lines_without_layer_take_the_time_of_the_layer_before() {
        let mut config = ImageConfig {
            history: vec![
                line(false, Some("base")),
                line(true, None),
                line(false, None),
                line(true, None),
            ],
            ..ImageConfig::default()
        };
        set_times(&mut config, 1, &[86_400], None);
        let times: Vec<_> =
            config.history.iter().map(|line| line.created.clone().unwrap()).collect();
        assert_eq!(times, ["base", "base", "1970-01-02T00:00:00Z", "1970-01-02T00:00:00Z"]);
        assert_eq!(config.created.as_deref(), Some("1970-01-02T00:00:00Z"));
    }

    #[test]
    fn without_base_the_first_layer_gives_the_time() {
        let mut config = ImageConfig {
            history: vec![line(true, None), line(false, None)],
            ..ImageConfig::default()
        };
        set_times(&mut config, 0, &[0], None);
        assert_eq!(config.history[0].created.as_deref(), Some("1970-01-01T00:00:00Z"));
    }
}
