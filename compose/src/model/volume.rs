//! Volumes of the project.

use super::{Labels, Options};

record! {
    pub struct Volume {
        /// The real name.
        name: String = "name",
        driver: String = "driver",
        driver_opts: Options = "driver_opts",
        external: bool = "external",
        labels: Labels = "labels",
    }
}
