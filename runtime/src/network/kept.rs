//! A bridge stays for a moment when the last container has gone: making one and removing it takes the kernel tens of
//! milliseconds, and containers often come one after the other.

use std::fs;

use super::definition::NetworkDefinition;
use super::directory::{
    Guard, Networks, Result, is_id, names_in, read_json, remove_file, write_json,
};
use super::failpoint::pass;
use crate::containers::ProcessName;

/// Beside the network's endpoints: which process will remove its bridge.
const KEEPER: &str = "keeper";

impl Networks {
    /// Whoever looks meanwhile leaves the bridge alone. Nothing happens while somebody is on the network.
    pub(super) fn keep_bridge(
        &self,
        network: &NetworkDefinition,
        keeper: ProcessName,
    ) -> Result<()> {
        if self.count_endpoints(&network.id)? > 0 {
            return Ok(());
        }
        write_json(&self.endpoints_directory(&network.id).join(KEEPER), &keeper)?;
        pass("somebody keeps the bridge")
    }

    /// Who will remove the bridge of this network; none who has died before.
    pub(super) fn keeper(&self, id: &str) -> Option<ProcessName> {
        let keeper: Option<ProcessName> =
            read_json(&self.endpoints_directory(id).join(KEEPER)).ok().flatten();
        keeper.filter(|keeper| keeper.is_alive())
    }

    /// Removes the place of a network's endpoints, with what only lies beside them: the keeper's name, and what somebody
    /// was writing who was killed. It stays if somebody is on the network.
    pub(super) fn leave_endpoints(&self, _guard: &Guard, id: &str) -> Result<()> {
        let directory = self.endpoints_directory(id);
        for name in names_in(&directory)?.iter().filter(|name| !is_id(name)) {
            remove_file(&directory.join(name))?;
        }
        let _not_empty_or_never_there = fs::remove_dir(directory);
        Ok(())
    }
}
