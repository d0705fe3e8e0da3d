//! `deploy`

use super::lists::{DEVICES, DURATION, LIST_OR_MAP, NUMBER, STRING, STRINGS, WHOLE};
use super::shape::{Fields, NULL, STR, Shape};

pub(super) const DEPLOY: Shape = Shape::of(NULL).map(&FIELDS);

const FIELDS: Fields = Fields::of(&[
    ("mode", STRING),
    ("endpoint_mode", STRING),
    ("replicas", WHOLE),
    ("labels", LIST_OR_MAP),
    ("rollback_config", UPDATE),
    ("update_config", UPDATE),
    ("resources", Shape::of(0).map(&RESOURCES)),
    ("restart_policy", Shape::of(0).map(&RESTART)),
    ("placement", Shape::of(0).map(&PLACEMENT)),
]);

const UPDATE: Shape = Shape::of(0).map(&UPDATE_FIELDS);
const UPDATE_FIELDS: Fields = Fields::of(&[
    ("parallelism", WHOLE),
    ("delay", DURATION),
    ("failure_action", STRING),
    ("monitor", DURATION),
    ("max_failure_ratio", NUMBER),
    ("order", Shape::of(STR).one_of(&["start-first", "stop-first"])),
]);

const RESOURCES: Fields = Fields::of(&[
    ("limits", Shape::of(0).map(&LIMITS)),
    ("reservations", Shape::of(0).map(&RESERVATIONS)),
]);
const MEMORY: Shape = Shape::of(STR).like("`64m`");
const LIMITS: Fields = Fields::of(&[("cpus", NUMBER), ("memory", MEMORY), ("pids", WHOLE)]);
const RESERVATIONS: Fields = Fields::of(&[
    ("cpus", NUMBER),
    ("memory", MEMORY),
    ("generic_resources", Shape::of(0).list(&GENERIC)),
    ("devices", DEVICES),
]);
const GENERIC: Shape = Shape::of(0).map(&GENERIC_FIELDS);
const GENERIC_FIELDS: Fields =
    Fields::of(&[("discrete_resource_spec", Shape::of(0).map(&DISCRETE))]);
const DISCRETE: Fields = Fields::of(&[("kind", STRING), ("value", NUMBER)]);

const RESTART: Fields = Fields::of(&[
    ("condition", STRING),
    ("delay", DURATION),
    ("max_attempts", WHOLE),
    ("window", DURATION),
]);

const PLACEMENT: Fields = Fields::of(&[
    ("constraints", STRINGS),
    ("preferences", Shape::of(0).list(&PREFERENCE)),
    ("max_replicas_per_node", WHOLE),
]);
const PREFERENCE: Shape = Shape::of(0).map(&PREFERENCE_FIELDS);
const PREFERENCE_FIELDS: Fields = Fields::of(&[("spread", STRING)]);
