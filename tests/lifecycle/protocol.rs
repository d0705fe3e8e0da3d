//! A client of the next version, by hand: what a shim of this version must still understand.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::place::Place;

struct Client(UnixStream);

impl Client {
    fn connect(place: &Place, name: &str) -> Client {
        let id = place.look(name, "{{.Id}}");
        let directory = File::open(place.sandbox.path("state/containers").join(id)).unwrap();
        let path = format!("/proc/self/fd/{}/socket", directory.as_raw_fd());
        Client(UnixStream::connect(path).unwrap())
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.0.write_all(&(text.len() as u64).to_le_bytes()).unwrap();
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// None when the shim has hung up.
    fn receive(&mut self) -> Option<Value> {
        let mut length = [0; 8];
        self.0.read_exact(&mut length).ok()?;
        let mut text = vec![0; usize::try_from(u64::from_le_bytes(length)).unwrap()];
        self.0.read_exact(&mut text).unwrap();
        Some(serde_json::from_slice(&text).unwrap())
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.receive().expect("an answer")
    }
}

#[test]
fn a_later_client_drives_this_shim() {
    let Some(place) = Place::new() else { return };
    let script = "trap 'exit 5' USR1; while :; do sleep 0.05; done";
    place.shell("run -d --name old", script).success();
    let mut client = Client::connect(&place, "old");
    let hello = json!({ "lowest": 1, "highest": 9, "new": "field" });
    assert_eq!(client.ask(&hello)["version"], 1);
    // A request of a later version is refused by name, and the conversation goes on.
    let answer = client.ask(&json!({ "request": "freeze", "depth": 3 }));
    assert_eq!(answer["reply"], "error");
    assert!(answer["message"].as_str().unwrap().contains("`freeze`"), "{answer}");
    let done = json!({ "reply": "done" });
    assert_eq!(client.ask(&json!({ "request": "wait", "later": true })), done);
    assert_eq!(client.ask(&json!({ "request": "resize", "rows": 3, "columns": 4 })), done);
    let nonsense = client.ask(&json!({ "request": "signal", "signal": 4000 }));
    assert_eq!(nonsense["reply"], "error");
    assert_eq!(client.ask(&json!({ "request": "signal", "signal": 10 })), done);
    let ended = client.receive().unwrap();
    assert_eq!((&ended["reply"], &ended["exit_code"]), (&json!("ended"), &json!(5)));
    assert!(client.receive().is_none());
}

#[test]
fn a_client_without_a_common_version_is_told_so_and_does_no_harm() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name shy", "while :; do sleep 0.05; done").success();
    let mut client = Client::connect(&place, "shy");
    let answer = client.ask(&json!({ "lowest": 7, "highest": 9 }));
    assert_eq!(answer, json!({ "version": null, "lowest": 1, "highest": 1 }));
    assert!(client.receive().is_none());
    // What is no message at all, half of one, and one that claims to be endless.
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[5, 0, 0], &[255; 8]] {
        let mut client = Client::connect(&place, "shy");
        client.0.write_all(bytes).unwrap();
    }
    place.rbuild("exec shy true").success();
    place.rbuild("stop -t 0 shy").success();
    assert_eq!(place.look("shy", "{{.State.ExitCode}}"), "137");
}
