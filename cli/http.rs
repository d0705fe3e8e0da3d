//! How to reach servers: the variables and files that curl and Go look at, too.

use std::path::PathBuf;

use builder::fetch::HttpSettings;

use crate::environment::Environment;

/// Where distributions keep the certificates to trust.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

pub fn settings(environment: &Environment) -> HttpSettings {
    let variable = |name: &str| {
        let value = environment.text(&name.to_ascii_uppercase()).or(environment.text(name));
        value.map(str::to_owned)
    };
    let authorities = match environment.text("SSL_CERT_FILE") {
        Some(path) => vec![PathBuf::from(path)],
        None => AUTHORITIES.map(PathBuf::from).to_vec(),
    };
    HttpSettings {
        http_proxy: variable("http_proxy"),
        https_proxy: variable("https_proxy"),
        no_proxy: variable("no_proxy"),
        authorities,
    }
}
