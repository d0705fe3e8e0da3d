//! Language models, and services that another program provides.

use super::MultiOptions;

record! {
    pub struct LanguageModel {
        name: String = "name",
        model: String = "model",
        context_size: i64 = "context_size",
        runtime_flags: Vec<String> = "runtime_flags",
    }
}

record! {
    /// The variables that tell a service of its model.
    pub struct ServiceModel {
        endpoint_var: String = "endpoint_var",
        model_var: String = "model_var",
    }
}

record! {
    pub struct Provider {
        /// Name of the program: `docker-TYPE`, or the program itself.
        kind: String = "type",
        options: MultiOptions = "options",
    }
}
