//! Every text of a tree.

use std::collections::BTreeSet;

use thiserror::Error;

use super::cast::{Cast, is_old_boolean};
use super::{TemplateError, Variables, substitute};
use crate::path::TreePath;
use crate::source::Span;
use crate::yaml::{Node, Value};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InterpolationError {
    #[error(
        "invalid interpolation format for {path}.\nYou may need to escape any $ with another $.\n{template}"
    )]
    Format { path: String, template: String },
    #[error("error while interpolating {path}: {error}")]
    Required { path: String, error: TemplateError },
    #[error("error while interpolating {path}: failed to cast to expected type: {why}")]
    Cast { path: String, why: String },
}

impl InterpolationError {
    pub fn hint(&self) -> Option<String> {
        match self {
            InterpolationError::Format { .. } => {
                Some("write `$$` for a dollar that starts no variable".to_owned())
            }
            InterpolationError::Required {
                error: TemplateError::Required { name, .. }, ..
            } => Some(format!("set `{name}` in the environment or in an env file")),
            _ => None,
        }
    }
}

/// What a walk over a tree found.
#[derive(Clone, Debug, Default)]
pub struct Interpolated {
    pub errors: Vec<(InterpolationError, Span)>,
    /// Booleans like `yes`, which YAML 1.2 does not know.
    pub old_booleans: BTreeSet<String>,
}

/// Replaces the variables in every text below `node`, then casts by `cast`.
pub fn interpolate<F: Fn(&str) -> Option<String>>(
    node: &mut Node,
    variables: &mut Variables<F>,
    cast: &dyn Fn(&TreePath) -> Option<Cast>,
) -> Interpolated {
    let mut walk = Walk { variables, cast, found: Interpolated::default() };
    walk.node(node, &mut TreePath::root());
    walk.found
}

struct Walk<'a, F> {
    variables: &'a mut Variables<F>,
    cast: &'a dyn Fn(&TreePath) -> Option<Cast>,
    found: Interpolated,
}

impl<F: Fn(&str) -> Option<String>> Walk<'_, F> {
    fn node(&mut self, node: &mut Node, path: &mut TreePath) {
        match &mut node.value {
            Value::Map(map) => {
                for (key, node) in map.iter_mut() {
                    path.push(key);
                    self.node(node, path);
                    path.pop();
                }
            }
            Value::List(list) => {
                for (at, node) in list.iter_mut().enumerate() {
                    path.push_index(at);
                    self.node(node, path);
                    path.pop();
                }
            }
            Value::String(text) => match self.text(text, path) {
                Ok(None) => {}
                Ok(Some(value)) => node.value = value,
                Err(error) => self.found.errors.push((error, node.span)),
            },
            _ => {}
        }
    }

    /// What the text becomes; none when it stays.
    fn text(&mut self, text: &str, path: &TreePath) -> Result<Option<Value>, InterpolationError> {
        let cast = (self.cast)(path);
        if cast.is_none() && !text.contains('$') {
            return Ok(None);
        }
        let replaced = substitute(text, self.variables).map_err(|error| failure(error, path))?;
        let Some(cast) = cast else { return Ok(Some(Value::String(replaced))) };
        let value = cast
            .apply(&replaced)
            .map_err(|why| InterpolationError::Cast { path: path.to_string(), why })?;
        if cast == Cast::Bool && is_old_boolean(&replaced) {
            self.found.old_booleans.insert(replaced);
        }
        Ok(Some(value))
    }
}

fn failure(error: TemplateError, path: &TreePath) -> InterpolationError {
    let path = path.to_string();
    match error {
        TemplateError::Invalid { template } => InterpolationError::Format { path, template },
        error => InterpolationError::Required { path, error },
    }
}
