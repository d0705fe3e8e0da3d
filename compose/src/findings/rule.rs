//! The rules, for listings and documents.

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub name: &'static str,
    pub description: &'static str,
}

pub const RULES: &[Rule] = &[
    Rule { name: "port-published-twice", description: "Two services publish one port of the host" },
    Rule {
        name: "replicas-share-port",
        description: "Several replicas publish one port of the host",
    },
    Rule { name: "subnets-overlap", description: "Two networks have addresses in common" },
    Rule {
        name: "subnet-in-use",
        description: "The host has another route to a network's addresses",
    },
    Rule { name: "file-missing", description: "A file that a service needs does not exist" },
    Rule { name: "dependency-cycle", description: "Services wait for each other" },
    Rule {
        name: "profile-unreachable",
        description: "A service needs one that its own profiles do not enable",
    },
    Rule { name: "health-unknown", description: "A service waits for health that nothing tells" },
    Rule { name: "capability-unknown", description: "No capability has this name" },
    Rule { name: "capability-missing", description: "This host cannot give a capability" },
    Rule { name: "limit-unavailable", description: "This host cannot enforce a limit" },
    Rule {
        name: "limit-beyond-host",
        description: "A limit or reservation is more than the host has",
    },
    Rule { name: "platform-foreign", description: "The host cannot run programs of a platform" },
    Rule { name: "unused-resource", description: "No service uses a resource" },
];

impl Rule {
    /// The rule of that name. Every name in this crate is in the table.
    pub(super) fn named(name: &str) -> &'static Rule {
        RULES.iter().find(|rule| rule.name == name).unwrap_or(&RULES[0])
    }
}
