//! WORKDIR: the directory, if it is missing.

use store::tree::Tree;

use super::target::{Ownership, Target};
use super::{NewLayer, StepError, copy, layer, owners};
use crate::step::WorkdirStep;

/// Makes a layer in any case, as BuildKit does; an empty one where the directory exists.
pub(crate) fn execute(
    step: &WorkdirStep,
    below: &Tree,
    setting: &copy::Setting<'_>,
) -> Result<NewLayer, StepError> {
    let owner = Some(owners::of_user(&step.user, below)?);
    let ownership = Ownership { owner, chmod: None, time: step.created };
    let mut target = Target::new(below.clone(), ownership, step.created.unwrap_or(setting.now));
    let path = target.resolve(step.path.as_bytes())?;
    target.make_dirs(&path).map_err(|error| match error {
        StepError::NotADirectory { path } => StepError::WorkdirTaken { path },
        error => error,
    })?;
    layer::write(&target.finish(), setting, None)
}
