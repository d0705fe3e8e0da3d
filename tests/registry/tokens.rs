//! A registry that lets nobody in without a token of another server: docker-registry, and a server of tokens of our own,
//! which signs what it says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::with_image;
use crate::support::{HttpServer, Registry, Sandbox, installed, online, response, run_bytes};

const SERVICE: &str = "the registry";
const ISSUER: &str = "the token server";

/// Who may do what: user and password, repositories, actions.
type Rights = BTreeMap<&'static str, (&'static str, &'static str, &'static [&'static str])>;

struct World {
    sandbox: Sandbox,
    registry: Registry,
    tokens: HttpServer,
}

impl World {
    fn new() -> Option<World> {
        let sandbox = with_image();
        if !installed("openssl") {
            return None;
        }
        let openssl = |args: &str| {
            let command = &mut sandbox.command("openssl");
            crate::support::run(command.args(args.split(' ')), "").success();
        };
        openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=t -keyout t.key -out t.crt");
        let signer = Signer::new(&sandbox);
        let rights: Rights = [
            ("writer", ("w", "team/", &["pull", "push"][..])),
            ("reader", ("r", "team/", &["pull"][..])),
            ("", ("", "public/", &["pull"][..])),
        ]
        .into();
        let tokens = HttpServer::start(move |head| signer.answer(head, &rights));
        let more = format!(
            "}}\nauth: {{token: {{realm: '{}', service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {}}}",
            tokens.url("/token"),
            sandbox.path("t.crt").display()
        );
        let registry = Registry::start(&sandbox, &more)?;
        Some(World { sandbox, registry, tokens })
    }

    fn log_in(&self, user: &str, password: &str) -> crate::support::Output {
        let args = ["login", "-u", user, "-p", password, &self.registry.address];
        online(&self.sandbox, &args)
    }
}

/// Has the key; signs by openssl.
struct Signer {
    directory: std::path::PathBuf,
    certificate: String,
    count: Arc<Mutex<u64>>,
}

impl Signer {
    fn new(sandbox: &Sandbox) -> Signer {
        let text = sandbox.read("t.crt");
        let lines = text.lines().filter(|line| !line.starts_with('-'));
        Signer { directory: sandbox.path(""), certificate: lines.collect(), count: Arc::default() }
    }

    fn answer(&self, head: &str, rights: &Rights) -> Vec<u8> {
        let path = head.split(' ').nth(1).unwrap();
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let pairs: Vec<(&str, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, decoded(value)))
            .collect();
        assert!(pairs.contains(&("service", SERVICE.to_owned())), "{path}");
        let (user, password) = who(head);
        let Some((known, prefix, actions)) = rights.get(user.as_str()) else {
            return response("401 No", &[], b"{\"errors\":[{\"message\":\"who is that?\"}]}");
        };
        if *known != password {
            return response("401 No", &[], b"{\"errors\":[{\"message\":\"wrong password\"}]}");
        }
        let scopes = pairs.iter().filter(|(name, _)| *name == "scope");
        let access: Vec<Value> =
            scopes.filter_map(|(_, scope)| granted(scope, prefix, actions)).collect();
        let token = json!({ "token": self.signed(&user, &access) });
        response("200 OK", &["Content-Type: application/json"], token.to_string().as_bytes())
    }

    fn signed(&self, user: &str, access: &[Value]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let number = {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            *count
        };
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [self.certificate] });
        let claims = json!({
            "iss": ISSUER, "sub": user, "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now - 10,
            "jti": number.to_string(), "access": access,
        });
        let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encoded(&header), encoded(&claims));
        let mut command = std::process::Command::new("openssl");
        command.current_dir(&self.directory).args(["dgst", "-sha256", "-sign", "t.key", "-hex"]);
        let said = run_bytes(command, text.as_bytes()).success().stdout;
        let hex = said.trim().rsplit(' ').next().unwrap();
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Of what is asked for, what may be had.
fn granted(scope: &str, prefix: &str, actions: &[&str]) -> Option<Value> {
    let mut parts = scope.splitn(3, ':');
    let (kind, name, wanted) = (parts.next()?, parts.next()?, parts.next()?);
    let allowed: Vec<&str> = wanted.split(',').filter(|action| actions.contains(action)).collect();
    let mine = name.starts_with(prefix) && !allowed.is_empty();
    mine.then(|| json!({ "type": kind, "name": name, "actions": allowed }))
}

fn who(head: &str) -> (String, String) {
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then_some(value)
    });
    let Some(line) = line else { return Default::default() };
    let bytes = BASE64_STANDARD.decode(line.strip_prefix("Basic ").unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (user, password) = text.split_once(':').unwrap();
    (user.to_owned(), password.to_owned())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits = || [rest.clone().next().unwrap(), rest.clone().nth(1).unwrap()];
        match byte {
            b'%' => {
                let [first, second] = digits();
                let hex = [first, second].map(char::from).iter().collect::<String>();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap());
                rest.nth(1);
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn tokens_let_in_who_may_come_in() {
    let Some(world) = World::new() else { return };
    let World { sandbox, registry, tokens } = &world;
    let name = registry.name("team/app:1");
    sandbox.rbuild(["tag", "small:1", &name]).success();
    // Nobody in particular gets a token, but not for this.
    let login = format!("`rbuild login {}`", registry.address);
    online(sandbox, &["push", "-q", &name]).exits(1).says("access is denied").says(&login);
    world.log_in("writer", "wrong").exits(1).says("wrong password");
    world.log_in("writer", "w").success().prints("Login Succeeded\n");
    tokens.requests();
    online(sandbox, &["push", "-q", &name]).success();
    let asked = tokens.requests();
    let scope = "scope=repository%3Ateam%2Fapp%3Apull%2Cpush&account=writer";
    assert!(asked.iter().all(|head| head.contains(scope)), "{asked:?}");
    assert_eq!(asked.len(), 1, "one token is enough: {asked:?}");
    // To mount from another repository, its content must be readable too.
    let other = registry.name("team/other:1");
    sandbox.rbuild(["tag", "small:1", &other]).success();
    let pushed = online(sandbox, &["push", &other]).success();
    assert!(pushed.stdout.contains(": Mounted from team/app\n"), "{pushed}");
    let asked = tokens.requests().concat();
    assert!(asked.contains("scope=repository%3Ateam%2Fapp%3Apull&"), "{asked}");
    // Who may read may not write.
    world.log_in("reader", "r").success();
    online(sandbox, &["rmi", &name]).success();
    online(sandbox, &["pull", "-q", &name]).success().prints(&format!("{name}\n"));
    online(sandbox, &["push", "-q", &name]).exits(1).says("access is denied");
    let secret = registry.name("secret/app:1");
    online(sandbox, &["pull", &secret]).exits(1).says("access is denied");
}

/// skopeo goes the same way, so the server is one that others can talk to.
#[test]
fn skopeo_gets_the_same_tokens() {
    let Some(world) = World::new() else { return };
    if !installed("skopeo") {
        return;
    }
    let name = world.registry.name("team/app:1");
    world.sandbox.rbuild(["tag", "small:1", &name]).success();
    world.log_in("writer", "w").success();
    online(&world.sandbox, &["push", "-q", &name]).success();
    let mut command = world.sandbox.command("skopeo");
    let from = format!("docker://{name}");
    command.args(["inspect", "--tls-verify=false", "--creds", "reader:r"]);
    let there = crate::support::run(command.args(["--format", "{{.Digest}}", &from]), "");
    let pulled = online(&world.sandbox, &["pull", &name]).success();
    let digest = there.success().stdout;
    assert!(pulled.stdout.contains(&format!("Digest: {digest}")), "{pulled}");
}
