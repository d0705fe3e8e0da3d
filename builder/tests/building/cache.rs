//! Steps that are found again, steps that are not and why, steps that turn out the same.

use std::collections::BTreeMap;

use builder::BuildRequest;
use builder::request::NoCache;

use super::{Bench, later};

const FILES: &str =
    "FROM scratch AS base\nCOPY a /a\nFROM scratch\nWORKDIR /w\nCOPY --from=base /a .\nCOPY b /\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.file("a", "A");
    bench.file("b", "B");
    bench
}

#[test]
fn the_second_build_is_cached_and_the_same() {
    let bench = bench();
    let request = bench.request(FILES);
    let (first, _) = bench.build(&request);
    assert_eq!((first.steps, first.cached), (4, 0));
    let (second, told) = bench.build(&later(&request));
    assert_eq!((second.steps, second.cached), (4, 4));
    assert_eq!((second.image_id, &second.manifest), (first.image_id, &first.manifest));
    assert_eq!(told.misses(), Vec::<String>::new());
    assert_eq!(bench.paths("img"), ["/b", "/w", "/w/a"]);
}

#[test]
fn a_configuration_alone_is_the_same_later() {
    let bench = bench();
    let request = bench.request("FROM scratch\nCOPY a /\nENV X=1\nCMD [\"/a\"]\n");
    let (first, _) = bench.build(&request);
    let (second, _) = bench.build(&later(&request));
    assert_eq!(second.image_id, first.image_id);
}

#[test]
fn misses_are_explained() {
    let bench = bench();
    let request = bench.request(FILES);
    bench.build(&request);
    bench.file("b", "changed");
    let (built, told) = bench.build(&request);
    assert_eq!((built.steps, built.cached), (4, 3));
    assert_eq!(told.misses(), ["changed: b"]);
    let other = bench.request(&FILES.replace("WORKDIR /w", "WORKDIR /v"));
    let (_, told) = bench.build(&other);
    assert_eq!(told.misses()[0], "the instruction changed");
    assert_eq!(bench.paths("img"), ["/b", "/v", "/v/a"]);
}

#[test]
fn what_nobody_copies_does_not_count() {
    let bench = bench();
    bench.file("dir/one", "1");
    bench.file("unused", "x");
    let request = bench.request("FROM scratch\nCOPY dir /dir/\n");
    bench.build(&request);
    bench.file("unused", "y");
    let (built, _) = bench.build(&request);
    assert_eq!(built.cached, 1);
    bench.file("dir/two", "2");
    let (built, told) = bench.build(&request);
    assert_eq!(built.cached, 0);
    assert_eq!(told.misses(), ["added: dir/two"]);
}

/// What `--chown` and `--chmod` replace is not in the layer, so it is not in the key.
#[test]
fn owners_and_modes_that_flags_replace_do_not_count() {
    let bench = bench();
    let dockerfile = |chown: &str, chmod: &str| {
        format!(
            "FROM scratch AS made\nCOPY {chown} {chmod} a /\n\
             FROM scratch\nCOPY --from=made --chmod=640 --chown=3 /a /\n"
        )
    };
    bench.build(&bench.request(&dockerfile("--chown=1", "--chmod=600")));
    let (built, _) = bench.build(&bench.request(&dockerfile("--chown=2", "--chmod=755")));
    assert_eq!((built.steps, built.cached), (2, 1));
}

/// The key differs, the result does not: so what follows is found.
#[test]
fn a_step_with_the_same_result_gets_a_second_chance() {
    let bench = bench();
    let dockerfile = "FROM scratch\nCOPY --chmod=640 a /\nCOPY b /\n";
    let layers = || bench.store.resolve("img").unwrap().manifest.layers;
    bench.build(&bench.request(dockerfile));
    let first = layers();
    let request = later(&bench.request(&dockerfile.replace("640", "0640")));
    let (second, _) = bench.build(&request);
    assert_eq!((second.steps, second.cached), (2, 1));
    assert_eq!(layers(), first);
    let (third, _) = bench.build(&request);
    assert_eq!((third.cached, third.manifest), (2, second.manifest));
}

#[test]
fn a_linked_copy_survives_a_change_below() {
    let bench = bench();
    let dockerfile = "FROM scratch\nCOPY a /\nCOPY --link b /b\n";
    bench.build(&bench.request(dockerfile));
    bench.file("a", "changed");
    let (built, _) = bench.build(&bench.request(dockerfile));
    assert_eq!((built.steps, built.cached), (2, 1));
    assert_eq!(bench.read("img", "/a"), "changed");
}

#[test]
fn no_cache_runs_what_it_says() {
    let bench = bench();
    let request = bench.request(FILES);
    bench.build(&request);
    let all = BuildRequest { no_cache: NoCache::All, ..request.clone() };
    assert_eq!(bench.build(&all).0.cached, 0);
    let stages = NoCache::Stages(vec!["BASE".to_owned()]);
    let some = BuildRequest { no_cache: stages, ..request.clone() };
    assert_eq!(bench.build(&some).0.cached, 3);
    assert_eq!(bench.build(&request).0.cached, 4);
}

#[test]
fn equal_steps_of_two_stages_are_done_once() {
    let bench = bench();
    let dockerfile =
        "FROM scratch AS x\nCOPY a /\nFROM scratch AS y\nCOPY a /\nFROM x\nCOPY --from=y /a /b\n";
    let (built, _) = bench.build(&bench.request(dockerfile));
    assert_eq!((built.steps, built.cached), (3, 1));
    assert_eq!(bench.paths("img"), ["/a", "/b"]);
}

#[test]
fn a_variable_matters_where_it_is_used() {
    let bench = bench();
    let dockerfile = "FROM scratch\nARG NAME\nCOPY a /\nCOPY b /$NAME\n";
    let with = |name: &str| BuildRequest {
        build_args: BTreeMap::from([("NAME".to_owned(), name.to_owned())]),
        ..bench.request(dockerfile)
    };
    bench.build(&with("one"));
    let (built, _) = bench.build(&with("two"));
    assert_eq!(built.cached, 1);
    assert_eq!(bench.paths("img"), ["/a", "/two"]);
}

#[test]
fn collection_keeps_what_records_lead_to() {
    let bench = bench();
    let request = bench.request(FILES);
    let (first, _) = bench.build(&request);
    bench.store.untag("img", false).unwrap();
    let store = reopened(&bench);
    store.prune(&mut || builder::cache::roots(&bench.store)).unwrap();
    let (second, _) = bench.build(&request);
    assert_eq!((second.cached, second.image_id), (4, first.image_id));
}

#[test]
fn records_whose_layers_are_gone_are_no_records() {
    let bench = bench();
    let request = bench.request(FILES);
    bench.build(&request);
    bench.store.untag("img", false).unwrap();
    // A handle protects what it has used, so another process has to do it: here, another handle.
    let Bench { dir, store } = bench;
    drop(store);
    let open = || store::Store::open(&dir.path().join("store"), &dir.path().join("state"));
    let pruned = open().unwrap().prune(&mut || Ok(vec![]));
    assert!(!pruned.unwrap().blobs.is_empty());
    let bench = Bench { store: open().unwrap(), dir };
    let (again, told) = bench.build(&request);
    assert_eq!(again.cached, 0);
    assert!(told.misses().iter().any(|reason| reason.contains("no longer in the store")));
}

fn reopened(bench: &Bench) -> store::Store {
    store::Store::open(&bench.path("store"), &bench.path("state")).unwrap()
}
