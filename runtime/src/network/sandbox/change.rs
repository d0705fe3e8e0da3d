//! A container that runs comes to networks, goes from them, and gets another name.
use super::super::directory::{Guard, Result};
use super::super::endpoint::Endpoint;
use super::super::error::NetworkError;
use super::super::failpoint::pass;
use super::super::ports::HeldPorts;
use super::super::settings::NetworkSettings;
use super::way_out::{reserve, way_out};
use super::{Files, Sandbox};

impl Sandbox {
    /// The others on its networks know it by this name from now on.
    pub(crate) fn rename(&mut self, name: &str) -> Result<()> {
        name.clone_into(&mut self.owner.name);
        let _guard = self.networks.lock()?;
        let on: Vec<bool> =
            self.endpoints.iter().map(|found| self.is_on(found)).collect::<Result<_>>()?;
        for (endpoint, on) in self.endpoints.iter_mut().zip(on) {
            endpoint.rename(name);
            // Nobody is to find it where it was taken out by force.
            if on {
                self.networks.write_endpoint(endpoint)?;
            }
        }
        Ok(())
    }

    /// Takes what the definition says now: comes to networks that are new in it, goes from those that are no more.
    pub(crate) fn change(&mut self, settings: &NetworkSettings) -> Result<Files> {
        let guard = self.networks.lock()?;
        let way_out = way_out(&self.networks, &guard, &settings.attachments)?;
        // Before anything is changed: they may be somebody else's by now.
        let fresh = match self.held.is_empty() {
            true => Some(reserve(&self.networks, settings, way_out.as_ref())?),
            false => None,
        };
        self.leave(&guard, settings)?;
        pass("it has left its networks")?;
        self.come(&guard, settings)?;
        pass("it has come to its networks")?;
        match &way_out {
            Some((position, _)) => {
                if let Some(fresh) = fresh {
                    self.held = fresh;
                }
                self.lead_out(&guard, &settings.attachments[*position].network)?;
            }
            None => self.held = HeldPorts::default(),
        }
        pass("its ports are published where they should be")?;
        drop(guard);
        self.serve(settings)?;
        Ok(self.files(settings))
    }

    fn leave(&mut self, guard: &Guard, settings: &NetworkSettings) -> Result<()> {
        let stays = |endpoint: &Endpoint| {
            let wanted = settings.networks().any(|name| name == endpoint.network_name);
            Ok(wanted && self.is_on(endpoint)?)
        };
        let stay: Vec<bool> = self.endpoints.iter().map(stays).collect::<Result<_>>()?;
        for (position, _) in stay.iter().enumerate().rev().filter(|(_, stays)| !**stays) {
            let was_on = self.is_on(&self.endpoints[position])?;
            self.networks.detach(guard, &self.endpoints[position], true)?;
            let endpoint = self.endpoints.remove(position);
            pass("it has left a network")?;
            if was_on {
                self.note(&endpoint, "disconnect");
            }
            // One that it was taken out of by force may have been removed since.
            match self.networks.find(&endpoint.network) {
                Ok(network) => self.networks.remove_bridge(guard, &network)?,
                Err(NetworkError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_on(&self, endpoint: &Endpoint) -> Result<bool> {
        Ok(self.networks.read_endpoint(&endpoint.network, &self.owner.id)?.is_some())
    }

    /// By force from a network, without this shim.
    pub(crate) fn was_taken_out(&self) -> bool {
        self.endpoints.iter().any(|endpoint| matches!(self.is_on(endpoint), Ok(false)))
    }

    fn come(&mut self, guard: &Guard, settings: &NetworkSettings) -> Result<()> {
        for attachment in &settings.attachments {
            let is_there =
                self.endpoints.iter().any(|found| found.network_name == attachment.network);
            if !is_there {
                self.attach(guard, attachment, false)?;
            }
        }
        Ok(())
    }

    /// The default route and the published ports go by this network, whichever it was before.
    fn lead_out(&mut self, guard: &Guard, network: &str) -> Result<()> {
        let ports = self.ports();
        for endpoint in &mut self.endpoints {
            let leads_out = endpoint.network_name == network;
            let wanted = if leads_out { ports.clone() } else { Vec::new() };
            if leads_out {
                self.networks.lead_out(&self.namespace, endpoint)?;
                pass("its default route leads out")?;
            }
            if endpoint.ports != wanted {
                self.networks.publish(guard, endpoint, wanted)?;
            }
        }
        Ok(())
    }
}
