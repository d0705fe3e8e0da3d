//! How a registry is reached: certificates, proxies, and forms in which layers travel.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::{digest_there, with_image};
use crate::support::{Registry, Sandbox, certify, installed, online, online_with};

/// A proxy that takes everything to one address, whatever its name; it keeps what it was asked.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(target: &str) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, target) = (asked.clone(), target.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (log, target) = (log.clone(), target.clone());
                // Either side may hang up whenever it likes.
                std::thread::spawn(move || {
                    client.and_then(|client| pass_on(client, &target, &log))
                });
            }
        });
        Proxy { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn pass_on(mut client: TcpStream, target: &str, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    log.lock().unwrap().push(first.trim().to_owned());
    let mut server = TcpStream::connect(target)?;
    if first.starts_with("CONNECT ") {
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    } else {
        // What a proxy is asked has the whole address; what a server is asked has the path.
        let path = first.replacen("http://", "", 1);
        let slash = path.find('/').unwrap();
        let method = path.split(' ').next().unwrap();
        server.write_all(format!("{method} {}", &path[slash..]).as_bytes())?;
    }
    let (mut back, mut forth) = (server.try_clone()?, client.try_clone()?);
    let returning = std::thread::spawn(move || io::copy(&mut back, &mut forth));
    io::copy(&mut reader, &mut server)?;
    server.shutdown(std::net::Shutdown::Write)?;
    returning.join().unwrap().map(drop)
}

fn tls(sandbox: &Sandbox, more: &str) -> String {
    let path = |name: &str| sandbox.path(name).display().to_string();
    format!(", tls: {{certificate: {}, key: {}{more}}}", path("r.crt"), path("r.key"))
}

#[test]
fn a_client_certificate_is_shown_to_the_registry_it_is_for() {
    let sandbox = with_image();
    if !certify(&sandbox, "r", "IP:127.0.0.1") || !certify(&sandbox, "client", "DNS:client") {
        return;
    }
    let wanted = format!(", clientcas: [{}]", sandbox.path("ca.crt").display());
    let Some(registry) = Registry::start(&sandbox, &tls(&sandbox, &wanted)) else { return };
    let name = registry.name("app:1");
    sandbox.rbuild(["tag", "small:1", &name]).success();
    let certs = sandbox.path("certs").display().to_string();
    let push = || online_with(&sandbox, &[("RBUILD_CERTS", &certs)], &["push", "-q", &name]);
    let put = |name: &str, file: &str| {
        sandbox.write(&format!("certs/{}/{name}", registry.address), &sandbox.read(file));
    };
    put("ca.crt", "ca.crt");
    push().exits(1);
    put("client.cert", "client.crt");
    push().exits(1).says("client.key");
    put("client.key", "client.key");
    push().success();
    // Another registry's directory says nothing.
    let other = sandbox.path("others").display().to_string();
    std::fs::create_dir_all(sandbox.path("others/127.0.0.1:1")).unwrap();
    std::fs::copy(sandbox.path("ca.crt"), sandbox.path("others/127.0.0.1:1/ca.crt")).unwrap();
    let pulled = online_with(&sandbox, &[("RBUILD_CERTS", &other)], &["pull", &name]);
    pulled.exits(1).says("certificate");
}

/// What the system trusts, and what is trusted for one registry besides.
#[test]
fn bundles_of_certificates_are_trusted_together() {
    let sandbox = with_image();
    if !certify(&sandbox, "r", "IP:127.0.0.1") {
        return;
    }
    let Some(registry) = Registry::start(&sandbox, &tls(&sandbox, "")) else { return };
    let name = registry.name("app:1");
    sandbox.rbuild(["tag", "small:1", &name]).success();
    let theirs = sandbox.read("ca.crt");
    // Somebody else's, before and after.
    for file in ["ca.crt", "ca.key"] {
        std::fs::remove_file(sandbox.path(file)).unwrap();
    }
    assert!(certify(&sandbox, "other", "DNS:other"));
    let other = sandbox.read("ca.crt");
    let push = |bundle: &str| {
        sandbox.write("bundle.pem", bundle);
        let bundle = sandbox.path("bundle.pem").display().to_string();
        let certs = sandbox.path("certs").display().to_string();
        let env = [("SSL_CERT_FILE", bundle.as_str()), ("RBUILD_CERTS", &certs)];
        online_with(&sandbox, &env, &["push", "-q", &name])
    };
    push(&other).exits(1).says("certificate");
    push(&format!("# comment\n{other}\n{theirs}")).success();
    // Docker adds those of the directory to those of the system.
    sandbox.write(&format!("certs/{}/ours.crt", registry.address), &theirs);
    push(&other).success();
    sandbox.write(&format!("certs/{}/ours.crt", registry.address), &other);
    push(&theirs).success();
    push("no certificate\n").exits(1).says("there is no certificate in it");
}

/// By names that have no address: only the proxy knows the way.
#[test]
fn proxies_of_the_environment_lead_to_registries() {
    let sandbox = with_image();
    if !certify(&sandbox, "r", "DNS:registry.invalid") {
        return;
    }
    let (Some(plain), Some(secure)) =
        (Registry::start(&sandbox, ""), Registry::start(&sandbox, &tls(&sandbox, "")))
    else {
        return;
    };
    let bundle = sandbox.path("ca.crt").display().to_string();
    let push = |name: &str, env: &[(&str, &str)]| {
        sandbox.rbuild(["tag", "small:1", name]).success();
        let fixed = [
            ("SSL_CERT_FILE", bundle.as_str()),
            ("RBUILD_INSECURE_REGISTRIES", "plain.invalid:80"),
        ];
        online_with(&sandbox, &[&fixed[..], env].concat(), &["push", "-q", name])
    };
    let proxy = Proxy::to(&secure.address);
    let name = "registry.invalid/app:1";
    push(name, &[]).exits(1).says("cannot reach https://registry.invalid");
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        push(name, &[(variable, &proxy.url)]).success();
        let asked = proxy.asked();
        assert!(!asked.is_empty(), "{variable}");
        assert!(
            asked.iter().all(|line| line == "CONNECT registry.invalid:443 HTTP/1.1"),
            "{asked:?}"
        );
    }
    // Not for plain HTTP, and not for whom no proxy is wanted.
    push(name, &[("HTTP_PROXY", &proxy.url)]).exits(1).says("cannot reach");
    for exempt in ["registry.invalid", ".invalid", "*"] {
        push(name, &[("HTTPS_PROXY", &proxy.url), ("NO_PROXY", exempt)])
            .exits(1)
            .says("cannot reach");
        assert!(proxy.asked().is_empty(), "{exempt}");
    }
    push(name, &[("HTTPS_PROXY", &proxy.url), ("no_proxy", "other.invalid")]).success();

    let proxy = Proxy::to(&plain.address);
    let name = "plain.invalid:80/app:1";
    push(name, &[("HTTP_PROXY", &proxy.url), ("HTTPS_PROXY", &proxy.url)]).success();
    assert!(!proxy.asked().is_empty());
    // It is there, and is not spoken to without TLS unless somebody says so.
    let env = [("HTTP_PROXY", proxy.url.as_str()), ("HTTPS_PROXY", &proxy.url)];
    online_with(&sandbox, &env, &["push", "-q", name]).exits(1);
    assert!(!proxy.asked().is_empty());
    online_with(&sandbox, &env, &["push", "-q", "--tls-verify=false", name]).success();
    assert!(!proxy.asked().is_empty());
    // This machine needs no help.
    push(&plain.name("app:2"), &[("HTTP_PROXY", &proxy.url), ("HTTPS_PROXY", &proxy.url)])
        .success();
    assert!(proxy.asked().is_empty());
}

#[test]
fn layers_travel_in_every_form() {
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    if !installed("skopeo") {
        return;
    }
    for (form, kind) in [
        ("zstd,compression-level=19", "+zstd"),
        ("gzip", "+gzip"),
        ("uncompressed", "layer.v1.tar\""),
    ] {
        let name = registry.name(&format!("app:{}", &form[..4]));
        let output = format!("type=image,name={name},push=true,compression={form}");
        sandbox.write("context/Dockerfile", "FROM scratch\nCOPY file /\nCMD [\"/file\"]\n");
        online(&sandbox, &["build", "-o", &output, "context"]).success();
        let there = format!("docker://{name}");
        let args = ["inspect", "--raw", "--tls-verify=false", &there];
        let manifest = super::skopeo(&sandbox, &args).success().stdout;
        assert!(manifest.contains(kind), "{form}: {manifest}");
        let other = Sandbox::new();
        online(&other, &["pull", "-q", &name]).success();
        other.validate();
        if form == "uncompressed" {
            continue;
        }
        // As it came it goes on.
        let again = registry.name(&format!("again:{}", &form[..4]));
        other.rbuild(["tag", &name, &again]).success();
        online(&other, &["push", "-q", &again]).success();
        assert_eq!(digest_there(&sandbox, &again), digest_there(&sandbox, &name));
    }
}
