//! `build` and `develop`.

use super::lists::{
    BOOLEAN, FILE_REFERENCES, HOOK, HOSTS, LIST_OR_MAP, SIZE, STRING, STRING_OR_LIST,
    STRING_OR_SET, STRINGS, ULIMITS,
};
use super::shape::{BOOL, Fields, NULL, STR, Shape};

pub(super) const BUILD: Shape = Shape::of(STR).map(&FIELDS);

const FIELDS: Fields = Fields::of(&[
    ("context", STRING),
    ("dockerfile", STRING),
    ("dockerfile_inline", STRING),
    ("entitlements", STRINGS),
    ("args", LIST_OR_MAP),
    ("ssh", LIST_OR_MAP),
    ("labels", LIST_OR_MAP),
    ("cache_from", STRINGS),
    ("cache_to", STRINGS),
    ("no_cache", BOOLEAN),
    ("no_cache_filter", STRING_OR_LIST),
    ("additional_contexts", LIST_OR_MAP),
    ("network", STRING),
    ("provenance", BOOLEAN),
    ("sbom", BOOLEAN),
    ("pull", BOOLEAN),
    ("target", STRING),
    ("shm_size", SIZE),
    ("extra_hosts", HOSTS),
    ("isolation", STRING),
    ("privileged", BOOLEAN),
    ("secrets", FILE_REFERENCES),
    ("tags", STRINGS),
    ("ulimits", ULIMITS),
    ("platforms", STRINGS),
]);

pub(super) const DEVELOP: Shape = Shape::of(NULL).map(&DEVELOP_FIELDS);
const DEVELOP_FIELDS: Fields = Fields::of(&[("watch", Shape::of(0).list(&WATCH))]);
const WATCH: Shape = Shape::of(0).map(&WATCH_FIELDS);
const WATCH_FIELDS: Fields = Fields::of(&[
    ("ignore", STRING_OR_SET),
    ("include", STRING_OR_SET),
    ("path", STRING),
    ("action", STRING_ACTION),
    ("target", STRING),
    ("exec", HOOK),
    ("initial_sync", Shape::of(BOOL)),
])
.required(&["path", "action"]);
const STRING_ACTION: Shape =
    Shape::of(STR).one_of(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"]);
