//! `ports`

use super::Attribute;
use crate::render::{Data, Form};

record! {
    /// A port of the container, and where on the host it is published.
    pub struct Port {
        name: String = "name",
        mode: String = "mode",
        host_ip: String = "host_ip",
        target: u32 = "target",
        /// A port or a range of the host; empty for a free one.
        published: String = "published",
        protocol: String = "protocol",
        app_protocol: String = "app_protocol",
    }
}

impl Port {
    /// The long form, as `config` prints it.
    pub fn document(&self, form: Form) -> Data {
        self.encode(form)
    }
}
