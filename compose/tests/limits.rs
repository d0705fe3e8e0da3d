//! Hostile files cost little and end with an error.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io;

use compose::load::Files;
use support::{Tree, load, load_error, options};

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let inner = format!("*a{}", level - 1);
        let list = vec![inner; 10].join(", ");
        text.push_str(&format!("x-{level}: &a{level} [{list}]\n"));
    }
    text.push_str("services: {a: {image: x}}\n");
    assert!(load_error(&text).contains("document contains excessive aliasing"));
}

#[test]
fn an_anchor_that_contains_itself_is_refused() {
    assert!(load_error("x-a: &a {b: *a}").contains("cycle detected"));
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("x-a: {}{}", "[".repeat(150), "]".repeat(150));
    assert!(load_error(&text).contains("nested deeper than 100 levels"));
    let text = format!("x-a: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(load_error(&text).contains("failed to parse"));
}

#[test]
fn a_huge_file_is_refused() {
    let text = format!("x-a: {}", "a".repeat(9 << 20));
    assert!(load_error(&text).contains("the file has 9437189 bytes, more than 8388608"));
}

#[test]
fn a_hundred_includes_deep_are_refused() {
    let mut tree = Tree::default();
    for level in 0..100 {
        let text = format!("include: [f{}.yaml]\nservices: {{s{level}: {{image: x}}}}", level + 1);
        tree.add(format!("/p/f{level}.yaml"), text);
    }
    tree.add("/p/f100.yaml".to_owned(), "services: {last: {image: x}}".to_owned());
    let error = tree.load("/p/f0.yaml").unwrap_err();
    assert!(error.to_string().contains("include: more than 50 files deep"), "{error}");
}

#[test]
fn every_error_of_a_file_is_told() {
    let text = "services:\n  a: {image: 1, prots: ['80:80']}\n  b: {image: x, tty: 3}\n  c: {image: x, cgroup: prvate}";
    let error = Tree::of([("/p/compose.yaml", text)]).load("/p/compose.yaml").unwrap_err();
    let told: Vec<String> = error
        .problems
        .iter()
        .map(|it| {
            let place = error.sources.describe(it.span).unwrap();
            format!("{place} {} ({})", it.kind, it.hint().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        told,
        [
            "/p/compose.yaml:2:14 validating /p/compose.yaml: services.a.image must be a string, not a number (put the number in quotes)",
            "/p/compose.yaml:2:17 validating /p/compose.yaml: services.a additional properties 'prots' not allowed (did you mean `ports`?)",
            "/p/compose.yaml:3:22 validating /p/compose.yaml: services.b.tty must be a boolean or string, not a number ()",
            "/p/compose.yaml:4:25 validating /p/compose.yaml: services.c.cgroup value must be one of 'host', 'private' (did you mean `private`?)",
        ]
    );
}

#[test]
fn errors_of_env_files_have_their_place() {
    let main =
        "services:\n  a:\n    image: x\n    env_file: [e, missing]\n  b: {image: x, label_file: l}";
    let files = [("/p/compose.yaml", main), ("/p/e", "A=1\nB C=2\n"), ("/p/l", "\n  x*y=1")];
    let error = Tree::of(files).load("/p/compose.yaml").unwrap_err();
    let places: Vec<String> =
        error.problems.iter().map(|it| error.sources.describe(it.span).unwrap()).collect();
    assert_eq!(places, ["/p/e:2:1", "/p/compose.yaml:4:19", "/p/l:2:4"]);
}

#[test]
fn text_that_aliases_repeat_is_bounded() {
    let text = format!("x-a: &a {}\nx-b: [{}]", "a".repeat(1 << 20), vec!["*a"; 90].join(", "));
    assert!(load_error(&text).contains("excessive aliasing"));
}

#[test]
fn variables_are_not_nested_without_end() {
    let text = format!(
        "services: {{a: {{image: \"{}x{}\"}}}}",
        "${A:-".repeat(20_000),
        "}".repeat(20_000)
    );
    assert!(load_error(&text).contains("nested deeper than 100 levels"));
}

/// Each of them is looked for in all that follows it.
#[test]
fn braces_that_are_not_closed_are_bounded() {
    let text = |count| format!("services: {{a: {{image: \"{}\"}}}}", "${A:-{}".repeat(count));
    assert!(load_error(&text(200_000)).contains("too many braces that are not closed"));
    let mut variables = compose::interpolate::Variables::new(|_| None);
    let filled = compose::interpolate::substitute(&"${A:-{}".repeat(100), &mut variables);
    assert_eq!(filled.unwrap(), "{".repeat(100));
}

#[test]
fn variables_that_repeat_variables_are_bounded() {
    let mut text = format!("V0={}\n", "a".repeat(1000));
    for level in 1..9 {
        text.push_str(&format!("V{level}={}\n", format!("$V{}", level - 1).repeat(10)));
    }
    let mut found = std::collections::BTreeMap::new();
    let error = compose::dotenv::parse(&text, &mut found, &|_| None).unwrap_err();
    assert!(error.to_string().contains("add more than 1048576 bytes"), "{error}");
}

#[test]
fn services_that_extend_each_other_are_bounded() {
    let service = |level: usize| format!("  s{level}: {{extends: s{}}}\n", level + 1);
    let chain = |length: usize| {
        let services: String = (0..length).map(service).collect();
        format!("services:\n{services}  s{length}: {{image: x}}\n")
    };
    load(&chain(99));
    assert!(load_error(&chain(3_000)).contains("extends: more than 100 services deep"));
}

#[test]
fn what_extends_repeats_is_bounded() {
    let values: String = (0..2_000).map(|it| format!("V{it}: a, ")).collect();
    let services: String = (0..1_000).map(|it| format!("  s{it}: {{extends: base}}\n")).collect();
    let text = format!("services:\n{services}  base: {{image: x, environment: {{{values}}}}}\n");
    assert!(load_error(&text).contains("extends: more than 1000000 values"));
}

#[test]
fn files_that_many_extend_are_read_once() {
    let services: String = (0..1_000)
        .map(|it| format!("  s{it}: {{extends: {{file: b.yaml, service: t0}}}}\n"))
        .collect();
    let base: String = (0..3_000).map(|it| format!("  t{it}: {{image: x}}\n")).collect();
    let main = format!("services:\n{services}");
    let base = format!("services:\n{base}");
    let tree = Tree::of([("/p/compose.yaml", main.as_str()), ("/p/b.yaml", base.as_str())]);
    let loaded = tree.load("/p/compose.yaml").unwrap();
    assert_eq!(loaded.project.services.len(), 1_000);
    assert_eq!(loaded.sources.iter().count(), 2);
}

#[test]
fn includes_that_branch_are_bounded() {
    let mut tree = Tree::default();
    for level in 0..40 {
        let text = format!("include: [f{0}.yaml, ./f{0}.yaml]\nx-a: 1", level + 1);
        tree.add(format!("/p/f{level}.yaml"), text);
    }
    tree.add("/p/f40.yaml".to_owned(), "services: {last: {image: x}}".to_owned());
    let error = tree.load("/p/f0.yaml").unwrap_err();
    assert!(error.to_string().contains("include: more than 1000 files"), "{error}");
}

#[test]
fn documents_are_bounded() {
    let text = "services: {a: {image: x}}\n---\n".repeat(1_000);
    assert!(load_error(&text).contains("more than 100 documents in one file"));
}

#[test]
fn env_files_are_bounded_in_all() {
    let services: String =
        (0..40).map(|it| format!("  s{it}: {{image: x, env_file: [e]}}\n")).collect();
    let main = format!("services:\n{services}");
    let env = format!("NAME={}\n", "a".repeat(1 << 20));
    let tree = Tree::of([("/p/compose.yaml", main.as_str()), ("/p/e", env.as_str())]);
    let error = tree.load("/p/compose.yaml").unwrap_err().to_string();
    assert!(error.contains("more than 67108864 bytes from env files"), "{error}");
}

#[test]
fn ports_that_short_forms_stand_for_are_bounded() {
    let services: String =
        (0..20).map(|it| format!("  s{it}: {{image: x, ports: [1-65535]}}\n")).collect();
    let error = load_error(&format!("services:\n{services}"));
    assert!(error.contains("short forms stand for more than 1000000 values"), "{error}");
}

#[test]
fn watched_paths_are_bounded() {
    let (paths, rest) = (vec!["a"; 3_000].join(", "), vec!["b"; 3_000].join(", "));
    let watch = format!("{{path: [{paths}], action: sync, target: /t, x-a: [{rest}]}}");
    let text = format!("services: {{a: {{image: x, develop: {{watch: [{watch}]}}}}}}");
    let tree = Tree::of([("/p/compose.yaml", text.as_str())]);
    let mut request = tree.request("/p/compose.yaml", options());
    // The specification knows one path only.
    request.options.validate = false;
    let error = compose::load(&request, &tree).unwrap_err().to_string();
    assert!(error.contains("short forms stand for more than 1000000 values"), "{error}");
}

#[test]
fn marks_are_bounded() {
    let marks: String = (0..1_000).map(|it| format!("k{it}: !reset 1, ")).collect();
    let aliases: String = (0..90).map(|it| format!("  a{it}: *a\n")).collect();
    let text = format!("x-a: &a {{{marks}k: 1}}\nx-b:\n{aliases}");
    assert!(load_error(&text).contains("more than 10000 values are marked"));
    // Also without aliases, and long paths count by their length.
    let many: String = (0..10_001).map(|it| format!("  k{it}: !reset 1\n")).collect();
    assert!(load_error(&format!("x-b:\n{many}")).contains("more than 10000 values are marked"));
    let (open, close) = (format!("{{{}: ", "k".repeat(4_000)).repeat(90), "}".repeat(90));
    let marks = "!reset 1, ".repeat(250);
    let text = format!("x-b: {open}[{marks}1]{close}");
    assert!(load_error(&text).contains("more than 10000 values are marked"));
}

#[test]
fn what_is_kept_for_aliases_is_bounded() {
    let anchors: String = (0..90).map(|it| format!("&a{it} [")).collect();
    let text = format!("x-a: {anchors}{}{}", "1,".repeat(20_000), "]".repeat(90));
    assert!(load_error(&text).contains("excessive aliasing"));
}

#[test]
fn pools_of_many_subnets_are_merged_by_subnet() {
    let pools = |count: usize, more: &str| -> String {
        (0..count)
            .map(|it| format!("{{subnet: 10.{}.{}.0/24{more}}}, ", it / 256, it % 256))
            .collect()
    };
    let document = |pools: &str| format!("networks: {{n: {{ipam: {{config: [{pools}]}}}}}}\n");
    let (first, second) =
        (document(&pools(2_000, "")), document(&pools(2_000, ", gateway: 10.0.0.1")));
    let text = format!("services: {{a: {{image: x}}}}\n{first}---\n{second}");
    load(&text);
}

#[test]
fn included_env_files_are_counted() {
    let files = "e, ".repeat(200);
    let text = format!("include: [{{path: a.yaml, env_file: [{files}]}}]");
    let large = format!("A=b\n#{}", "x".repeat(1 << 20));
    let files = [
        ("/p/compose.yaml", text.as_str()),
        ("/p/a.yaml", "services: {a: {image: x}}"),
        ("/p/e", &large),
    ];
    let tree = Tree::of(files);
    let error =
        compose::load(&tree.request("/p/compose.yaml", options()), &tree).unwrap_err().to_string();
    assert!(error.contains("more than 67108864 bytes from env files"), "{error}");
}

#[test]
fn many_marked_keys_take_no_time_by_their_square() {
    let marks: String = (0..9_999).map(|it| format!("  k{it}: !reset 1\n")).collect();
    let plain: String = (0..20_000).map(|it| format!("  p{it}: 1\n")).collect();
    load(&format!("services: {{a: {{image: x}}}}\nx-b:\n{marks}{plain}"));
}

#[test]
fn long_keys_are_refused() {
    let text = format!("? {}\n: 1\n", "a".repeat(5_000));
    assert!(load_error(&text).contains("a key has more than 4096 bytes"));
}

#[test]
fn variables_of_one_load_are_bounded_together() {
    let texts = vec!["\"$V\""; 70].join(", ");
    let tree = Tree::of([("/p/compose.yaml", "services: {a: {image: x}}")]);
    let mut request = tree.request("/p/compose.yaml", options());
    request.environment.insert("V".to_owned(), "a".repeat(1 << 20));
    request.files[0].content = Some(format!("x-a: [{texts}]\nservices: {{a: {{image: x}}}}"));
    let error = compose::load(&request, &tree).unwrap_err().to_string();
    assert!(error.contains("67108864 to all"), "{error}");
}

#[test]
fn long_chains_of_dependencies_need_no_stack() {
    let service = |it: usize| format!("  s{it}: {{image: x, depends_on: [s{}]}}\n", it + 1);
    let services: String = (0..3_000).map(service).collect();
    let project = load(&format!("services:\n{services}  s3000: {{image: x}}\n"));
    let graph = compose::graph::Graph::of(&project);
    assert!(compose::graph::text(&graph).contains("s3000"));
}

#[test]
fn many_errors_take_no_time_by_their_square() {
    let keys: String = (0..2_000).map(|it| format!("    unknown{it}: 1\n")).collect();
    let error =
        Tree::of([("/p/compose.yaml", format!("services:\n  a:\n    image: x\n{keys}").as_str())])
            .load("/p/compose.yaml")
            .unwrap_err();
    assert_eq!(error.problems.len(), 1_000);
    let services: String =
        (0..2_000).map(|it| format!("  s{it}: {{image: x, depends_on: [t{it}]}}\n")).collect();
    let error = Tree::of([("/p/compose.yaml", format!("services:\n{services}").as_str())])
        .load("/p/compose.yaml")
        .unwrap_err();
    assert!(error.problems.len() <= 1_000);
}

#[test]
fn hosts_of_many_documents_merge_in_one_pass() {
    let hosts = |from: usize| -> String {
        (from..from + 2_000).map(|it| format!("'h{it}=1.1.1.1', ")).collect()
    };
    let document =
        |from| format!("services: {{a: {{image: x, extra_hosts: [{}]}}}}\n", hosts(from));
    let project = load(&format!("{}---\n{}", document(0), document(1_000)));
    assert_eq!(project.services["a"].extra_hosts.0.len(), 3_000);
}

/// The files of a tree, one of which is there and cannot be read.
struct Locked<'a>(&'a Tree, &'a str);

impl Files for Locked<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        if path == self.1 { Err(io::ErrorKind::PermissionDenied.into()) } else { self.0.read(path) }
    }
}

#[test]
fn an_env_file_that_cannot_be_read_is_not_one_that_is_missing() {
    for entry in ["e", "{path: e, required: false}"] {
        let text = format!("services: {{a: {{image: x, env_file: [{entry}]}}}}");
        let tree = Tree::of([("/p/compose.yaml", text.as_str())]);
        let request = tree.request("/p/compose.yaml", options());
        let error = compose::load(&request, &Locked(&tree, "/p/e")).unwrap_err().to_string();
        assert!(error.contains("cannot read env file /p/e: permission denied"), "{error}");
    }
}
