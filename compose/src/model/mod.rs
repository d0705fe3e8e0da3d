//! The typed, immutable [`Project`]: every attribute of the Compose Specification.
//!
//! An attribute that was not written has its type's default: an empty string, list or map, 0, false. Where
//! Compose tells "not written" from the default, the type is an `Option`. Services, networks and the rest are
//! kept by name, sorted.

#[macro_use]
mod record;
mod attribute;
mod build;
mod bytes;
mod command;
mod container_lists;
mod deploy;
mod develop;
mod device;
mod duration;
mod env_file;
mod file_object;
mod health;
mod hook;
mod hosts;
mod language_model;
mod mapping;
mod mount;
mod network;
mod port;
mod project;

mod selection;
mod service;
mod volume;

pub(crate) use attribute::{Attribute, kind};
pub use attribute::{Extensions, Misfit, ValueError};
pub use build::{Build, SshKeys};
pub use bytes::Bytes;
pub use command::{Command, HealthTest};
pub use container_lists::{StringList, StringOrNumberList};
pub use deploy::{
    Deploy, DiscreteResource, GenericResource, Placement, PlacementPreference, Resource, Resources,
    RestartPolicy, UpdateConfig,
};
pub use develop::{Develop, Watch};
pub use device::{
    Blkio, CredentialSpec, Device, DeviceCount, DeviceRequest, ThrottleDevice, Ulimit, WeightDevice,
};
pub use duration::Duration;
pub use env_file::EnvFile;
pub use file_object::{Config, FileMode, FileReference, Secret};
pub use health::Healthcheck;
pub use hook::Hook;
pub use hosts::Hosts;
pub use language_model::{LanguageModel, Provider, ServiceModel};
pub use mapping::{Environment, Labels, MultiOptions, Options};
pub use mount::{BindOptions, ImageOptions, Mount, TmpfsOptions, VolumeOptions};
pub use network::{Ipam, IpamPool, Network, ServiceNetwork};
pub use port::Port;
pub use project::Project;
pub use selection::SelectionError;
pub use service::{Dependency, Extends, Logging, Service};
pub use volume::Volume;
