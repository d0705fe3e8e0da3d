//! Projects from texts, without a file system.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::io;

use compose::load::{Files, InputFile, LoadOptions, LoadRequest};
use compose::{LoadError, Loaded, Project};

/// Files by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Tree {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned()));
        Tree { files: files.collect() }
    }

    pub(crate) fn add(&mut self, path: String, text: String) {
        self.files.insert(path, text);
    }

    /// A project called `test` in `/p`, from one file.
    pub(crate) fn request(&self, path: &str, options: LoadOptions) -> LoadRequest {
        LoadRequest {
            files: vec![InputFile { path: path.to_owned(), content: None }],
            directory: "/p".to_owned(),
            environment: BTreeMap::new(),
            name: "test".to_owned(),
            name_is_chosen: false,
            profiles: Vec::new(),
            home: None,
            options,
        }
    }

    pub(crate) fn load(&self, path: &str) -> Result<Loaded, LoadError> {
        compose::load(&self.request(path, options()), self)
    }
}

impl Files for Tree {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

pub(crate) fn options() -> LoadOptions {
    LoadOptions::ALL
}

pub(crate) fn load(text: &str) -> Project {
    match Tree::of([("/p/compose.yaml", text)]).load("/p/compose.yaml") {
        Ok(loaded) => loaded.project,
        Err(error) => panic!("{error}\n{text}"),
    }
}

pub(crate) fn load_error(text: &str) -> String {
    match Tree::of([("/p/compose.yaml", text)]).load("/p/compose.yaml") {
        Ok(_) => panic!("this was expected to fail:\n{text}"),
        Err(error) => error.to_string(),
    }
}
