//! What makes a step stale, and what is remembered of the steps that ran.
//!
//! A step is answered from the cache when a record has its key. The key is a BLAKE3 hash of:
//!
//! | step    | in the key                                                                              | not in the key                          |
//! |---------|-----------------------------------------------------------------------------------------|-----------------------------------------|
//! | all     | platform, key of the step before (`FROM`: the layers' diff IDs, `scratch`)              | chain IDs: sealing a layer takes time   |
//! | RUN     | arguments, environment, directory, user, mounts, network, hosts, limits, here-document  | proxy variables, values of secrets      |
//! | – mounts| what `bind` reads: paths, types, owners, modes, xattrs, bytes; the stage a cache starts from | what a cache mount holds           |
//! | COPY, ADD | destination and flags; of every file read: path, type, owner, mode, xattrs, bytes      | times; files of the directory not copied |
//! | – `--link` | of the directories above the destination: whether they exist and as what             | the key of the step before              |
//! | WORKDIR | path, user, time if prescribed                                                          |                                         |
//!
//! Configuration (ENV, LABEL, CMD, …) is no step: it matters where it shows in a later step, as the
//! environment of a RUN does. Owners and modes count as they will be in the layer.
//!
//! Records (`cache/steps`) keep what their key was made of, so that a miss can be explained: each
//! stage of a Dockerfile remembers the last record of each step (`cache/places`, `places.rs`).
//!
//! A step that ran before and runs again leads to a new state, whatever its key: later steps are not
//! answered by records that were made on its first result. `KEY.gone` remembers that a step ran after its record was
//! pruned, or lost with the power (`markers.rs`). Of two builds that make a step at once, because they do not want the cache, one
//! at most leads to the state that the key names. A build that is killed leaves no record of a step without those of the steps before:
//! each is written when the layers below are sealed and recorded.
//!
//! **Second chance**: when a step ran again and its result equals what a record of a step on the same
//! state says, times of writing aside, the recorded layer takes its place and later steps hit.

mod budget;
mod check;
mod explain;
#[cfg(test)]
mod explain_cases;
pub(crate) mod inline;
mod inputs;
mod key;
mod limit;
mod markers;
mod mounts;
mod places;
mod prune;
mod record;
mod remote;
mod usage;

pub use check::{CacheProblem, check};
pub use limit::CacheLimit;
pub(crate) use mounts::About;
pub use mounts::{
    CacheMountError, CacheMountInfo, CacheMountOwner, export_mount, import_mount, list_mounts,
    prune_mounts,
};
pub use prune::{CacheSelection, PrunedCache, keep_within, prune};
pub use record::roots;
pub use usage::{CacheEntry, CacheEntryKind, CacheUsage, entries, usage};

pub(crate) use explain::{Asked, explain, short};
pub use explain::{Change, MissReason};
pub(crate) use inputs::{Input, Inputs, Overrides};
pub(crate) use key::{KeyBuilder, StepKey};
pub(crate) use places::Places;
pub(crate) use record::{Cache, Record, StepLock};
pub(crate) use remote::{Imported, RemoteError, Wanted, export};
