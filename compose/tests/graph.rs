//! Each folder of `fixtures/graph` holds a project and its picture in all forms;
//! `UPDATE_FIXTURES=1 cargo test -p compose --test graph` rewrites the pictures.

use std::path::Path;

use compose::Project;
use compose::graph::{self, Graph};
use compose::source::Sources;
use compose::yaml;

#[allow(clippy::disallowed_methods)] // a test's own switch
fn update() -> bool {
    std::env::var_os("UPDATE_FIXTURES").is_some()
}

#[test]
fn projects_are_drawn_as_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/graph");
    let mut pictures = 0;
    for folder in std::fs::read_dir(root).expect("fixtures/graph") {
        let folder = folder.expect("an entry").path();
        let text = std::fs::read_to_string(folder.join("compose.yaml")).expect("a project");
        let file = Sources::default().add("compose.yaml", text.clone());
        let documents = yaml::parse(&text, file).expect("YAML");
        let map = documents[0].root.as_map().expect("a mapping");
        let graph = Graph::of(&Project::from_tree(map).expect("a project"));
        for (name, found) in [
            ("graph.txt", graph::text(&graph)),
            ("graph.dot", graph::dot(&graph)),
            ("graph.svg", graph::svg(&graph)),
        ] {
            let file = folder.join(name);
            if update() {
                std::fs::write(&file, &found).expect("the picture can be written");
            }
            let recorded = std::fs::read_to_string(&file).expect("a picture");
            assert_eq!(recorded, found, "{}", file.display());
            pictures += 1;
        }
    }
    assert!(pictures >= 6, "only {pictures} pictures");
}
