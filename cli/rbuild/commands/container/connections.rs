//! `--network`, `--publish` and what belongs to them.

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::report::Report;
use runtime::NetworkMode;
use runtime::containers::Containers;
use runtime::network::{
    Attachment, DEFAULT_NETWORK, DnsSettings, NetworkSettings, parse_exposed, parse_published,
};

use crate::args::{ConnectionArgs, ContainerArgs};

/// What the arguments say of networks, checked as far as that goes without a store.
/// Where no network is asked for it is `$RBUILD_NETWORK`, else `bridge`.
pub(super) fn resolve(
    args: &ContainerArgs,
    environment: &Environment,
) -> Result<(NetworkMode, NetworkSettings)> {
    let given = &args.connections;
    let mut settings = NetworkSettings {
        exposed: flat(&given.expose, "expose", parse_exposed)?,
        ports: flat(&given.publish, "publish", parse_published)?,
        publish_all: given.publish_all,
        dns: dns(args)?,
        ..NetworkSettings::default()
    };
    let default = [environment.text("RBUILD_NETWORK").unwrap_or(DEFAULT_NETWORK).to_owned()];
    let networks = if given.networks.is_empty() { &default } else { given.networks.as_slice() };
    let mode = match networks {
        [mode] if mode == "host" => NetworkMode::Host,
        [mode] if mode == "none" => NetworkMode::None,
        [mode] if mode.starts_with("container:") => {
            settings.joined = mode.strip_prefix("container:").map(str::to_owned);
            NetworkMode::Sandbox
        }
        networks => {
            settings.attachments =
                networks.iter().map(|text| attachment(text)).collect::<Result<_>>()?;
            NetworkMode::Sandbox
        }
    };
    for_the_first(given, &mut settings)?;
    check(args, mode, &settings)?;
    Ok((mode, settings))
}

fn flat<T, E: std::error::Error + Send + Sync + 'static>(
    texts: &[String],
    flag: &str,
    parse: impl Fn(&str) -> Result<Vec<T>, E>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for text in texts {
        all.extend(parse(text).with_context(|| format!("cannot use `--{flag} {text}`"))?);
    }
    Ok(all)
}

fn dns(args: &ContainerArgs) -> Result<DnsSettings> {
    let given = &args.confinement;
    let server = |text: &String| {
        text.parse().with_context(|| format!("`--dns {text}`: it is not an IP address"))
    };
    Ok(DnsSettings {
        servers: given.dns.iter().map(server).collect::<Result<_>>()?,
        search: given.dns_search.clone(),
        options: given.dns_options.clone(),
    })
}

/// A network's name, or docker's long form.
fn attachment(text: &str) -> Result<Attachment> {
    let of_mode = |name: &str| {
        let alone = matches!(name, "host" | "none") || name.starts_with("container:");
        if alone || name.is_empty() {
            bail!("`--network {text}` cannot be one of several networks");
        }
        // Docker's word for its default.
        Ok(Attachment::to(if name == "default" { DEFAULT_NETWORK } else { name }))
    };
    if !text.contains('=') {
        return of_mode(text);
    }
    let mut wanted = Attachment::default();
    for part in text.split(',') {
        let (key, value) = part.split_once('=').with_context(|| {
            format!("`--network {text}`: `{part}` is not of the form key=value")
        })?;
        let cannot = || format!("`--network {text}`");
        match key {
            "name" => wanted.network = of_mode(value)?.network,
            "alias" => wanted.aliases.push(value.to_owned()),
            "ip" => wanted.ipv4 = Some(value.parse().with_context(cannot)?),
            "mac-address" => wanted.mac = Some(value.parse().with_context(cannot)?),
            "gw-priority" => wanted.gateway_priority = value.parse().with_context(cannot)?,
            other => bail!(
                "`--network {text}`: `{other}` is not supported; known are name, alias, ip, mac-address and gw-priority"
            ),
        }
    }
    if wanted.network.is_empty() {
        bail!("`--network {text}` names no network: `name=` is missing");
    }
    Ok(wanted)
}

/// What the flags of their own say is about the only network, or the first.
fn for_the_first(given: &ConnectionArgs, settings: &mut NetworkSettings) -> Result<()> {
    let Some(first) = settings.attachments.first_mut() else { return Ok(()) };
    first.aliases.extend(given.aliases.iter().cloned());
    if let Some(text) = &given.ip {
        let address = text.parse();
        first.ipv4 =
            Some(address.with_context(|| format!("`--ip {text}`: it is not an IPv4 address"))?);
    }
    if let Some(text) = &given.mac_address {
        let address = text.parse();
        first.mac = Some(address.with_context(|| format!("cannot use `--mac-address {text}`"))?);
    }
    Ok(())
}

/// Flags that mean nothing without a network of the container's own.
fn check(args: &ContainerArgs, mode: NetworkMode, settings: &NetworkSettings) -> Result<()> {
    let given = &args.connections;
    let publishes = !settings.ports.is_empty() || settings.publish_all;
    if settings.attachments.is_empty() {
        let lost = [
            ("network-alias", !given.aliases.is_empty()),
            ("ip", given.ip.is_some()),
            ("mac-address", given.mac_address.is_some()),
        ];
        if let Some((flag, _)) = lost.iter().find(|(_, is_given)| *is_given) {
            bail!("`--{flag}` needs a network of the container's own");
        }
    }
    if settings.joined.is_some() {
        let conflicts = [
            ("publish", publishes),
            ("expose", !settings.exposed.is_empty()),
            ("hostname", args.hostname.is_some()),
            ("add-host", !args.add_hosts.is_empty()),
            ("dns", settings.dns != DnsSettings::default()),
        ];
        if let Some((flag, _)) = conflicts.iter().find(|(_, is_given)| *is_given) {
            bail!(
                "`--{flag}` is for the container whose network this one shares (`--network container:…`)"
            );
        }
    } else if publishes && mode != NetworkMode::Sandbox {
        let report = match mode {
            NetworkMode::Host => {
                Report::warning("ports need not be published with the host's network")
            }
            _ => Report::warning("ports cannot be published without a network"),
        };
        report.note("`--publish` and `--publish-all` have no effect").print();
    }
    Ok(())
}

/// The ID of the container whose network is to be shared.
pub(super) fn find_joined(containers: &Containers, settings: &mut NetworkSettings) -> Result<()> {
    if let Some(text) = &settings.joined {
        settings.joined = Some(containers.find(text)?.definition.id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn of(words: &[&str]) -> Result<(NetworkMode, NetworkSettings)> {
        let words = ["rbuild", "run"].iter().chain(words).chain(&["img"]);
        let Command::Run(args) = Args::parse_from(words).command else { panic!("run") };
        resolve(&args.container, &Environment::default())
    }

    #[test]
    fn modes_and_networks() {
        for (words, mode, networks) in [
            (&[][..], NetworkMode::Sandbox, &["bridge"][..]),
            (&["--network", "host"], NetworkMode::Host, &[]),
            (&["--net", "none"], NetworkMode::None, &[]),
            (&["--network", "bridge"], NetworkMode::Sandbox, &["bridge"]),
            (&["--network", "default"], NetworkMode::Sandbox, &["bridge"]),
            (
                &["--network", "a", "--network", "name=b,alias=x,alias=y"],
                NetworkMode::Sandbox,
                &["a", "b"],
            ),
            (&["--network", "container:c"], NetworkMode::Sandbox, &[]),
        ] {
            let (found, settings) = of(words).unwrap();
            assert_eq!(
                (found, settings.networks().collect::<Vec<_>>()),
                (mode, networks.to_vec()),
                "{words:?}"
            );
        }
    }

    #[test]
    fn details_belong_to_the_first_network() {
        let words = [
            "--network",
            "a",
            "--network",
            "name=b,ip=10.0.0.9,gw-priority=3",
            "--ip",
            "10.1.0.2",
            "--network-alias",
            "x",
            "--mac-address",
            "02:42:00:00:00:01",
            "-p",
            "80",
            "-p",
            "1-2:3-4",
            "-P",
        ];
        let (_, settings) = of(&words).unwrap();
        let [a, b] = &settings.attachments[..] else { panic!("two") };
        assert_eq!(
            (a.ipv4, a.aliases.len(), a.mac.is_some()),
            (Some([10, 1, 0, 2].into()), 1, true)
        );
        assert_eq!((b.ipv4, b.gateway_priority), (Some([10, 0, 0, 9].into()), 3));
        assert_eq!((settings.ports.len(), settings.publish_all), (3, true));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for words in [
            &["--network", "host", "--network", "a"][..],
            &["--network", "none", "--ip", "10.0.0.1"],
            &["--network", "container:c", "-p", "80"],
            &["--network", "container:c", "--hostname", "x"],
            &["--network", "name=a,driver-opt=x"],
            &["--network", "alias=x"],
            &["--network", "a", "--ip", "fd00::1"],
            &["--network", "a", "-p", "x"],
        ] {
            assert!(of(words).is_err(), "{words:?}");
        }
    }
}
