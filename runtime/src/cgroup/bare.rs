//! A v2 group with device rules and nothing else around it: what the kernel takes for one.
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sys::bpf::DeviceProgram;

use super::{Version, create_dirs, devices, hierarchy, parent_name, removal, remove_parents};
use crate::engine::EngineId;

/// Where such groups can be made.
#[derive(Debug)]
pub(crate) struct BareGroups {
    hierarchy: super::Hierarchy,
    parent: PathBuf,
    program: DeviceProgram,
}

impl BareGroups {
    /// None where v2 is not mounted or decides about no devices.
    pub(crate) fn prepare(engine: &EngineId) -> Option<BareGroups> {
        let mut all = hierarchy::detect().into_iter();
        let hierarchy = all.find(|hierarchy| hierarchy.version == Version::V2)?;
        let parent = parent_name(engine);
        create_dirs(&hierarchy.mount.join(&parent)).ok()?;
        let program = DeviceProgram::load(&devices::v2_program(&[])).ok()?;
        Some(BareGroups { hierarchy, parent, program })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.hierarchy.mount.join(&self.parent).join(name)
    }

    /// `name` begins with that of the owner, so that it goes if this process is killed.
    pub(crate) fn make(&self, name: &str) -> io::Result<File> {
        let path = self.path(name);
        fs::create_dir(&path)?;
        File::open(&path)
    }

    pub(crate) fn rule(&self, group: &File) -> io::Result<()> {
        Ok(self.program.attach(group)?)
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_dir(self.path(name))
    }

    /// Of a group that is still there, since something failed, nothing is left; nor of the engine's own, where nobody else needs it.
    pub(crate) fn end(self, name: &str) {
        let _next_start = removal::kill_and_remove([self.path(name)]);
        remove_parents(&self.hierarchy, Path::new(&self.parent));
    }
}
