//! Variables in values: `$NAME`, `${NAME}` and the forms with a default, an alternative or an error.

mod cast;
mod template;
mod tree;
mod variables;

pub use cast::{Cast, cast_of};
pub use template::{Growth, TemplateError, Variables, substitute};
pub use tree::{Interpolated, InterpolationError, interpolate};
pub use variables::{Variable, variables};
