//! The cache in the image itself (`--cache-to type=inline`): its configuration tells which steps made its layers.
//!
//! A field of the configuration that nobody else reads, as BuildKit has one (`moby.buildkit.cache.v0`) for its own graph.
//! Of a step there is what cannot be known without having run it; the rest is known to who has the same step.

use serde::{Deserialize, Serialize};
use store::{Descriptor, DiffId, ImageConfig};

use super::{Record, StepKey};
use crate::execute::StepError;

const FIELD: &str = "rbuild.cache.v1";
/// What is told here is about one image and not about those that are built on it.
const OTHERS: &str = "moby.buildkit.";

/// A layer of the image, and the step that made it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) key: String,
    pub(super) diff_id: DiffId,
    pub(super) created: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) same_as: Option<StepKey>,
}

impl Line {
    /// Of the step itself it tells nothing.
    pub(super) fn record(self, descriptor: Descriptor) -> Record {
        let Line { key, diff_id, created, same_as } = self;
        Record {
            schema: Record::SCHEMA,
            key,
            parent: String::new(),
            name: String::new(),
            created,
            diff_id,
            descriptor,
            snapshot: None,
            step: serde_json::Value::Null,
            same_as,
            platform: None,
            written: None,
            sum: None,
        }
    }
}

/// Adds the records of the layers that the configuration lists, in their order.
/// With `epoch` in place of the times when they were made, as everywhere in such an image.
pub(crate) fn tell(
    config: &mut ImageConfig,
    records: &[Record],
    epoch: Option<i64>,
) -> Result<(), StepError> {
    let place = |record: &Record| {
        config.rootfs.diff_ids.iter().position(|diff_id| *diff_id == record.diff_id)
    };
    let mut placed: Vec<_> =
        records.iter().filter_map(|record| Some((place(record)?, &record.key, record))).collect();
    placed.sort_by_key(|(place, key, _)| (*place, *key));
    let lines: Vec<Line> = placed.into_iter().map(|(_, _, record)| line(record, epoch)).collect();
    let lines = serde_json::to_value(lines);
    let what = "the records of the image";
    let lines = lines.map_err(|source| StepError::Serialise { what, source })?;
    config.extra.insert(FIELD.to_owned(), lines);
    Ok(())
}

fn line(record: &Record, epoch: Option<i64>) -> Line {
    Line {
        key: record.key.clone(),
        diff_id: record.diff_id,
        created: epoch.unwrap_or(record.created),
        same_as: record.same_as,
    }
}

/// None if it tells of no steps.
pub(super) fn told(config: &ImageConfig) -> Result<Option<Vec<Line>>, serde_json::Error> {
    config.extra.get(FIELD).map(Vec::deserialize).transpose()
}

/// For an image that is built on this one.
pub(crate) fn forget(config: &mut ImageConfig) {
    config.extra.retain(|name, _| name != FIELD && !name.starts_with(OTHERS));
}
