//! Debian's `docker-registry` on 127.0.0.1, certificates made for it, and rbuild as one who may ask registries.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Output, Sandbox, installed, run};

/// Ends with the value.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
}

impl Registry {
    /// None, with the reason printed, where there is no such program. `more` goes on with the configuration where `http`
    /// ends.
    pub(crate) fn start(sandbox: &Sandbox, more: &str) -> Option<Registry> {
        if !installed("docker-registry") {
            return None;
        }
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let data = sandbox.path(&format!("registry-{port}"));
        std::fs::create_dir_all(&data).unwrap();
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '{address}'{more}}}\n",
            data.display()
        );
        let file = format!("registry-{port}.yml");
        sandbox.write(&file, &config);
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(sandbox.path(&file));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // What it says must be read.
        let mut log = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            let mut line = String::new();
            while log.read_line(&mut line).is_ok_and(|read| read > 0) {
                line.clear();
            }
        });
        while TcpStream::connect(&address).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "docker-registry ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Registry { child, address })
    }

    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs rbuild as one who may ask registries.
pub(crate) fn online(sandbox: &Sandbox, args: &[&str]) -> Output {
    online_with(sandbox, &[], args)
}

/// With more variables.
pub(crate) fn online_with(sandbox: &Sandbox, env: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = sandbox.rbuild_command(args);
    command.env_remove("RBUILD_OFFLINE").env("HOME", sandbox.path("home"));
    run(command.envs(env.iter().copied()), "")
}

/// Makes `ca.crt`, and signed by it `NAME.crt` and `NAME.key`, good for this address (`IP:127.0.0.1`, `DNS:a.example`).
/// False, with the reason printed, without openssl.
pub(crate) fn certify(sandbox: &Sandbox, name: &str, address: &str) -> bool {
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    if !installed("openssl") {
        return false;
    }
    let openssl = |args: &str| {
        run(sandbox.command("openssl").args(args.split(' ')), "").success();
    };
    if !sandbox.path("ca.crt").exists() {
        openssl(&format!("req -x509 {KEY} -days 2 -subj /CN=ca -keyout ca.key -out ca.crt"));
    }
    openssl(&format!("req {KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
    sandbox.write(&format!("{name}.ext"), &format!("subjectAltName={address}\n"));
    openssl(&format!(
        "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile {name}.ext -out {name}.crt"
    ));
    true
}
