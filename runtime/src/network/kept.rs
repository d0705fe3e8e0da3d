//! A bridge stays for a moment when the last container has gone: making one and removing it takes the kernel tens of
//! milliseconds, and containers often come one after the other.

use super::definition::NetworkDefinition;
use super::directory::{Networks, Result, read_json, remove_file, write_json};
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
        write_json(&self.endpoints_directory(&network.id).join(KEEPER), &keeper)
    }

    /// Who will remove the bridge of this network; none who has died before.
    pub(super) fn keeper(&self, id: &str) -> Option<ProcessName> {
        let keeper: Option<ProcessName> =
            read_json(&self.endpoints_directory(id).join(KEEPER)).ok().flatten();
        keeper.filter(|keeper| keeper.is_alive())
    }

    pub(super) fn forget_keeper(&self, id: &str) -> Result<()> {
        let path = self.endpoints_directory(id).join(KEEPER);
        // Of one that was killed while it wrote that.
        remove_file(&path.with_extension("writing"))?;
        remove_file(&path)
    }
}
