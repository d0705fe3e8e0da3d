//! The network of builds, and what removes its bridge a moment later.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use runtime::network::{Networks, STEPS_NETWORK};

use crate::Exit;
use crate::environment::{Environment, Locations};

/// What the command line of the process that sweeps begins with.
pub const VERB: &str = "network-sweep";

/// One build often follows another: making the bridge again takes longer than everything else about a network.
const LINGER: Duration = Duration::from_secs(1);

/// What `$RBUILD_NETWORK` makes of the default network of RUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfBuilds {
    Private,
    Host,
    None,
}

pub fn of_builds(environment: &Environment) -> OfBuilds {
    match environment.text("RBUILD_NETWORK") {
        Some("host") => OfBuilds::Host,
        Some("none") => OfBuilds::None,
        _ => OfBuilds::Private,
    }
}

/// This machine, as RUN reaches it there: what `host-gateway` stands for.
pub fn gateway(network: OfBuilds, locations: &Locations) -> Result<Option<IpAddr>> {
    Ok(match network {
        OfBuilds::None => None,
        OfBuilds::Host => Some(Ipv4Addr::LOCALHOST.into()),
        OfBuilds::Private => {
            let networks = Networks::open(&locations.root, &locations.state)?;
            Some(networks.find_or_default(STEPS_NETWORK)?.gateway.into())
        }
    })
}

/// After a build: starts the process that removes what nobody needs any more, and does not wait for it.
pub fn sweep(locations: &Locations) {
    let left = Networks::open(&locations.root, &locations.state).is_ok_and(|it| it.may_be_left());
    if !left {
        return;
    }
    let mut command = Command::new("/proc/self/exe");
    command.arg(VERB).args([&locations.root, &locations.state]).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    // What stays for lack of it, the next command that looks at containers removes.
    let _not_started = command.spawn();
}

/// That process; `words` are those behind [`VERB`].
pub fn run_sweep(words: &[OsString]) -> Exit {
    let [root, state] = words else { return Exit::Failure };
    sleep(LINGER);
    let networks = Networks::open(Path::new(root), Path::new(state));
    match networks.and_then(|networks| networks.remove_unused()) {
        Ok(()) => Exit::Success,
        // Nobody is there to be told.
        Err(_) => Exit::Failure,
    }
}
