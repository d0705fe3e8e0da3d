//! Values that several commands take: sizes and hosts.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use builder::request::ExtraHost;

pub(super) use engine::values::bytes;

/// `host:ip` or `host=ip`; an IPv6 address may be in brackets. `gateway` is what `host-gateway` stands for.
pub(super) fn host(text: &str, gateway: Option<IpAddr>) -> Result<ExtraHost> {
    let about = || format!("`--add-host {text}`");
    let split = text.split_once('=').or_else(|| text.split_once(':'));
    let (host, address) =
        split.with_context(|| format!("{} is not of the form host:ip", about()))?;
    if host.is_empty() {
        bail!("{} has no host name", about());
    }
    if address == "host-gateway" {
        let none = || format!("{}: this network has no way to the host", about());
        let address = gateway.with_context(none)?;
        return Ok(ExtraHost { host: host.to_owned(), address });
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address: IpAddr =
        bare.parse().with_context(|| format!("{}: `{address}` is not an IP address", about()))?;
    Ok(ExtraHost { host: host.to_owned(), address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_addresses_of_both_families() {
        let host = |text| host(text, None);
        assert_eq!(host("db:10.0.0.1").unwrap().address.to_string(), "10.0.0.1");
        assert_eq!(host("db:::1").unwrap().address.to_string(), "::1");
        assert_eq!(host("db=[fe80::1]").unwrap().address.to_string(), "fe80::1");
        for wrong in ["db", ":10.0.0.1", "db:nowhere", "db:host-gateway"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}
