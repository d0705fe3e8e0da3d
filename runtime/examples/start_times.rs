//! How long a locked-down container of `true` takes from request to clean exit.
//!
//! `cargo run --release -p runtime --example start_times -- ROOTFS [N]`, as root; ROOTFS is a
//! directory with /bin/true. Prints minimum and median for both network modes.
#![allow(clippy::print_stdout)] // an example has nobody else to talk to
use std::path::Path;
use std::time::{Duration, Instant};

use runtime::{ContainerSpec, EngineId, NetworkMode, Rootfs, Stdio, Zygote};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rootfs = arguments.first().ok_or("usage: start_times ROOTFS [N]")?;
    let count = arguments.get(1).map_or(Ok(100), |n| n.parse())?;
    let directory = std::env::temp_dir().join(format!("start-times-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let started = Instant::now();
    let zygote = Zygote::start(&EngineId::of_root(&directory)?, &directory.join("state"))?;
    println!("zygote: {:?}", started.elapsed());
    for network in [NetworkMode::None, NetworkMode::Host] {
        let mut starts = Vec::new();
        let mut totals = Vec::new();
        for number in 0..count {
            let (start, total) = once(&zygote, &directory, rootfs, network, number)?;
            starts.push(start);
            totals.push(total);
        }
        println!("network {network}: start {}, with exit {}", show(starts), show(totals));
    }
    drop(zygote);
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn once(
    zygote: &Zygote,
    directory: &Path,
    rootfs: &str,
    network: NetworkMode,
    number: usize,
) -> Result<(Duration, Duration), Box<dyn std::error::Error>> {
    let own = directory.join(format!("{network}-{number}"));
    std::fs::create_dir_all(own.join("upper"))?;
    std::fs::create_dir_all(own.join("work"))?;
    let rootfs = Rootfs::Overlay {
        lowers: vec![rootfs.into()],
        upper: Some(own.join("upper")),
        work: Some(own.join("work")),
        volatile: true,
    };
    let mut spec = ContainerSpec::new(format!("t{number}"), rootfs, vec!["/bin/true".into()]);
    spec.network = network;
    let started = Instant::now();
    let container = zygote.spawn(&spec, Stdio::Pipes { stdin: false })?;
    let start = started.elapsed();
    container.wait()?;
    Ok((start, started.elapsed()))
}

fn show(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    format!("min {:.2?} median {:.2?}", times[0], times[times.len() / 2])
}
