//! A build whose inputs can be changed one by one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::change::Change;
use super::files::{Files, Kind};
use super::model::{Modelled, World, model};
use super::verdict::{Verdicts, verdicts};
use crate::support::{Output, Sandbox};

pub(super) struct Subject {
    pub(super) sandbox: Sandbox,
    arguments: Vec<String>,
    /// A root file system of the base image.
    base: PathBuf,
    /// The names it has.
    images: Vec<String>,
    world: World,
    modelled: Vec<Modelled>,
}

impl Subject {
    /// None for several platforms: the model knows one.
    pub(super) fn new(
        sandbox: Sandbox,
        base: PathBuf,
        images: Vec<String>,
        arguments: Vec<String>,
    ) -> Option<Subject> {
        let world = world(&sandbox, &arguments);
        if world.platform.contains(',') {
            return None;
        }
        let modelled = model(&world);
        Some(Subject { sandbox, arguments, base, images, world, modelled })
    }

    /// Everything that can be changed, once each.
    pub(super) fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for root in
            std::iter::once("context".to_owned()).chain(named(&self.arguments).into_values())
        {
            let root = self.sandbox.path(&root);
            changes.push(Change::NewFile(root.clone()));
            for (path, entry) in Files::read(&root, "").iter() {
                let path = root.join(path);
                match entry.kind {
                    Kind::Directory => {
                        changes
                            .extend([Change::NewFile(path.clone()), Change::DirectoryMode(path)]);
                    }
                    Kind::Link(_) => {}
                    Kind::File(_) => {
                        let to = [Change::Bytes, Change::Mode, Change::Time];
                        changes.extend(to.map(|change| change(path.clone())));
                        if self.may_go(&path) {
                            changes.push(Change::Gone(path));
                        }
                    }
                }
            }
        }
        changes.extend(self.declared().into_iter().map(Change::Argument));
        let secrets = values(&self.arguments, "--secret");
        let files = secrets.iter().filter_map(|secret| secret.split_once("src="));
        changes.extend(files.map(|(_, file)| Change::Secret(self.sandbox.path(file))));
        if !self.images.is_empty() {
            changes.extend([Change::ImageFile, Change::ImageVariable, Change::ImageLabel]);
        }
        changes
    }

    /// A file that a source names in full cannot go: then nothing gets built, and there is nothing to compare.
    fn may_go(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap().to_str().unwrap();
        let dockerfile = self.sandbox.path(&values(&self.arguments, "-f")[0]);
        !self.world.dockerfile.contains(name)
            && fs::canonicalize(path).unwrap() != fs::canonicalize(dockerfile).unwrap()
    }

    /// Arguments that may come from outside, and one that no instruction knows.
    fn declared(&self) -> Vec<String> {
        let words =
            self.world.dockerfile.lines().filter_map(|line| line.trim().strip_prefix("ARG "));
        let names = words.flat_map(str::split_whitespace);
        let mut names: Vec<String> = names
            .map(|word| word.split('=').next().unwrap().to_owned())
            .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
            .collect();
        names.extend(["NOBODY_KNOWS_THIS".to_owned(), "https_proxy".to_owned()]);
        names.sort();
        names.dedup();
        names
    }

    /// What will miss once this is changed.
    pub(super) fn foretell(&self, change: &Change) -> Verdicts {
        let undo = change.to_file();
        let verdicts = self.verdicts(change);
        undo.into_iter().for_each(super::change::Undo::apply);
        verdicts
    }

    /// What misses with this change.
    pub(super) fn with(&mut self, change: &Change) -> (Verdicts, Output) {
        let undo = change.to_file();
        let verdicts = self.verdicts(change);
        let output = self.build(change);
        undo.into_iter().for_each(super::change::Undo::apply);
        (verdicts, output)
    }

    fn verdicts(&self, change: &Change) -> Verdicts {
        let mut world = world(&self.sandbox, &self.arguments);
        match change {
            Change::Argument(name) => {
                world.arguments.insert(name.clone(), "changed".to_owned());
            }
            Change::ImageFile => world.image.push_str(" and a file"),
            Change::ImageVariable => {
                world.image_env.insert("CHANGED".to_owned(), "1".to_owned());
            }
            _ => {}
        }
        let modelled = model(&world);
        verdicts((&self.world, &self.modelled), (&world, &modelled))
    }

    pub(super) fn build(&self, change: &Change) -> Output {
        match change {
            Change::ImageFile => self.import(&self.base_and_a_file(), "LABEL none="),
            Change::ImageVariable => self.import(&self.base, "ENV CHANGED=1"),
            Change::ImageLabel => self.import(&self.base, "LABEL changed=1"),
            _ => {}
        }
        let mut arguments = self.arguments.clone();
        if let Change::Argument(name) = change {
            arguments.extend(["--build-arg".to_owned(), format!("{name}=changed")]);
        }
        let output = self.sandbox.rbuild(arguments);
        if matches!(change, Change::ImageFile | Change::ImageVariable | Change::ImageLabel) {
            self.import(&self.base, "LABEL none=");
        }
        output
    }

    fn import(&self, base: &Path, instruction: &str) {
        for image in &self.images {
            let arguments = ["import", "-c", instruction, base.to_str().unwrap(), image];
            self.sandbox.rbuild(arguments).success();
        }
    }

    fn base_and_a_file(&self) -> PathBuf {
        let path = self.sandbox.path("base-and-a-file.tar");
        fs::copy(&self.base, &path).unwrap();
        let file = fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut archive = tar::Builder::new(file);
        end_of_members(archive.get_mut());
        let mut header = tar::Header::new_ustar();
        header.set_size(3);
        header.set_mode(0o644);
        archive.append_data(&mut header, "a-file", &b"new"[..]).unwrap();
        archive.finish().unwrap();
        path
    }
}

/// Where the zeros begin that end an archive.
fn end_of_members(file: &mut fs::File) {
    use std::io::{Seek, SeekFrom};
    let length = {
        let mut archive = tar::Archive::new(&*file);
        let ends = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            entry.raw_file_position() + entry.size().next_multiple_of(512)
        });
        ends.last().unwrap()
    };
    file.seek(SeekFrom::Start(length)).unwrap();
}

fn world(sandbox: &Sandbox, arguments: &[String]) -> World {
    let file = values(arguments, "-f").pop().unwrap();
    let beside = sandbox.path(&format!("{file}.dockerignore"));
    let ignore = fs::read_to_string(beside)
        .or_else(|_| fs::read_to_string(sandbox.path("context/.dockerignore")));
    let named = named(arguments).into_iter().map(|(name, directory)| {
        let directory = sandbox.path(&directory);
        let ignore = fs::read_to_string(directory.join(".dockerignore")).unwrap_or_default();
        (name, Files::read(&directory, &ignore))
    });
    World {
        dockerfile: sandbox.read(&file),
        context: Files::read(&sandbox.path("context"), &ignore.unwrap_or_default()),
        named: named.collect(),
        arguments: pairs(arguments, "--build-arg"),
        platform: values(arguments, "--platform").pop().unwrap_or("linux/amd64".to_owned()),
        image: "as it was".to_owned(),
        image_env: BTreeMap::new(),
    }
}

fn named(arguments: &[String]) -> BTreeMap<String, String> {
    pairs(arguments, "--build-context")
}

fn pairs(arguments: &[String], flag: &str) -> BTreeMap<String, String> {
    let values = values(arguments, flag);
    let pairs = values.iter().map(|value| value.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Of a flag and the word after it.
fn values(arguments: &[String], flag: &str) -> Vec<String> {
    let after = arguments.windows(2).filter(|pair| pair[0] == flag);
    after.map(|pair| pair[1].clone()).collect()
}
