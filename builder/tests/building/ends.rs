//! Builds that end early, and what is left then.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use builder::{BuildError, BuildEvent, BuildRequest, Cancel, Progress};

use super::{Bench, Told, assert_valid};

fn left(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.path("store/temp")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_cancelled_build_leaves_nothing() {
    /// Cancels when the first step begins.
    struct Canceller(Cancel);
    impl Progress for Canceller {
        fn event(&self, event: BuildEvent) {
            if matches!(event, BuildEvent::StepStarted { .. }) {
                self.0.cancel();
            }
        }
    }
    let bench = Bench::new();
    bench.file("a", "A");
    let request = bench.request("FROM scratch\nCOPY a /a\nCOPY a /b\nCOPY a /c\n");
    let cancel = Cancel::default();
    let built = builder::build(&request, &bench.store, None, &Canceller(cancel.clone()), &cancel);
    assert!(matches!(built, Err(BuildError::Cancelled)), "{built:?}");
    assert_eq!(left(&bench), Vec::<String>::new());
    assert!(bench.store.resolve("img").is_err());
    assert_eq!(bench.build(&request).0.steps, 3);
}

#[test]
fn the_first_error_is_told_with_its_place() {
    let bench = Bench::new();
    bench.file("main.rs", "");
    let dockerfile = "FROM scratch\nCOPY man.rs /\n";
    let (built, told) = bench.try_build(&bench.request(dockerfile));
    let error = built.unwrap_err();
    assert!(error.to_string().contains("\"/man.rs\": not found"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("main.rs")), "{:?}", error.hint());
    let span = error.span().unwrap();
    assert_eq!(&dockerfile[span.start..span.end], "COPY man.rs /");
    let failed = |event: &BuildEvent| matches!(event, BuildEvent::StepFailed { .. });
    assert!(told.0.lock().unwrap().iter().any(failed));
    assert_eq!(left(&bench), Vec::<String>::new());
    assert!(bench.store.resolve("img").is_err());
}

#[test]
fn without_a_zygote_only_run_is_refused() {
    let bench = Bench::new();
    bench.file("a", "A");
    let request = bench.request("FROM scratch\nCOPY a /\nRUN [\"/a\"]\n");
    let error = bench.try_build(&request).0.unwrap_err();
    assert!(matches!(error, BuildError::Step { .. }), "{error:?}");
}

#[test]
fn builds_at_the_same_time_share_a_store() {
    let bench = Arc::new(Bench::new());
    for name in ["a", "b", "c"] {
        bench.file(name, name);
    }
    let builds: Vec<_> = (0..4)
        .map(|number| {
            let bench = bench.clone();
            thread::spawn(move || {
                let request = BuildRequest {
                    tags: vec![format!("img:{}", number % 2)],
                    ..bench.request("FROM scratch\nCOPY a /\nCOPY b /\nCOPY c /\n")
                };
                let cancel = Cancel::default();
                let told = Told::default();
                builder::build(&request, &bench.store, None, &told, &cancel).unwrap()
            })
        })
        .collect();
    let ids: Vec<_> = builds.into_iter().map(|build| build.join().unwrap().image_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_valid(&bench.store);
    assert_eq!(left(&bench), Vec::<String>::new());
}

#[test]
fn many_stages_need_few_threads() {
    /// The most threads this process had.
    #[derive(Default)]
    struct Threads(AtomicUsize);
    impl Progress for Threads {
        fn event(&self, _: BuildEvent) {
            let now = fs::read_dir("/proc/self/task").unwrap().count();
            self.0.fetch_max(now, Ordering::Relaxed);
        }
    }
    let bench = Bench::new();
    bench.file("a", "A");
    let mut dockerfile = "FROM scratch AS s0\nCOPY a /\n".to_owned();
    for number in 1..1000 {
        dockerfile += &format!("FROM s{} AS s{number}\n", number - 1);
    }
    dockerfile += "FROM s999\nCOPY --from=s998 a /b\n";
    let (threads, cancel) = (Threads::default(), Cancel::default());
    builder::build(&bench.request(&dockerfile), &bench.store, None, &threads, &cancel).unwrap();
    assert_eq!(bench.paths("img"), ["/a", "/b"]);
    let most = threads.0.into_inner();
    assert!(most < 500, "{most} threads");
}
