//! Shapes that many attributes share.

use super::shape::{BOOL, Fields, INT, NULL, NUM, Rest, STR, Shape};

pub(super) const STRING: Shape = Shape::of(STR);
pub(super) const BOOLEAN: Shape = Shape::of(BOOL | STR);
pub(super) const WHOLE: Shape = Shape::of(INT | STR);
pub(super) const NUMBER: Shape = Shape::of(NUM | STR);
pub(super) const STRINGS: Shape = Shape::of(0).list(&STRING);
/// Where entries may be equal.
pub(super) const STRING_OR_LIST: Shape = Shape::of(STR).list(&STRING);
pub(super) const STRING_SET: Shape = Shape::of(0).set(&STRING);
pub(super) const STRING_OR_SET: Shape = Shape::of(STR).set(&STRING);
pub(super) const DURATION: Shape = Shape::of(STR).like("`1m30s`");
pub(super) const SIZE: Shape = Shape::of(NUM | STR).like("`64m`");

/// `NAME: value`, or a list of `NAME=value`.
pub(super) const LIST_OR_MAP: Shape = Shape::of(0).set(&STRING).map(&VALUES);
const VALUES: Fields = Fields::each(&Shape::of(STR | NUM | BOOL | NULL));

pub(super) const COMMAND: Shape = Shape::of(NULL | STR).list(&STRING);

pub(super) const HOSTS: Shape = Shape::of(0).set(&STRING).map(&ADDRESSES);
const ADDRESSES: Fields = Fields::each(&STRING_OR_LIST);

/// Options of drivers.
pub(super) const OPTIONS: Shape = Shape::of(0).map(&OPTION);
const OPTION: Fields = Fields::each(&Shape::of(STR | NUM));

pub(super) const ULIMITS: Shape = Shape::of(0).map(&LIMITS);
const LIMITS: Fields = Fields::of(&[]).rest(Rest::LowerCase(&LIMIT));
const LIMIT: Shape = Shape::of(INT | STR).map(&SOFT_HARD);
const SOFT_HARD: Fields =
    Fields::of(&[("soft", WHOLE), ("hard", WHOLE)]).required(&["soft", "hard"]);

/// Configs and secrets of services and builds.
pub(super) const FILE_REFERENCES: Shape = Shape::of(0).list(&FILE_REFERENCE);
const FILE_REFERENCE: Shape = Shape::of(STR).map(&FILE_REFERENCE_FIELDS);
const FILE_REFERENCE_FIELDS: Fields = Fields::of(&[
    ("source", STRING),
    ("target", STRING),
    ("uid", STRING),
    ("gid", STRING),
    ("mode", Shape::of(NUM | STR).like("`0440`")),
]);

/// `pre_start` runs in a container of its own.
pub(super) const START_HOOKS: Shape = Shape::of(0).list(&START_HOOK);
const START_HOOK: Shape = Shape::of(0).map(&START_HOOK_FIELDS);
const START_HOOK_FIELDS: Fields = Fields::of(&[
    ("command", COMMAND),
    ("user", STRING),
    ("privileged", BOOLEAN),
    ("working_dir", STRING),
    ("environment", LIST_OR_MAP),
    ("image", STRING),
    ("per_replica", BOOLEAN),
]);

pub(super) const HOOKS: Shape = Shape::of(0).list(&HOOK);
pub(super) const HOOK: Shape = Shape::of(0).map(&HOOK_FIELDS);
const HOOK_FIELDS: Fields = Fields::of(&[
    ("command", COMMAND),
    ("user", STRING),
    ("privileged", BOOLEAN),
    ("working_dir", STRING),
    ("environment", LIST_OR_MAP),
])
.required(&["command"]);

const DEVICE_REQUEST: &[(&str, Shape)] = &[
    ("capabilities", STRING_SET),
    ("count", Shape::of(STR | INT)),
    ("device_ids", STRING_SET),
    ("driver", STRING),
    ("options", LIST_OR_MAP),
];

pub(super) const DEVICES: Shape = Shape::of(0).list(&RESERVED_DEVICE);
const RESERVED_DEVICE: Shape = Shape::of(0).map(&RESERVED_DEVICE_FIELDS);
const RESERVED_DEVICE_FIELDS: Fields = Fields::of(DEVICE_REQUEST).required(&["capabilities"]);

pub(super) const GPUS: Shape = Shape::of(STR).one_of(&["all"]).list(&GPU);
const GPU: Shape = Shape::of(0).map(&GPU_FIELDS);
const GPU_FIELDS: Fields = Fields::of(DEVICE_REQUEST).rest(Rest::Free);
