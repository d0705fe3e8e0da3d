//! `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`

use anyhow::{Context, Result, bail};
use engine::values;
use runtime::{NamespaceMode, Namespaces};

use crate::args::ConfinementArgs;

/// Whether its users are its own.
pub(super) fn own_users(args: &ConfinementArgs) -> Result<bool> {
    let mode = args.userns.as_deref().unwrap_or_default();
    values::own_users(mode)
        .with_context(|| format!("`--userns {mode}` is not supported; known are host and auto"))
}

pub(super) fn resolve(args: &ConfinementArgs) -> Result<Namespaces> {
    Ok(Namespaces {
        pid: mode("pid", args.pid.as_deref(), &["private"])?,
        ipc: match args.ipc.as_deref() {
            Some("shareable") => NamespaceMode::Shareable,
            other => mode("ipc", other, &["private"])?,
        },
        uts: mode("uts", args.uts.as_deref(), &["private"])?,
        cgroup: mode("cgroupns", args.cgroupns.as_deref(), &["private"])?,
    })
}

/// Those of the others are docker's to share with the host only.
const JOINABLE: [&str; 2] = ["pid", "ipc"];

fn mode(flag: &str, text: Option<&str>, own: &[&str]) -> Result<NamespaceMode> {
    match text.unwrap_or_default() {
        "" => Ok(NamespaceMode::Own),
        "host" => Ok(NamespaceMode::Host),
        name if own.contains(&name) => Ok(NamespaceMode::Own),
        name if JOINABLE.contains(&flag) && name.starts_with("container:") => {
            let name = name.trim_start_matches("container:");
            if name.is_empty() {
                bail!("`--{flag} container:` names no container");
            }
            Ok(NamespaceMode::Container(name.to_owned()))
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
        let other = mode("pid", Some("container:x"), &["private"]).unwrap();
        assert_eq!(other, NamespaceMode::Container("x".to_owned()));
        assert!(mode("uts", Some("container:x"), &["private"]).is_err());
        for wrong in ["container:", "none", "Host"] {
            assert!(mode("pid", Some(wrong), &["private"]).is_err(), "{wrong}");
        }
        let args = ConfinementArgs { userns: Some("keep-id".to_owned()), ..Default::default() };
        assert!(own_users(&args).unwrap_err().to_string().contains("`--userns keep-id` is not"));
        let args = ConfinementArgs { userns: Some("auto".to_owned()), ..Default::default() };
        assert!(own_users(&args).unwrap());
    }
}
