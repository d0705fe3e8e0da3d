//! What we do otherwise than Docker Compose on purpose: docs/compose.md lists it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use compose::render::{Form, json, yaml};
use support::{Tree, load, load_error, options};

#[test]
fn one_letter_is_a_volume_and_a_backslash_a_drive() {
    let text = "services: {a: {image: x, volumes: ['v:/d', 'w:/d2:ro', 'C:\\d:/d3']}}\nvolumes: {v: , w: }";
    let project = load(text);
    let mounts = &project.services["a"].volumes;
    assert_eq!((mounts[0].kind.as_str(), mounts[0].source.as_str()), ("volume", "v"));
    assert_eq!((mounts[1].source.as_str(), mounts[1].read_only), ("w", true));
    assert_eq!((mounts[2].kind.as_str(), mounts[2].source.as_str()), ("bind", "C:\\d"));
}

#[test]
fn newer_attributes_are_read() {
    let project = load(
        "services: {a: {image: x, build: {context: ., no_cache_filter: [s]}, \
         pre_start: [{command: [m], image: y}], pull_refresh_after: 1d}}",
    );
    let service = &project.services["a"];
    assert_eq!(service.pre_start[0].image, "y");
    assert_eq!(service.build.as_ref().unwrap().no_cache_filter.0, ["s"]);
    assert_eq!(service.pull_refresh_after, "1d");
}

#[test]
fn names_that_look_like_extensions_are_names() {
    let project = load("services: {x-a: {image: x, networks: [x-n]}}\nnetworks: {x-n: }");
    assert!(project.networks.contains_key("x-n"));
    assert!(project.services["x-a"].networks.contains_key("x-n"));
}

#[test]
fn ssh_keys_are_valid_json() {
    let project = load("services: {a: {build: {context: ., ssh: [default, k=/k]}}}");
    let text = json(&project.document(Form::Json), 2);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys = &document["services"]["a"]["build"]["ssh"];
    assert_eq!(keys, &serde_json::json!(["k: /k", "default"]));
}

#[test]
fn a_secret_is_not_shown() {
    let tree = Tree::of([
        ("/p/compose.yaml", "include: [i.yaml]\nservices: {a: {image: x, secrets: [s]}}"),
        ("/p/i.yaml", "secrets: {s: {environment: S}}"),
    ]);
    let mut options = options();
    options.interpolate = false;
    let mut request = tree.request("/p/compose.yaml", options);
    request.environment.insert("S".to_owned(), "hidden".to_owned());
    let (model, _) = compose::load::load_model(&request, &tree).unwrap();
    assert!(!yaml(&compose::render::Data::of(&model)).contains("hidden"));
}

#[test]
fn options_of_address_management_are_kept() {
    let project = load("services: {a: {image: x}}\nnetworks: {default: {ipam: {options: {a: b}}}}");
    assert!(yaml(&project.document(Form::Yaml)).contains("options:\n        a: b"));
}

#[test]
fn a_directory_that_is_not_there_stays() {
    let tree = Tree::of([
        ("/p/compose.yaml", "include: [{path: i.yaml, project_directory: ../q}]"),
        ("/p/i.yaml", "services: {a: {build: .}}"),
    ]);
    let project = tree.load("/p/compose.yaml").unwrap().project;
    assert_eq!(project.services["a"].build.as_ref().unwrap().context, "/q");
}

#[test]
fn kinds_are_named_in_full() {
    let error = load_error("services: {a: {image: x, command: {a: 1}}}");
    assert!(error.contains("services.a.command must be a list, null or string"), "{error}");
}

#[test]
fn dates_need_quotes_and_the_error_says_so() {
    let text = "services: {a: {image: x, environment: {D: 2020-01-01}}}";
    let error = Tree::of([("/p/compose.yaml", text)]).load("/p/compose.yaml").unwrap_err();
    let problem = &error.problems[0];
    assert!(problem.kind.to_string().contains("services.a.environment.D must be"));
    assert_eq!(problem.hint().unwrap(), "put the date in quotes");
}

#[test]
fn remote_files_are_refused_by_name() {
    let error = load_error("include: ['https://example.com/a.git']\nservices: {a: {image: x}}");
    assert!(error.contains("cannot load https://example.com/a.git: remote files"), "{error}");
    let error = load_error("services: {a: {extends: {file: 'oci://x/y', service: b}}}");
    assert!(error.contains("from oci://x/y: remote files"), "{error}");
}

#[test]
fn address_pools_take_nothing_from_other_subnets() {
    let pools = |text: &str| {
        let head = "services: {a: {image: x}}\nnetworks: {default: {ipam: {config: [";
        format!("{head}{text}]}}}}}}\n")
    };
    let base = pools("{subnet: 10.1.0.0/16}, {subnet: 10.2.0.0/16, gateway: 10.2.0.1}");
    let over = pools("{subnet: 10.1.0.0/16, ip_range: 10.1.2.0/24}");
    let project = load(&format!("{base}---\n{over}"));
    let merged = &project.networks["default"].ipam.config;
    assert_eq!(merged.len(), 1);
    assert_eq!((merged[0].gateway.as_str(), merged[0].ip_range.as_str()), ("", "10.1.2.0/24"));
}
