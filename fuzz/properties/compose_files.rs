//! Whatever compose files hold: they are a project or errors at places in them, in memory that fits their size. What
//! `config` prints of a project is that project again.
//!
//! A line `%%% PATH` begins another file beside the first, which is `compose.yaml`.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use std::collections::BTreeMap;
use std::io;

use compose::findings::{self, HostFacts};
use compose::graph::{self, Graph};
use compose::interpolate::variables;
use compose::load::{Files, InputFile, LoadOptions, LoadRequest, load, load_model};
use compose::render::{Form, json, yaml};
use compose::source::Sources;
use compose::yaml::{Map, Node, parse};
use compose::{LoadError, Loaded, listing, unsupported};

const DIRECTORY: &str = "/p";
const MAIN: &str = "/p/compose.yaml";

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let files = Texts::of(text);
    match load(&request(LoadOptions::ALL), &files) {
        Ok(loaded) => look_at(&loaded, &files),
        Err(error) => placed(&error),
    }
    let nothing = LoadOptions {
        interpolate: false,
        validate: false,
        normalize: false,
        resolve_paths: false,
        check_consistency: false,
        resolve_environment: false,
        discard_env_files: false,
    };
    match load_model(&request(nothing), &files) {
        Ok((tree, _)) => drop(variables(&tree)),
        Err(error) => placed(&error),
    }
}

/// An error says something, and where in which file.
fn placed(error: &LoadError) {
    assert!(!error.problems.is_empty(), "a load that failed without an error");
    for problem in &error.problems {
        assert!(!problem.kind.to_string().is_empty());
        let Some(source) = error.sources.of(problem.span) else { continue };
        let place = problem.span.start;
        let line = source.text.split(['\n', '\r']).count() as u32;
        assert!(place.line <= line, "line {} of {line}: {}", place.line, problem.kind);
    }
}

fn look_at(loaded: &Loaded, files: &Texts) {
    let project = &loaded.project;
    let text = yaml(&project.document(Form::Yaml));
    looked_at_otherwise(loaded);
    // Docker Compose doubles dollars in keys, too, though keys have no variables: such a file changes.
    if dollar_in_keys(&text) {
        return;
    }
    // An empty `build` has no context, as there; what it prints has the default one.
    let mut builds = project.services.values().filter_map(|service| service.build.as_ref());
    if builds.any(|build| build.context.is_empty()) {
        return;
    }
    let again = Texts::with(files, text.replace('$', "$$"));
    // Optional dependencies on services that are off are printed, as Docker Compose does, but they are not there.
    let options = LoadOptions { check_consistency: false, ..LoadOptions::ALL };
    match load(&request(options), &again) {
        Ok(again) => assert_eq!(yaml(&again.project.document(Form::Yaml)), text),
        Err(error) => panic!("what `config` prints does not load: {error}\n{text}"),
    }
}

fn dollar_in_keys(text: &str) -> bool {
    fn within(node: &Node) -> bool {
        let list = node.as_list().unwrap_or_default();
        let mut entries = node.as_map().into_iter().flat_map(Map::iter);
        entries.any(|(key, node)| key.contains('$') || within(node)) || list.iter().any(within)
    }
    let documents = parse(text, Sources::default().add("f", text)).expect("what was written");
    documents.iter().any(|document| within(&document.root))
}

/// All that can be made of a project.
fn looked_at_otherwise(loaded: &Loaded) {
    let project = &loaded.project;
    let document: Result<serde_json::Value, _> =
        serde_json::from_str(&json(&project.document(Form::Json), 2));
    assert!(document.is_ok(), "what `config --format json` prints is no JSON");
    let graph = Graph::of(project);
    assert!(graph::svg(&graph).ends_with("</svg>\n"), "half a picture");
    drop((graph::text(&graph), graph::dot(&graph)));
    drop((findings::check(loaded, &HostFacts::default()), unsupported::used(project)));
    assert!(listing::hashes(project, "*").is_ok_and(|it| it.len() == project.services.len()));
}

fn request(options: LoadOptions) -> LoadRequest {
    let environment = [("A", "v"), ("N", "3"), ("E", ""), ("D", "$A")];
    LoadRequest {
        files: vec![InputFile { path: MAIN.to_owned(), content: None }],
        directory: DIRECTORY.to_owned(),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        name: "test".to_owned(),
        name_is_chosen: false,
        profiles: vec!["on".to_owned()],
        home: Some("/home".to_owned()),
        options,
    }
}

struct Texts(BTreeMap<String, String>);

impl Texts {
    fn of(text: &str) -> Texts {
        let mut files = BTreeMap::new();
        let (mut path, mut content) = (MAIN.to_owned(), String::new());
        for line in text.split_inclusive('\n') {
            match line.strip_prefix("%%% ") {
                Some(name) => {
                    files.insert(path, std::mem::take(&mut content));
                    path = format!("{DIRECTORY}/{}", name.trim());
                }
                None => content.push_str(line),
            }
        }
        files.insert(path, content);
        Texts(files)
    }

    fn with(other: &Texts, main: String) -> Texts {
        let mut files = other.0.clone();
        files.insert(MAIN.to_owned(), main);
        Texts(files)
    }
}

impl Files for Texts {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or(io::ErrorKind::NotFound.into())
    }
}
