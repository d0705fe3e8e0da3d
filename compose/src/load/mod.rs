//! Compose files to a [`Project`](crate::Project), in stages:
//!
//! 1. each file: text → documents (`yaml`), variables replaced (`interpolate`), `extends` resolved, `include`d
//!    files loaded by the same stages and taken in
//! 2. documents merged in order (`merge`), checked against the specification (`schema`), short forms
//!    expanded (`canonical`)
//! 3. defaults, rules between attributes (`rules`), paths, the pass-through of variables
//! 4. normalised, decoded, profiles applied, references checked (`consistency`), env files read
//!
//! Nothing is read but through [`Files`]. Every error of a stage is reported, not only the first.

mod bounds;
mod consistency;
mod defaults;
mod env_files;
mod error;
mod extends;
mod file;
mod files;
mod include;
mod model;
mod normalize;
mod project_name;
mod request;
mod rules;

pub use bounds::BoundError;
pub use consistency::{ConsistencyError, names_in_use};
pub use error::{LoadError, Problem, ProblemKind, Warning};
pub use extends::ExtendsError;
pub use files::{Files, NoFiles};
pub use include::IncludeError;
pub use model::{Loaded, load, load_model};
pub use normalize::normalize;
pub use project_name::{NameError, normalize_name};
pub use request::{InputFile, LoadOptions, LoadRequest};
pub use rules::RuleError;
