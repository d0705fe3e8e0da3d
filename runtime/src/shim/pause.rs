//! A container that stands still, and one whose limits change while it runs.
use std::time::Instant;

use super::restart::Restarter;
use super::supervisor::{Phase, Supervisor};
use crate::containers::Status;
use crate::network::Sandbox;

impl Supervisor {
    pub(super) fn is_paused(&self) -> bool {
        self.container.state.status == Status::Paused
    }

    pub(super) fn pause(&mut self) -> Result<(), String> {
        match self.container.state.status {
            Status::Paused => return Err("the container is already paused".to_owned()),
            Status::Running => {}
            _ => return Err("the container is not running".to_owned()),
        }
        // A check that stood still too would be taken for one that failed.
        if let Some(probe) = self.probe.take() {
            drop(probe.abandon(String::new()));
        }
        let room = self.room().map_err(|error| format!("{}: {}", error.step, error.cause))?;
        room.leaf.freeze().map_err(|error| error.to_string())?;
        self.container.state.status = Status::Paused;
        self.save();
        self.event("pause");
        Ok(())
    }

    pub(super) fn unpause(&mut self) -> Result<(), String> {
        if !self.is_paused() {
            return Err("the container is not paused".to_owned());
        }
        let room = self.room().map_err(|error| format!("{}: {}", error.step, error.cause))?;
        room.leaf.thaw().map_err(|error| error.to_string())?;
        self.container.state.status = Status::Running;
        if let Some(monitor) = &mut self.monitor {
            monitor.schedule(Instant::now());
        }
        self.save();
        self.event("unpause");
        Ok(())
    }

    /// For one that is asked to end, which it cannot while it stands still.
    pub(super) fn unpause_to_end(&mut self) {
        if self.is_paused() {
            // If it does not go on, SIGKILL comes when its time is over, and takes what is frozen by v2 as it is.
            let _stays = self.unpause();
        }
    }

    /// Takes limits, restart policy and networks from the definition as it is now.
    pub(super) fn reload(&mut self) -> Result<(), String> {
        let now = self.containers.read(&self.container.definition.id);
        let now = now.map_err(|error| error.to_string())?.definition;
        if let Phase::Running { running, .. } = &mut self.phase
            && now.spec.limits != self.spec.limits
        {
            let (leaf, group) = (&mut running.leaf, &self.container.state.group);
            let extended = leaf.extend(&self.starter.cgroups, group, &now.spec);
            extended
                .and_then(|()| leaf.change_limits(&self.spec.limits, &now.spec.limits))
                .map_err(|error| error.to_string())?;
        }
        self.spec.limits = now.spec.limits.clone();
        if now.restart != self.restarter.policy {
            self.restarter = Restarter::new(now.restart);
        }
        if now.name != self.container.definition.name {
            if let Some(sandbox) = &mut self.sandbox {
                sandbox.rename(&now.name).map_err(|error| error.to_string())?;
            }
            self.container.definition.name = now.name;
        }
        let taken_out = self.sandbox.as_ref().is_some_and(Sandbox::was_taken_out);
        if taken_out || now.network != self.container.definition.network {
            if let Err(error) = self.change_network(&now.network) {
                // Whoever asked puts the definition back.
                let before = self.container.definition.network.clone();
                let _as_far_as_possible = self.change_network(&before);
                return Err(error.to_string());
            }
            self.container.definition.network = now.network;
        }
        self.container.definition.spec.limits = now.spec.limits;
        self.container.definition.restart = now.restart;
        Ok(())
    }
}
