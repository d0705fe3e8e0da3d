//! Ports of EXPOSE, after expansion: `80`, `80/udp`, `8000-8010`, and with a host part that is dropped.

use std::net::IpAddr;

/// Why a port is refused. The texts are BuildKit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid port: {port:?}: {cause}")]
pub struct ExposeError {
    pub port: String,
    pub cause: ExposeCause,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExposeCause {
    #[error("no port specified")]
    NoPort,
    #[error("invalid proto: {0}")]
    Protocol(String),
    #[error("invalid IP address: {0}")]
    Address(String),
    #[error("invalid containerPort: {0}: {1}")]
    ContainerPort(String, RangeError),
    #[error("invalid hostPort: {0}: {1}")]
    HostPort(String, RangeError),
    #[error("invalid ranges specified for container and host Ports: {container} and {host}")]
    Ranges { container: String, host: String },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error("value is empty")]
    Empty,
    #[error("invalid syntax")]
    Syntax,
    #[error("value out of range (0–65535)")]
    OutOfRange,
    #[error("invalid port range")]
    Backwards,
}

/// The ports of one specification as an image config lists them: `80/tcp`.
pub fn parse(spec: &str) -> Result<Vec<String>, ExposeError> {
    ports(spec).map_err(|cause| ExposeError { port: spec.to_owned(), cause })
}

fn ports(spec: &str) -> Result<Vec<String>, ExposeCause> {
    let (host, container) = spec.rsplit_once(':').unwrap_or(("", spec));
    let (address, host_port) = host.rsplit_once(':').unwrap_or(("", host));
    let (port, protocol) = container.split_once('/').unwrap_or((container, ""));
    if port.is_empty() {
        return Err(ExposeCause::NoPort);
    }
    let protocol = match protocol.to_lowercase().as_str() {
        "" => "tcp".to_owned(),
        "tcp" | "udp" | "sctp" => protocol.to_lowercase(),
        _ => return Err(ExposeCause::Protocol(protocol.to_owned())),
    };
    check_address(address)?;
    let (first, last) =
        range(port).map_err(|error| ExposeCause::ContainerPort(port.to_owned(), error))?;
    if !host_port.is_empty() {
        let (host_first, host_last) =
            range(host_port).map_err(|error| ExposeCause::HostPort(host_port.to_owned(), error))?;
        if last != first && last - first != host_last - host_first {
            return Err(ExposeCause::Ranges {
                container: port.to_owned(),
                host: host_port.to_owned(),
            });
        }
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn check_address(address: &str) -> Result<(), ExposeCause> {
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if bare.is_empty() || bare.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    Err(ExposeCause::Address(address.to_owned()))
}

fn range(text: &str) -> Result<(u16, u16), RangeError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err(RangeError::Backwards);
    }
    Ok((first, last))
}

fn number(text: &str) -> Result<u16, RangeError> {
    if text.is_empty() {
        return Err(RangeError::Empty);
    }
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RangeError::Syntax);
    }
    digits.parse().map_err(|_| RangeError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_up() {
        assert_eq!(parse("80-82/UDP"), Ok(vec!["80/udp".into(), "81/udp".into(), "82/udp".into()]));
        assert_eq!(parse("[::1]:80:81"), Ok(vec!["81/tcp".into()]));
        assert_eq!(parse("8000-9000:80"), Ok(vec!["80/tcp".into()]));
    }

    #[test]
    fn errors_name_the_part() {
        let message = |spec| parse(spec).expect_err("refused").to_string();
        assert_eq!(message("80/foo"), "invalid port: \"80/foo\": invalid proto: foo");
        assert_eq!(
            message("99999"),
            "invalid port: \"99999\": invalid containerPort: 99999: value out of range (0–65535)"
        );
        assert_eq!(message("a:1:2"), "invalid port: \"a:1:2\": invalid IP address: a");
        assert_eq!(
            message("1-2:3-5"),
            "invalid port: \"1-2:3-5\": invalid ranges specified for container and host Ports: 3-5 and 1-2"
        );
    }
}
