//! `--cap-add`, `--cap-drop`, `--security-opt`, `--privileged`

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use runtime::{Capability, CapabilitySet, ContainerSpec, MachineAccess, Profile, Seccomp};

use crate::args::ConfinementArgs;

#[derive(Debug)]
pub(super) struct Security {
    capabilities: CapabilitySet,
    seccomp: Seccomp,
    no_new_privileges: bool,
    open_system_paths: bool,
    writable_cgroups: bool,
    privileged: bool,
}

pub(super) fn resolve(args: &ConfinementArgs) -> Result<Security> {
    let mut security = Security {
        capabilities: capabilities(args)?,
        seccomp: if args.privileged { Seccomp::Unconfined } else { Seccomp::Default },
        no_new_privileges: false,
        open_system_paths: false,
        writable_cgroups: false,
        privileged: args.privileged,
    };
    for text in &args.security {
        security.set(text).with_context(|| format!("`--security-opt {text}`"))?;
    }
    Ok(security)
}

/// Docker's rules: what is added wins over what is dropped, `ALL` over single names.
fn capabilities(args: &ConfinementArgs) -> Result<CapabilitySet> {
    let (all_added, added) = names("cap-add", &args.cap_add)?;
    let (all_dropped, dropped) = names("cap-drop", &args.cap_drop)?;
    let without = |set: CapabilitySet| dropped.iter().fold(set, |set, name| set.without(*name));
    let with = |set: CapabilitySet| added.iter().fold(set, |set, name| set.with(*name));
    Ok(if args.privileged {
        CapabilitySet::all()
    } else if all_added {
        without(CapabilitySet::all())
    } else if all_dropped {
        with(CapabilitySet::default())
    } else {
        with(without(CapabilitySet::docker_default()))
    })
}

/// Whether `ALL` is among them, and the others.
fn names(flag: &str, texts: &[String]) -> Result<(bool, Vec<Capability>)> {
    let is_all = |text: &&String| text.eq_ignore_ascii_case("all");
    let single = texts.iter().filter(|text| !is_all(text));
    let parse = |text: &String| text.parse().with_context(|| format!("`--{flag} {text}`"));
    Ok((texts.iter().any(|text| is_all(&text)), single.map(parse).collect::<Result<_>>()?))
}

impl Security {
    fn set(&mut self, text: &str) -> Result<()> {
        // The older form has a colon.
        let split = text.split_once('=').or_else(|| text.split_once(':'));
        let (name, value) = split.map_or((text, None), |(name, value)| (name, Some(value)));
        match (name, value) {
            ("no-new-privileges", None) => self.no_new_privileges = true,
            ("no-new-privileges", Some(value)) => self.no_new_privileges = switch(value)?,
            ("writable-cgroups", None) => self.writable_cgroups = true,
            ("writable-cgroups", Some(value)) => self.writable_cgroups = switch(value)?,
            ("seccomp", Some("unconfined")) => self.seccomp = Seccomp::Unconfined,
            ("seccomp", Some("builtin")) => self.seccomp = Seccomp::Default,
            ("seccomp", Some(path)) => self.seccomp = Seccomp::Profile(Box::new(profile(path)?)),
            ("systempaths", Some("unconfined")) => self.open_system_paths = true,
            // Which is what happens anyway.
            ("apparmor", Some("unconfined")) | ("label", Some("disable")) => {}
            ("apparmor", _) => bail!("AppArmor profiles cannot be set yet; `unconfined` can"),
            ("label", _) => bail!("SELinux labels cannot be set yet; `disable` can"),
            ("seccomp" | "systempaths", _) => bail!("it needs a value: `{name}=unconfined`"),
            _ => bail!(
                "it is not known; known are no-new-privileges, seccomp=FILE|unconfined, \
                 systempaths=unconfined, writable-cgroups, apparmor=unconfined, label=disable"
            ),
        }
        Ok(())
    }

    pub(super) fn apply(&self, spec: &mut ContainerSpec) {
        spec.capabilities = self.capabilities;
        spec.seccomp = self.seccomp.clone();
        spec.no_new_privileges = self.no_new_privileges;
        spec.open_system_paths = self.open_system_paths;
        spec.writable_cgroups = self.writable_cgroups;
        if self.privileged {
            spec.machine = MachineAccess::Privileged;
        }
    }
}

fn switch(value: &str) -> Result<bool> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => bail!("`{other}`: write `true` or `false`"),
    }
}

fn profile(path: &str) -> Result<Profile> {
    let text =
        fs::read_to_string(Path::new(path)).with_context(|| format!("cannot read `{path}`"))?;
    Profile::parse(&text).with_context(|| format!("`{path}` is no seccomp profile"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(add: &[&str], drop: &[&str], privileged: bool) -> u64 {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let args = ConfinementArgs {
            cap_add: list(add),
            cap_drop: list(drop),
            privileged,
            ..Default::default()
        };
        capabilities(&args).unwrap().bits()
    }

    #[test]
    fn capabilities_are_combined_as_dockers() {
        let (usual, all) = (0xa804_25fb, CapabilitySet::all().bits());
        let (chown, sys_time) = (1, 1 << 25);
        for (add, drop, expected) in [
            (&[][..], &[][..], usual),
            (&["SYS_TIME"], &[], usual | sys_time),
            (&[], &["chown"], usual & !chown),
            (&["CAP_CHOWN"], &["CHOWN"], usual),
            (&["ALL"], &[], all),
            (&["all"], &["CAP_CHOWN"], all & !chown),
            (&[], &["ALL"], 0),
            (&["CHOWN"], &["ALL"], chown),
            (&["ALL"], &["ALL"], all),
        ] {
            assert_eq!(bits(add, drop, false), expected, "{add:?} {drop:?}");
        }
        assert_eq!(bits(&[], &["ALL"], true), all);
    }

    #[test]
    fn options_are_taken_or_refused_by_name() {
        let set = |texts: &[&str]| {
            let security = texts.iter().map(ToString::to_string).collect();
            resolve(&ConfinementArgs { security, ..Default::default() })
        };
        assert!(set(&["no-new-privileges"]).unwrap().no_new_privileges);
        assert!(set(&["no-new-privileges:true"]).unwrap().no_new_privileges);
        assert!(!set(&["no-new-privileges=false"]).unwrap().no_new_privileges);
        assert_eq!(set(&["seccomp=unconfined"]).unwrap().seccomp, Seccomp::Unconfined);
        assert!(set(&["systempaths=unconfined"]).unwrap().open_system_paths);
        assert!(set(&["apparmor=unconfined", "label:disable"]).is_ok());
        for (text, expected) in [
            ("apparmor=strict", "AppArmor profiles cannot be set"),
            ("label=type:x", "SELinux labels cannot be set"),
            ("seccomp=/absent.json", "cannot read `/absent.json`"),
            ("seccomp=/etc/passwd", "is no seccomp profile"),
            ("seccomp", "needs a value"),
            ("no-new-privileges=maybe", "write `true` or `false`"),
            ("credentialspec=x", "it is not known"),
        ] {
            let error = format!("{:#}", set(&[text]).expect_err(text));
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
