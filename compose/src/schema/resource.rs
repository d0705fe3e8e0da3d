//! Networks, volumes, configs, secrets and models.

use super::lists::{BOOLEAN, LIST_OR_MAP, OPTIONS, STRING, STRINGS};
use super::shape::{BOOL, Fields, INT, NULL, Rest, STR, Shape};

pub(super) const NETWORK: Shape = Shape::of(NULL).map(&NETWORK_FIELDS);
const NETWORK_FIELDS: Fields = Fields::of(&[
    ("name", STRING),
    ("driver", STRING),
    ("driver_opts", OPTIONS),
    ("ipam", Shape::of(0).map(&IPAM)),
    ("external", EXTERNAL),
    ("internal", BOOLEAN),
    ("enable_ipv4", BOOLEAN),
    ("enable_ipv6", BOOLEAN),
    ("attachable", BOOLEAN),
    ("labels", LIST_OR_MAP),
]);

const EXTERNAL: Shape = Shape::of(BOOL | STR).map(&EXTERNAL_FIELDS);
const EXTERNAL_FIELDS: Fields = Fields::of(&[("name", STRING)]);

const IPAM: Fields = Fields::of(&[
    ("driver", STRING),
    ("config", Shape::of(0).list(&POOL)),
    ("options", Shape::of(0).map(&TEXTS)),
]);
const TEXTS: Fields = Fields::each(&STRING);
const POOL: Shape = Shape::of(0).map(&POOL_FIELDS);
const POOL_FIELDS: Fields = Fields::of(&[
    ("subnet", STRING),
    ("ip_range", STRING),
    ("gateway", STRING),
    ("aux_addresses", Shape::of(0).map(&TEXTS)),
]);

pub(super) const VOLUME: Shape = Shape::of(NULL).map(&VOLUME_FIELDS);
const VOLUME_FIELDS: Fields = Fields::of(&[
    ("name", STRING),
    ("driver", STRING),
    ("driver_opts", OPTIONS),
    ("external", EXTERNAL),
    ("labels", LIST_OR_MAP),
]);

const EXTERNAL_FILE: Shape = Shape::of(BOOL | STR).map(&EXTERNAL_FILE_FIELDS);
const EXTERNAL_FILE_FIELDS: Fields = Fields::of(&[("name", STRING)]).rest(Rest::Free);

pub(super) const SECRET: Shape = Shape::of(0).map(&SECRET_FIELDS);
const SECRET_FIELDS: Fields = Fields::of(&[
    ("name", STRING),
    ("environment", STRING),
    ("file", STRING),
    ("external", EXTERNAL_FILE),
    ("labels", LIST_OR_MAP),
    ("driver", STRING),
    ("driver_opts", OPTIONS),
    ("template_driver", STRING),
]);

pub(super) const CONFIG: Shape = Shape::of(0).map(&CONFIG_FIELDS);
const CONFIG_FIELDS: Fields = Fields::of(&[
    ("name", STRING),
    ("content", STRING),
    ("environment", STRING),
    ("file", STRING),
    ("external", EXTERNAL_FILE),
    ("labels", LIST_OR_MAP),
    ("template_driver", STRING),
]);

pub(super) const MODEL: Shape = Shape::of(0).map(&MODEL_FIELDS);
const MODEL_FIELDS: Fields = Fields::of(&[
    ("name", STRING),
    ("model", STRING),
    ("context_size", Shape::of(INT)),
    ("runtime_flags", STRINGS),
])
.required(&["model"]);
