//! Capabilities and security options.

use std::fs;

use runtime::{Capability, CapabilitySet, Profile, Seccomp};

use super::{Result, ValueError};

#[derive(Clone, Debug)]
pub struct Security {
    pub capabilities: CapabilitySet,
    pub seccomp: Seccomp,
    pub no_new_privileges: bool,
    pub open_system_paths: bool,
    pub writable_cgroups: bool,
    pub privileged: bool,
}

impl Default for Security {
    fn default() -> Security {
        Security::new(CapabilitySet::docker_default(), false)
    }
}

/// Docker's rules: what is added wins over what is dropped, `ALL` over single names.
pub fn capabilities(add: &[String], drop: &[String], privileged: bool) -> Result<CapabilitySet> {
    let (all_added, added) = names(add)?;
    let (all_dropped, dropped) = names(drop)?;
    let without = |set: CapabilitySet| dropped.iter().fold(set, |set, name| set.without(*name));
    let with = |set: CapabilitySet| added.iter().fold(set, |set, name| set.with(*name));
    Ok(if privileged {
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
fn names(texts: &[String]) -> Result<(bool, Vec<Capability>)> {
    let is_all = |text: &&String| text.eq_ignore_ascii_case("all");
    let single = texts.iter().filter(|text| !is_all(text));
    let single = single.map(|text| text.parse()).collect::<Result<_, _>>()?;
    Ok((texts.iter().any(|text| is_all(&text)), single))
}

impl Security {
    pub fn new(capabilities: CapabilitySet, privileged: bool) -> Security {
        Security {
            capabilities,
            seccomp: if privileged { Seccomp::Unconfined } else { Seccomp::Default },
            no_new_privileges: false,
            open_system_paths: false,
            writable_cgroups: false,
            privileged,
        }
    }

    /// One option, as `--security-opt` and `security_opt:` have it.
    pub fn set(&mut self, text: &str) -> Result<()> {
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
            ("apparmor", _) => return Err(ValueError::AppArmor),
            ("label", _) => return Err(ValueError::Selinux),
            ("seccomp" | "systempaths", _) => {
                return Err(ValueError::SecurityValue { name: name.to_owned() });
            }
            _ => return Err(ValueError::SecurityOption),
        }
        Ok(())
    }
}

fn switch(value: &str) -> Result<bool> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(ValueError::Switch { value: other.to_owned() }),
    }
}

fn profile(path: &str) -> Result<Profile> {
    let text = fs::read_to_string(path)
        .map_err(|source| ValueError::ReadProfile { path: path.to_owned(), source })?;
    Profile::parse(&text).map_err(|source| ValueError::Profile { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(add: &[&str], drop: &[&str], privileged: bool) -> u64 {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        capabilities(&list(add), &list(drop), privileged).unwrap().bits()
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
            let mut security = Security::default();
            texts.iter().try_for_each(|text| security.set(text)).map(|()| security)
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
            let error = set(&[text]).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
