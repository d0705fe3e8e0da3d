//! [`Inputs`]: what a step reads, by name.
//!
//! A COPY may read a million files. What counts about each is worked out of its selection when the inputs are gone through,
//! some thousands at a time: once for the key, once more when they are written down or compared with those of before.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::iter::{Peekable, from_fn};
use std::sync::Arc;

use super::StepKey;
use super::key::{KeyBuilder, put};
use crate::chmod::Chmod;
use crate::execute::source::{Item, Node, NodeKind, Order, Selection};
use crate::threads;

/// Items that are looked at before the first of them is handed out.
const BATCH: usize = 1 << 12;
/// So many are worth a thread.
const MANY: usize = 1024;

/// What a step reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    /// One by one.
    single: BTreeMap<String, Input>,
    directories: Vec<Directory>,
}

/// What is in a directory that is read.
#[derive(Clone, Debug)]
struct Directory {
    prefix: String,
    selection: Arc<Selection>,
    overrides: Overrides,
}

/// What the flags of a step make of owners and modes: those of the source do not count then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) owner: bool,
    pub(crate) chmod: Option<Chmod>,
    /// `--parents`: directories that are there already take the mode of the source's as it is.
    pub(crate) keep_directories: bool,
}

/// Something a step reads: a hash of everything that counts about it, and what explains a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) hash: [u8; 32],
    node: Option<Looks>,
}

/// A file, directory or link in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    kind: &'static str,
    mode: u32,
    uid: u32,
    gid: u32,
    /// The beginnings of hashes: of the bytes or the link's target, and of the extended attributes.
    content: Option<[u8; 6]>,
    xattrs: Option<[u8; 4]>,
}

/// `file 644 0:0 1f2e3d4c5b6a - 00112233aabbccdd`: the last word is the beginning of the hash, and the only one for
/// what is no file.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if let Some(looks) = &self.node {
            let content = looks.content.map_or("-".to_owned(), |bytes| hex(&bytes));
            let xattrs = looks.xattrs.map_or("-".to_owned(), |bytes| hex(&bytes));
            let Looks { kind, mode, uid, gid, .. } = looks;
            write!(f, "{kind} {mode:o} {uid}:{gid} {content} {xattrs} ")?;
        }
        f.write_str(&hex(&self.hash[..8]))
    }
}

impl Input {
    fn fact(hash: [u8; 32]) -> Input {
        Input { hash, node: None }
    }

    /// A file, directory or link as it will be in the layer. `content` is the digest of a file's bytes.
    pub(crate) fn of_node(node: &Node, content: Option<&[u8; 32]>) -> Input {
        Input { hash: Input::hash(node, content), node: Some(looks(node, content)) }
    }

    fn hash(node: &Node, content: Option<&[u8; 32]>) -> [u8; 32] {
        let numbers =
            |kind: u8, a: u32, b: u32| [&[kind][..], &a.to_le_bytes(), &b.to_le_bytes()].concat();
        let kind = match &node.kind {
            NodeKind::File { .. } => vec![0],
            NodeKind::Dir => vec![1],
            NodeKind::Symlink { target } => [&[2][..], target].concat(),
            NodeKind::CharDevice { major, minor } => numbers(3, *major, *minor),
            NodeKind::BlockDevice { major, minor } => numbers(4, *major, *minor),
            NodeKind::Fifo => vec![5],
        };
        let mut key = KeyBuilder::new("node")
            .part(&kind)
            .part(&node.mode.to_le_bytes())
            .part(&node.uid.to_le_bytes())
            .part(&node.gid.to_le_bytes());
        for (name, value) in &node.xattrs {
            key = key.part(name).part(value);
        }
        key.part(content.map_or(&[][..], |digest| digest)).finish().0
    }

    /// Whether this is what was written down so.
    pub(crate) fn is(&self, text: &str) -> bool {
        let last = text.rsplit(' ').next().unwrap_or_default();
        blake3::Hash::from_bytes(self.hash).to_hex()[..16] == *last
    }
}

type Named = (String, Input);
type Sorted<'a> = Box<dyn Iterator<Item = Named> + 'a>;

impl Inputs {
    /// A file, directory or link as the step will have it.
    pub(crate) fn node(&mut self, name: String, node: &Node, content: Option<&[u8; 32]>) {
        self.single.insert(name, Input::of_node(node, content));
    }

    pub(crate) fn fact(&mut self, name: String, key: StepKey) {
        self.single.insert(name, Input::fact(key.0));
    }

    /// All that was selected in a directory. The digests of its files have to be known.
    pub(crate) fn directory(
        &mut self,
        prefix: &str,
        selection: &Arc<Selection>,
        overrides: &Overrides,
    ) {
        let (selection, overrides) = (selection.clone(), overrides.clone());
        self.directories.push(Directory { prefix: prefix.to_owned(), selection, overrides });
    }

    /// Takes the inputs of something that this step reads, under names of their own.
    pub(crate) fn extend(&mut self, prefix: &str, others: &Inputs) {
        let named = |name: &String| format!("{prefix}{name}");
        self.single.extend(others.single.iter().map(|(name, input)| (named(name), *input)));
        let directories = others.directories.iter().cloned();
        self.directories.extend(
            directories
                .map(|directory| Directory { prefix: named(&directory.prefix), ..directory }),
        );
    }

    pub(crate) fn len(&self) -> usize {
        let inside = self.directories.iter().filter_map(|one| one.selection.inside.as_ref());
        self.single.len() + inside.map(|folder| folder.count()).sum::<usize>()
    }

    /// All of them, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Named> + '_ {
        let single = self.single.iter().map(|(name, input)| (name.clone(), *input));
        let directories = self.directories.iter().map(|one| Box::new(one.iter()) as Sorted<'_>);
        let all = std::iter::once(Box::new(single) as Sorted<'_>).chain(directories);
        let mut sorted: Vec<Peekable<Sorted<'_>>> = all.map(Iterator::peekable).collect();
        from_fn(move || {
            let heads = sorted.iter_mut().enumerate();
            let heads = heads.filter_map(|(number, one)| Some((&one.peek()?.0, number)));
            let (_, first) = heads.min()?;
            sorted[first].next()
        })
    }

    /// Makes them parts of a key, in the order of [`Inputs::iter`].
    pub(super) fn add_to(&self, mut key: KeyBuilder) -> KeyBuilder {
        let [directory] = self.directories.as_slice() else {
            return self.iter().fold(key, with);
        };
        let mut single = self.single.iter().map(|(name, input)| (name.clone(), *input)).peekable();
        let mut items = directory.items();
        loop {
            let batch: Vec<Item<'_>> = items.by_ref().take(BATCH).collect();
            let (Some(first), Some(last)) = (batch.first(), batch.last()) else { break };
            let (first, last) = (directory.name(first), directory.name(last));
            while let Some(before) = single.next_if(|(name, _)| *name <= first) {
                key = with(key, before);
            }
            // Nearly always: what is read besides has no name among these.
            if single.peek().is_none_or(|(name, _)| *name > last) {
                let parts = threads::parts(&batch, MANY, &|items| directory.parts(items));
                key = parts.iter().fold(key, |key, parts| key.parts(parts));
                continue;
            }
            for input in threads::map(&batch, MANY, &|item| directory.input(item)) {
                while let Some(before) = single.next_if(|(name, _)| *name <= input.0) {
                    key = with(key, before);
                }
                key = with(key, input);
            }
        }
        single.fold(key, with)
    }

    #[cfg(test)]
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.single.remove(name).is_some()
    }
}

fn with(key: KeyBuilder, (name, input): Named) -> KeyBuilder {
    key.part(name.as_bytes()).part(&input.hash)
}

impl Directory {
    fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.selection.inside.iter().flat_map(|inside| inside.items(Order::Shown))
    }

    /// By name.
    fn iter(&self) -> impl Iterator<Item = Named> + '_ {
        let mut items = self.items();
        let mut ready: Option<threads::Mapped<Named>> = None;
        from_fn(move || {
            if let Some(input) = ready.as_mut().and_then(Iterator::next) {
                return Some(input);
            }
            let batch: Vec<Item<'_>> = items.by_ref().take(BATCH).collect();
            ready.insert(threads::map(&batch, MANY, &|item| self.input(item))).next()
        })
    }

    fn name(&self, item: &Item<'_>) -> String {
        let mut name = String::new();
        item.show(&self.prefix, &mut name);
        name
    }

    fn input(&self, item: &Item<'_>) -> Named {
        let content = item.digest();
        let content = content.as_ref().map(|digest| digest.as_bytes());
        (self.name(item), Input::of_node(&self.overrides.apply(&item.node()), content))
    }

    /// What [`with`] would add of these.
    fn parts(&self, items: &[Item<'_>]) -> Vec<u8> {
        let (mut parts, mut name) = (Vec::with_capacity(items.len() * 80), String::new());
        for item in items {
            name.clear();
            item.show(&self.prefix, &mut name);
            let content = item.digest();
            let content = content.as_ref().map(|digest| digest.as_bytes());
            put(&mut parts, name.as_bytes());
            put(&mut parts, &Input::hash(&self.overrides.apply(&item.node()), content));
        }
        parts
    }
}

impl Overrides {
    pub(crate) fn apply<'n>(&self, node: &'n Node) -> Cow<'n, Node> {
        if !self.owner && self.chmod.is_none() {
            return Cow::Borrowed(node);
        }
        let mut node = node.clone();
        if self.owner {
            (node.uid, node.gid) = (0, 0);
        }
        let kept =
            matches!(node.kind, NodeKind::Symlink { .. }) || node.is_dir() && self.keep_directories;
        if let Some(chmod) = self.chmod.as_ref().filter(|_| !kept) {
            node.mode = chmod.apply(node.mode, node.is_dir());
        }
        Cow::Owned(node)
    }
}

fn looks(node: &Node, content: Option<&[u8; 32]>) -> Looks {
    let kind = match &node.kind {
        NodeKind::File { .. } => "file",
        NodeKind::Dir => "directory",
        NodeKind::Symlink { .. } => "link",
        NodeKind::CharDevice { .. } | NodeKind::BlockDevice { .. } => "device",
        NodeKind::Fifo => "pipe",
    };
    let target = match &node.kind {
        NodeKind::Symlink { target } => Some(*blake3::hash(target).as_bytes()),
        _ => None,
    };
    let content = content.copied().or(target);
    let xattrs = (!node.xattrs.is_empty()).then(|| {
        let mut hasher = blake3::Hasher::new();
        for (name, value) in &node.xattrs {
            hasher.update(name).update(&(value.len() as u64).to_le_bytes()).update(value);
        }
        *hasher.finalize().as_bytes()
    });
    Looks {
        kind,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        content: content.map(|hash| std::array::from_fn(|at| hash[at])),
        xattrs: xattrs.map(|hash| std::array::from_fn(|at| hash[at])),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::context::Context;
    use crate::context::file_index::FileIndex;
    use crate::context::ignore::Ignore;
    use crate::execute::source::{Wanted, select};

    fn selected(dir: &std::path::Path) -> Arc<Selection> {
        let context = Context::open(dir, Ignore::default(), FileIndex::default()).unwrap();
        let found = select(&context, Wanted::Path(b"."), &Ignore::default()).unwrap();
        Arc::new(found.into_iter().next().unwrap())
    }

    /// In several batches, with what is read besides before, among and behind them.
    #[test]
    fn a_key_has_all_inputs_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..2 * BATCH + 100 {
            let parent = dir.path().join(format!("d{}", number % 3));
            fs::create_dir_all(&parent).unwrap();
            fs::write(parent.join(format!("f{number}")), "").unwrap();
        }
        fs::write(dir.path().join("d1-between"), "").unwrap();
        fs::write(dir.path().join("d1").join(OsStr::from_bytes(b"no\xfftext")), "").unwrap();
        let selection = selected(dir.path());
        let fact = |text: &str| KeyBuilder::new(text).finish();
        let asked =
            ["", "a", "src/", "src/d1/f1", "src/d1/f1", "src/d1/f2x", "src/d2/f", "src/d9", "z"];
        for count in [0, 4, asked.len()] {
            for directories in 0..3 {
                let mut inputs = Inputs::default();
                asked[..count].iter().for_each(|name| inputs.fact((*name).to_owned(), fact(name)));
                for prefix in ["src/", "more/"].into_iter().take(directories) {
                    inputs.directory(prefix, &selection, &Overrides::default());
                }
                let one_by_one = inputs.iter().fold(KeyBuilder::new("t"), with).finish();
                let key = KeyBuilder::new("t").inputs(&inputs).finish();
                assert_eq!(key, one_by_one, "{count} {directories}");
                assert_eq!(inputs.iter().count(), inputs.len());
                assert!(inputs.iter().is_sorted_by(|one, next| one.0 <= next.0));
            }
        }
    }
}
