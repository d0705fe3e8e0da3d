//! `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`

use anyhow::{Result, bail};
use runtime::{NamespaceMode, Namespaces};

use crate::args::ConfinementArgs;

pub(super) fn resolve(args: &ConfinementArgs) -> Result<Namespaces> {
    if let Some(other) = args.userns.as_deref().filter(|mode| !["", "host"].contains(mode)) {
        bail!("`--userns {other}`: user namespaces of containers' own are not supported yet");
    }
    Ok(Namespaces {
        pid: mode("pid", args.pid.as_deref(), &["private"])?,
        // Others could join it, which needs nothing from this one.
        ipc: mode("ipc", args.ipc.as_deref(), &["private", "shareable"])?,
        uts: mode("uts", args.uts.as_deref(), &["private"])?,
        cgroup: mode("cgroupns", args.cgroupns.as_deref(), &["private"])?,
    })
}

fn mode(flag: &str, text: Option<&str>, own: &[&str]) -> Result<NamespaceMode> {
    match text.unwrap_or_default() {
        "" => Ok(NamespaceMode::Own),
        "host" => Ok(NamespaceMode::Host),
        name if own.contains(&name) => Ok(NamespaceMode::Own),
        name if name.starts_with("container:") => {
            bail!("`--{flag} {name}`: the namespaces of other containers cannot be joined yet")
        }
        other => {
            bail!("`--{flag} {other}` is not supported; known are host and {}", own.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_dockers() {
        assert_eq!(mode("pid", None, &["private"]).unwrap(), NamespaceMode::Own);
        assert_eq!(mode("pid", Some("host"), &["private"]).unwrap(), NamespaceMode::Host);
        for wrong in ["container:x", "none", "Host"] {
            assert!(mode("pid", Some(wrong), &["private"]).is_err(), "{wrong}");
        }
        let args = ConfinementArgs { userns: Some("keep-id".to_owned()), ..Default::default() };
        assert!(resolve(&args).is_err());
    }
}
