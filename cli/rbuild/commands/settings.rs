//! Values that several commands take: sizes and hosts.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use builder::request::ExtraHost;

/// `64m`, `1.5g`, `1024`: powers of 1024, as docker reads sizes of memory.
pub(super) fn bytes(text: &str) -> Result<u64> {
    let wrong = || format!("`{text}` is not a size; write `64m` or `1g`");
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|char: char| !char.is_ascii_digit() && char != '.');
    let (number, unit) = lower.split_at(digits.unwrap_or(lower.len()));
    let power = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => bail!(wrong()),
    };
    let number: f64 = number.parse().with_context(wrong)?;
    Ok((number * 1024_f64.powi(power)) as u64)
}

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
    fn sizes_are_powers_of_1024() {
        assert_eq!(bytes("1024").unwrap(), 1024);
        assert_eq!(bytes("64m").unwrap(), 64 << 20);
        assert_eq!(bytes("1.5 GB").unwrap(), 3 << 29);
        for wrong in ["", "m", "64x", "-1", "1.2.3"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

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
