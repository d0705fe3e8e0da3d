//! What goes on at the same time, and what waits for how long.

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Condvar, Mutex};

use store::archive::{FormOptions, LayerForm};
use store::registry::{Pace, PushOptions};

use super::server::{Answer, Body, Content, Request, Server, answer};
use super::*;

const AT_ONCE: usize = 4;
const LAYERS: [&str; 7] = ["a", "bc", "def", "ghij", "klmno", "pqrstu", "vwxyz12"];

/// Lets nobody go on before `AT_ONCE` have come at the same time.
#[derive(Default)]
struct Gate {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    now: usize,
    most: usize,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.now += 1;
        state.most = state.most.max(state.now);
        self.changed.notify_all();
        let minute = Duration::from_secs(60);
        let enough = self.changed.wait_timeout_while(state, minute, |state| state.most < AT_ONCE);
        enough.unwrap().0.now -= 1;
    }

    fn most(&self) -> usize {
        self.state.lock().unwrap().most
    }
}

#[test]
fn layers_come_four_at_a_time() {
    let gate = Arc::new(Gate::default());
    let content = Content::image(&LAYERS);
    let layers: HashSet<String> = LAYERS.map(Content::layer).into();
    let passing = gate.clone();
    let server = Server::start(move |request| {
        let blob = request.path.rsplit('/').next().unwrap();
        if request.path.contains("/blobs/") && layers.contains(blob) {
            passing.pass();
        }
        content.reply(request)
    });
    let Sandbox { store, dir: _dir } = sandbox();
    let patient = RegistrySettings { silence: Duration::from_secs(120), ..hasty() };
    let registries = Registries::new(patient, Arc::new(Anonymous));
    registries.pull(&store, &server.name("app:1"), &UNPACKED, &Silent).unwrap();
    assert_eq!(gate.most(), AT_ONCE);
    assert_eq!(store.snapshots().unwrap().len(), LAYERS.len());
}

#[test]
fn layers_go_four_at_a_time() {
    let gate = Arc::new(Gate::default());
    let content = Content::image(&LAYERS);
    let source = Server::start(move |request| content.reply(request));
    let Sandbox { store, dir: _dir } = sandbox();
    pull(&store, &source.name("app:1")).unwrap();
    let passing = gate.clone();
    let target = Server::start(move |request| match request.method.as_str() {
        "PUT" => answer(201, &[], ""),
        // It has them all.
        _ => {
            passing.pass();
            answer(200, &[], "")
        }
    });
    let image = store.resolve(&source.name("app:1").to_string()).unwrap();
    let patient = RegistrySettings { silence: Duration::from_secs(120), ..hasty() };
    let registries = Registries::new(patient, Arc::new(Anonymous));
    let form = FormOptions { form: LayerForm::Plain, force: false };
    let options = PushOptions { form, by_digest: false };
    registries.push(&store, &image.descriptor, &target.name("app:1"), &options, &Silent).unwrap();
    assert_eq!(gate.most(), AT_ONCE);
}

/// Notes how long there was to wait, and waits no more.
#[derive(Debug)]
struct Noted {
    chance: f64,
    waits: Mutex<Vec<Duration>>,
}

impl Pace for Noted {
    fn wait(&self, time: Duration) {
        self.waits.lock().unwrap().push(time);
    }

    fn chance(&self) -> f64 {
        self.chance
    }
}

/// How long a pull waits that succeeds in the end.
fn waits(
    chance: f64,
    reply: impl Fn(&Request, usize) -> Option<Answer> + Send + Sync + 'static,
) -> Vec<Duration> {
    let (content, asked) = (Content::image(&[TEXT]), AtomicUsize::new(0));
    let server = Server::start(move |request| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        reply(request, number).unwrap_or_else(|| content.reply(request))
    });
    let noted = Arc::new(Noted { chance, waits: Mutex::default() });
    let pause = Duration::from_millis(250);
    let settings = RegistrySettings { pace: noted.clone(), pause, ..hasty() };
    let Sandbox { store, dir: _dir } = sandbox();
    let registries = Registries::new(settings, Arc::new(Anonymous));
    registries.pull(&store, &server.name("app:1"), &UNPACKED, &Silent).unwrap();
    noted.waits.lock().unwrap().clone()
}

#[test]
fn who_was_turned_away_waits_longer_each_time_and_not_as_long_as_others() {
    let busy = |_: &Request, number: usize| (number < 4).then(|| answer(503, &[], ""));
    let (short, long) = (waits(0.0, busy), waits(0.9, busy));
    assert_eq!(short, [250, 500, 1000, 2000].map(Duration::from_millis));
    assert_eq!(long, [475, 950, 1900, 3800].map(Duration::from_millis));
}

#[test]
fn a_registry_that_says_when_to_come_again_is_believed_within_bounds() {
    let told = |header: &'static str| {
        waits(0.0, move |_, number| (number == 0).then(|| answer(429, &[header], "")))
    };
    assert_eq!(told("Retry-After: 7"), [Duration::from_secs(7)]);
    assert_eq!(told("Retry-After: 86400"), [Duration::from_secs(30)]);
    assert_eq!(told("Retry-After: soon"), [Duration::from_millis(250)]);
}

/// One line of a head after the other and never the end of it.
#[test]
fn a_head_without_end_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut first = [0];
                if stream.peek(&mut first).unwrap() == 0 || first == [0x16] {
                    return;
                }
                let _until_it_hangs_up = stream.write_all(b"HTTP/1.1 200 OK\r\n");
                while stream.write_all(b"X: y\r\n").is_ok() {
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
    let noted = Arc::new(Noted { chance: 0.0, waits: Mutex::default() });
    let silence = Duration::from_millis(100);
    let settings = RegistrySettings { pace: noted.clone(), silence, ..hasty() };
    let Sandbox { store, dir: _dir } = sandbox();
    let name: Reference = format!("127.0.0.1:{port}/app:1").parse().unwrap();
    let registries = Registries::new(settings, Arc::new(Anonymous));
    let error = registries.pull(&store, &name, &UNPACKED, &Silent).unwrap_err();
    assert!(story(&error).contains(&format!("`app:1` from the registry `127.0.0.1:{port}`")));
    assert_eq!(noted.waits.lock().unwrap().len(), 4);
}

/// Connections that break within a blob are waited for like answers that are none.
#[test]
fn broken_connections_are_waited_for_as_well() {
    let (path, cuts) = (format!("/v2/app/blobs/{}", Content::layer(TEXT)), AtomicUsize::new(0));
    let bytes = Content::image(&[TEXT]).blobs[&Content::layer(TEXT)].clone();
    let waited = waits(0.0, move |request, _| {
        let cut = request.path == path && cuts.fetch_add(1, Ordering::SeqCst) < 3;
        let body = Body::Cut(bytes.clone(), 0);
        cut.then(|| Answer { status: 200, headers: Vec::new(), body })
    });
    assert_eq!(waited, [250, 500, 1000].map(Duration::from_millis));
}
