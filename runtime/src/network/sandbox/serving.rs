//! The processes beside a container on networks: what they are to know, and when they are begun and ended.
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::super::definition::DEFAULT_NETWORK;
use super::super::directory::Result;
use super::super::failpoint::pass;
use super::super::files::{Resolver, asks_the_shim};
use super::super::server;
use super::super::server::zone::Known;
use super::super::settings::NetworkSettings;
use super::Sandbox;
use super::beside::Beside;

impl Sandbox {
    /// Starts the process that answers names, in place of the one before, or ends it.
    pub(super) fn serve(&mut self, settings: &NetworkSettings) -> Result<()> {
        let host = Resolver::of_host();
        if !asks_the_shim(settings, &self.endpoints, &host) {
            self.answers = None;
            self.name_server.end();
            return Ok(());
        }
        let answers = (self.known()?, self.upstream(settings, host));
        let mut leading = None;
        let inside = match &mut self.inside {
            Some(inside) => inside,
            none => {
                pass("it is to have a name server")?;
                let (inside, new) = server::open_inside(&self.namespace)?;
                leading = Some(new);
                none.insert(inside)
            }
        };
        pass("its name server has sockets")?;
        let answers = self.answers.insert(answers);
        self.name_server
            .begin(|| server::start_answering(&self.networks, inside, answers, leading))?;
        pass("its name server runs")
    }

    /// Networks whose names it may know: on the default one there are none.
    fn known(&self) -> Result<Vec<Known>> {
        let named = self.endpoints.iter().filter(|found| found.network_name != DEFAULT_NETWORK);
        let known = named.map(|endpoint| {
            let network = self.networks.find(&endpoint.network)?;
            Ok(Known { id: network.id, subnet: network.subnet })
        });
        known.collect()
    }

    /// Nothing leaves internal networks, not even questions.
    fn upstream(&self, settings: &NetworkSettings, host: Resolver) -> Vec<IpAddr> {
        let leads_out = self.endpoints.iter().any(|endpoint| endpoint.gateway.is_some());
        match settings.dns.servers.as_slice() {
            _ if !leads_out => Vec::new(),
            [] => host.servers,
            given => given.to_vec(),
        }
    }

    /// What the shim has to wait for, beside its own.
    pub(crate) fn watched(&self) -> Vec<(BorrowedFd<'_>, Beside)> {
        let name_server = self.name_server.pidfd().map(|pidfd| (pidfd, Beside::NamesEnded));
        let mut all: Vec<_> = name_server.into_iter().collect();
        match self.copier.pidfd() {
            Some(pidfd) => all.push((pidfd, Beside::CopierEnded)),
            None if self.copier.pause().is_none() && self.published_address().is_some() => {
                all.extend(self.held.arrivals().map(|arrivals| (arrivals, Beside::Arrived)));
            }
            None => {}
        }
        all
    }

    /// When [`Sandbox::mend`] or [`Sandbox::watched`] will have something new.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let missing = self.answers.is_some() && !self.name_server.runs();
        let name_server = missing.then(|| self.name_server.pause().unwrap_or_else(Instant::now));
        let copier = if self.copier.runs() { None } else { self.copier.pause() };
        [name_server, copier].into_iter().flatten().min()
    }

    pub(crate) fn follow(&mut self, what: Beside) {
        match (what, self.published_address()) {
            (Beside::NamesEnded, _) => self.name_server.end(),
            (Beside::CopierEnded, _) => self.copier.end(),
            (Beside::Arrived, Some(address)) if !self.copier.runs() => {
                self.copies_to = Some(address);
                // Where it cannot begin now, it is tried again.
                let _later = self.copier.begin(|| server::start_copying(&self.held, address));
            }
            (Beside::Arrived, _) => {}
        }
    }

    /// A name server that has died is replaced; nothing is copied to an address that the ports have left.
    pub(crate) fn mend(&mut self) {
        if self.copier.runs() && self.copies_to != self.published_address() {
            self.copier.end();
        }
        let Some((answers, inside)) = self.answers.as_ref().zip(self.inside.as_ref()) else {
            return;
        };
        if !self.name_server.runs() && self.name_server.pause().is_none() {
            let start = || server::start_answering(&self.networks, inside, answers, None);
            // Where it cannot begin now, it is tried again.
            let _later = self.name_server.begin(start);
        }
    }

    /// Where published ports lead.
    pub(super) fn published_address(&self) -> Option<Ipv4Addr> {
        let publishing = self.endpoints.iter().find(|endpoint| !endpoint.ports.is_empty());
        publishing.map(|endpoint| endpoint.address)
    }
}
