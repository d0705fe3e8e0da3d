//! Kernel settings that belong to a container's namespaces: `--sysctl`.
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, NamespaceMode, NetworkMode};

/// One setting, `net.ipv4.ip_forward=1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// With dots; a component may hold slashes, as interfaces' names hold dots.
    pub name: String,
    pub value: String,
}

/// The namespace that a setting belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Ipc,
    Network,
    Uts,
}

const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SysctlError {
    #[error("sysctl `{text}` is not of the form name=value")]
    Form { text: String },
    #[error(
        "sysctl `{name}` is not the container's own: it would change the whole machine; allowed are \
         {ipc}, kernel.domainname, fs.mqueue.* and net.*", ipc = IPC.join(", ")
    )]
    NotNamespaced { name: String },
    #[error("sysctl `{name}` would change the host's {namespace}, which the container shares")]
    Shared { name: String, namespace: &'static str },
}

impl FromStr for Sysctl {
    type Err = SysctlError;

    fn from_str(text: &str) -> Result<Sysctl, SysctlError> {
        let form = || SysctlError::Form { text: text.to_owned() };
        let (name, value) = text.split_once('=').ok_or_else(form)?;
        // This leaves no `..` either.
        let has_gap = name.split(['.', '/']).any(str::is_empty);
        if has_gap || value.contains('\0') {
            return Err(form());
        }
        let sysctl = Sysctl { name: name.to_owned(), value: value.to_owned() };
        sysctl.owner().map(|_| sysctl.clone())
    }
}

impl Sysctl {
    /// Below /proc/sys: dots and slashes change places, so that `net.ipv4.conf.eth0/1.forwarding` is the
    /// setting of the interface `eth0.1`. A name whose first separator is a slash is a path already.
    pub(crate) fn path(&self) -> String {
        let swap = self.name.find(['.', '/']).is_some_and(|at| self.name[at..].starts_with('.'));
        if !swap {
            return self.name.clone();
        }
        let other = |char| match char {
            '.' => '/',
            '/' => '.',
            char => char,
        };
        self.name.chars().map(other).collect()
    }

    fn owner(&self) -> Result<Owner, SysctlError> {
        let path = self.path();
        let known = |name: &str| name.replace('.', "/") == path;
        if IPC.iter().any(|name| known(name)) || path.starts_with("fs/mqueue/") {
            return Ok(Owner::Ipc);
        }
        if path.starts_with("net/") {
            return Ok(Owner::Network);
        }
        if known("kernel.domainname") {
            return Ok(Owner::Uts);
        }
        Err(SysctlError::NotNamespaced { name: self.name.clone() })
    }

    /// Whether the container has the namespace for itself.
    pub(crate) fn check(&self, spec: &ContainerSpec) -> Result<(), SysctlError> {
        let (shared, namespace) = match self.owner()? {
            Owner::Ipc => (spec.namespaces.ipc == NamespaceMode::Host, "IPC namespace"),
            Owner::Network => (spec.network == NetworkMode::Host, "network"),
            Owner::Uts => (spec.namespaces.uts == NamespaceMode::Host, "names"),
        };
        if shared {
            return Err(SysctlError::Shared { name: self.name.clone(), namespace });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_of_namespaces_are_taken() {
        for (text, path) in [
            ("net.ipv4.ip_forward=1", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward=1", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/1.forwarding=1", "net/ipv4/conf/eth0.1/forwarding"),
            ("net/ipv4/conf/eth0.1/forwarding=1", "net/ipv4/conf/eth0.1/forwarding"),
            ("kernel.shmmax=1", "kernel/shmmax"),
            ("fs.mqueue.msg_max=5", "fs/mqueue/msg_max"),
            ("kernel.domainname=x", "kernel/domainname"),
        ] {
            assert_eq!(text.parse::<Sysctl>().unwrap().path(), path, "{text}");
        }
        for wrong in [
            "net.ipv4.ip_forward",
            "=1",
            "net..x=1",
            "net/../kernel/core_pattern=x",
            "net.../kernel.core_pattern=x",
            "kernel.core_pattern=|/x",
            "kernel.shmmax/x=1",
            "vm.swappiness=1",
            "fs.file-max=1",
            "kernel.hostname=x",
        ] {
            assert!(wrong.parse::<Sysctl>().is_err(), "{wrong}");
        }
    }
}
