//! `env_file`

record! {
    /// A file of variables for the container.
    pub struct EnvFile {
        path: String = "path",
        required: bool = "required",
        /// `raw` files are taken as they are: no quotes, no variables.
        format: String = "format",
    }
}
