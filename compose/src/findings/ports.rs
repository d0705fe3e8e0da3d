//! Ports of the host that more than one container wants.

use super::Look;
use crate::model::Port;

struct Published<'a> {
    service: &'a str,
    index: usize,
    port: &'a Port,
    first: u32,
    last: u32,
}

pub(super) fn check(look: &mut Look<'_>) {
    let project = &look.loaded.project;
    let mut all: Vec<Published<'_>> = Vec::new();
    let mut clashes = Vec::new();
    let mut shared = Vec::new();
    for (service, it) in &project.services {
        for (index, port) in it.ports.iter().enumerate() {
            let Some((first, last)) = range(&port.published) else { continue };
            let own = Published { service, index, port, first, last };
            if let Some(other) = all.iter().find(|other| clash(other, &own)) {
                let service = other.service.to_owned();
                clashes.push((
                    service,
                    own.service.to_owned(),
                    index,
                    port.published.clone(),
                    port.protocol.clone(),
                ));
            }
            if it.replicas() > i64::from(last - first) + 1 {
                shared.push((service.clone(), index, port.published.clone(), it.replicas()));
            }
            all.push(own);
        }
    }
    for (one, other, index, published, protocol) in clashes {
        let both = if one == other {
            format!("`{one}` publishes port {published}/{protocol} twice")
        } else {
            format!("`{one}` and `{other}` both publish port {published}/{protocol}")
        };
        let index = index.to_string();
        let hint = "only the first that starts gets it; choose another port of the host";
        look.report(
            "port-published-twice",
            &["services", &other, "ports", &index],
            both,
            Some(hint),
        );
    }
    for (service, index, published, replicas) in shared {
        let message =
            format!("{replicas} replicas of `{service}` cannot share port {published} of the host");
        let hint =
            "publish a range as long as the number of replicas, or leave the host's port out";
        let index = index.to_string();
        look.report(
            "replicas-share-port",
            &["services", &service, "ports", &index],
            message,
            Some(hint),
        );
    }
}

fn range(published: &str) -> Option<(u32, u32)> {
    match published.split_once('-') {
        Some((first, last)) => Some((first.parse().ok()?, last.parse().ok()?)),
        None => published.parse().ok().map(|port| (port, port)),
    }
}

/// A range is taken from as needed: only two single ports surely meet.
fn clash(a: &Published<'_>, b: &Published<'_>) -> bool {
    let single = a.first == a.last && b.first == b.last;
    single
        && a.first == b.first
        && a.port.protocol == b.port.protocol
        && (a.service, a.index) != (b.service, b.index)
        && addresses_meet(&a.port.host_ip, &b.port.host_ip)
}

fn addresses_meet(a: &str, b: &str) -> bool {
    let any = |text: &str| matches!(text, "" | "0.0.0.0" | "::");
    any(a) || any(b) || a == b
}
