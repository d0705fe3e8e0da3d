//! The top level of a compose file.

use super::lists::{STRING, STRING_OR_SET};
use super::resource::{CONFIG, MODEL, NETWORK, SECRET, VOLUME};
use super::service::SERVICE_SHAPE;
use super::shape::{Fields, Rest, STR, Shape};

pub(super) const PROJECT: Shape = Shape::of(0).map(&FIELDS);

const FIELDS: Fields = Fields::of(&[
    ("version", STRING),
    ("name", STRING),
    ("include", Shape::of(0).list(&INCLUDE)),
    ("services", Shape::of(0).map(&SERVICES)),
    ("models", Shape::of(0).map(&MODELS)),
    ("networks", Shape::of(0).map(&NETWORKS)),
    ("volumes", Shape::of(0).map(&VOLUMES)),
    ("secrets", Shape::of(0).map(&SECRETS)),
    ("configs", Shape::of(0).map(&CONFIGS)),
]);

const INCLUDE: Shape = Shape::of(STR).map(&INCLUDE_FIELDS);
const INCLUDE_FIELDS: Fields = Fields::of(&[
    ("path", STRING_OR_SET),
    ("env_file", STRING_OR_SET),
    ("project_directory", STRING),
])
.rest(Rest::Refused);

const SERVICES: Fields = Fields::of(&[]).rest(Rest::Named(&SERVICE_SHAPE));
const MODELS: Fields = Fields::of(&[]).rest(Rest::Named(&MODEL));
const NETWORKS: Fields = Fields::of(&[]).rest(Rest::NamedOrFree(&NETWORK));
const VOLUMES: Fields = Fields::of(&[]).rest(Rest::Named(&VOLUME));
const SECRETS: Fields = Fields::of(&[]).rest(Rest::Named(&SECRET));
const CONFIGS: Fields = Fields::of(&[]).rest(Rest::Named(&CONFIG));
