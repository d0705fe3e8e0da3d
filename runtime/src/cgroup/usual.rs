//! v2's program for containers without device rules of their own, and whether this machine lets us use it.
//!
//! Trying that takes a group of its own, and loading the program the kernel's check of it: together as long as all else about a
//! group many times over. What was found out is remembered in the state directory, and the program is loaded when it is needed.
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sys::bpf::DeviceProgram;

use super::{Hierarchy, Version, create_dirs, devices};
use crate::containers::boot_id;

#[derive(Debug, Default)]
pub(super) struct UsualRules {
    program: OnceLock<DeviceProgram>,
    /// To be removed if it turns out not to be so any more.
    memory: Option<PathBuf>,
}

impl UsualRules {
    /// None where v2 cannot enforce them. `state` is where that is remembered.
    pub(super) fn find(
        hierarchies: &[Hierarchy],
        parent: &Path,
        owner: &str,
        state: Option<&Path>,
    ) -> Option<UsualRules> {
        let v2 = hierarchies.iter().find(|h| h.version == Version::V2)?;
        let memory = state.map(|state| state.join("device-rules"));
        let here = state.map(|state| here(v2, state));
        let remembered = memory.as_ref().and_then(|path| fs::read_to_string(path).ok());
        let rules = UsualRules { program: OnceLock::new(), memory };
        if remembered.is_some() && remembered == here {
            return Some(rules);
        }
        rules.tried(&v2.mount.join(parent).join(format!("{owner}.trial"))).then(|| {
            if let (Some(path), Some(here)) = (&rules.memory, &here) {
                // Where it cannot be written, the next one tries again.
                let _again = fs::write(path, here);
            }
            rules
        })
    }

    /// On a group of its own: programs on the parent would stay.
    fn tried(&self, trial: &Path) -> bool {
        let attached = create_dirs(trial).is_ok()
            && fs::File::open(trial).is_ok_and(|group| self.attach(group).is_ok());
        let _ = fs::remove_dir(trial);
        attached
    }

    pub(super) fn attach(&self, group: impl AsFd) -> sys::Result<()> {
        self.load().and_then(|program| program.attach(group)).inspect_err(|_| self.forget())
    }

    /// The next one tries again.
    pub(super) fn forget(&self) {
        if let Some(path) = &self.memory {
            let _gone = fs::remove_file(path);
        }
    }

    fn load(&self) -> sys::Result<&DeviceProgram> {
        if let Some(program) = self.program.get() {
            return Ok(program);
        }
        let program = DeviceProgram::load(&devices::v2_program(&[]))?;
        Ok(self.program.get_or_init(|| program))
    }
}

/// For which kernel, hierarchy and capabilities of ours it was found out.
fn here(v2: &Hierarchy, state: &Path) -> String {
    let mount = fs::metadata(&v2.mount).map(|it| (it.dev(), it.ino())).unwrap_or_default();
    let capabilities = rustix::thread::capabilities(None).map(|sets| sets.effective.bits());
    format!("{} {mount:?} {:x}", boot_id(state), capabilities.unwrap_or_default())
}
