//! COPY and ADD: what they read (for the key), and the layer they make of it.

mod place;
mod quirks;
mod unpack;

use std::collections::BTreeMap;
use std::sync::Arc;

use store::tree::Tree;
use store::{LayerForm, Store};
use sys::RootDir;

use super::arranged::Arranged;
use super::source::{
    CheckedOut, DownloadedFile, Folder, InlineFile, Item, NodeKind, Order, Selection, Source,
    SourceError, Wanted, as_path, clean, parent_and_name, select, shown,
};
use super::target::{Ownership, Target};
use super::{FormerLayer, NewLayer, StepError, layer, owners};
use crate::cache::{Inputs, KeyBuilder, Overrides};
use crate::cancel::Cancel;
use crate::chmod::Chmod;
use crate::context::ignore::Ignore;
use crate::fetch::git::Commit;
use crate::fetch::{self, Access, Checksum, Git, Http, RemoteFile};
use crate::request::{Secret, SshAgent};
use crate::step::{CopySource, CopyStep, GitSource};
use place::place;
pub(crate) use quirks::quirks;
use unpack::{Scratch, try_unpack};

/// What making a layer needs besides the step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) store: &'a Store,
    pub(crate) cancel: &'a Cancel,
    /// Time of what has no time of its own, in seconds since 1970.
    pub(crate) now: i64,
    pub(crate) http: &'a Http,
    pub(crate) git: &'a Git,
    pub(crate) secrets: &'a [Secret],
    pub(crate) ssh: &'a [SshAgent],
    /// The form in which the layer will be asked for: it is made along with it.
    pub(crate) pack: Option<LayerForm>,
}

impl Setting<'_> {
    fn access(&self) -> Access<'_> {
        let Setting { store, cancel, http, git, secrets, ssh, .. } = *self;
        Access { http, git, secrets, ssh, store, cancel }
    }

    pub(super) fn check(&self) -> Result<(), StepError> {
        if self.cancel.is_cancelled() { Err(StepError::Cancelled) } else { Ok(()) }
    }
}

/// A source, and what of it is copied.
type Found = (Arc<dyn Source>, Vec<Arc<Selection>>);

/// A source that is fetched only if the step has to be executed.
#[derive(Debug)]
enum Remote {
    File(DownloadedFile),
    Commit(Commit),
}

/// A COPY or ADD whose sources have been looked up.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    sources: Vec<Found>,
    /// Those of the sources that come from servers, by their number.
    remote: BTreeMap<usize, Remote>,
    pub(crate) inputs: Inputs,
}

/// Finds what the step copies and what of it belongs in its key.
pub(crate) fn prepare(
    step: &CopyStep,
    from: &Arc<dyn Source>,
    setting: &Setting<'_>,
) -> Result<Prepared, StepError> {
    let excludes = Ignore::new(&step.excludes).map_err(|source| StepError::Exclude { source })?;
    let chmod = step.chmod.as_deref().map(Chmod::parse).transpose()?;
    let mut prepared = Prepared::default();
    for (number, wanted) in step.sources.iter().enumerate() {
        let (source, selections): Found = match wanted {
            CopySource::Url { url, checksum, .. } => {
                let file = remote(url, checksum.as_ref(), number, setting, &mut prepared.inputs)?;
                // What stands here only has the name, until the file is needed.
                prepared.sources.push(inline(&file.name, &[], 0)?);
                prepared.remote.insert(number, Remote::File(file));
                continue;
            }
            CopySource::Git(git) => {
                let commit = commit(git, number, setting, &mut prepared.inputs)?;
                // Stands for the directory until it is needed.
                prepared.sources.push(single(Arc::new(InlineFile::nothing()), b"")?);
                prepared.remote.insert(number, Remote::Commit(commit));
                continue;
            }
            CopySource::Path(path) => {
                (from.clone(), found(&**from, Wanted::Path(path.as_bytes()), &excludes)?)
            }
            CopySource::Parents { root, pattern, required } => {
                let root = clean(root.as_bytes());
                let required = required.as_ref().map(|path| path.as_bytes());
                let wanted = Wanted::Parents { root: &root, pattern: pattern.as_bytes(), required };
                (from.clone(), found(&**from, wanted, &excludes)?)
            }
            CopySource::Inline { name, content } => {
                inline(name.as_bytes(), content.as_bytes(), step.created.unwrap_or(setting.now))?
            }
        };
        let overrides = Overrides {
            owner: step.chown.is_some(),
            chmod: chmod.clone(),
            keep_directories: matches!(wanted, CopySource::Parents { .. }),
        };
        for selection in &selections {
            let inputs = &mut prepared.inputs;
            add_inputs(setting, inputs, number, &*source, selection, &overrides)?;
        }
        prepared.sources.push((source, selections));
    }
    Ok(prepared)
}

fn found(
    source: &dyn Source,
    wanted: Wanted<'_>,
    excludes: &Ignore,
) -> Result<Vec<Arc<Selection>>, SourceError> {
    Ok(select(source, wanted, excludes)?.into_iter().map(Arc::new).collect())
}

/// A file on a server: where a checksum is given, it stands for the content.
fn remote(
    url: &str,
    checksum: Option<&Checksum>,
    number: usize,
    setting: &Setting<'_>,
    inputs: &mut Inputs,
) -> Result<DownloadedFile, StepError> {
    let remote = RemoteFile::find(url, checksum, &setting.access())?;
    let content = match (remote.digest(), checksum) {
        (Some(digest), _) => KeyBuilder::new("content").part(digest),
        (None, checksum) => {
            let text = checksum.map(Checksum::to_string).unwrap_or_default();
            KeyBuilder::new("checksum").part(text.as_bytes())
        }
    };
    let name = fetch::url::file_name(url);
    let shown = format!("source {}: {}", number + 1, fetch::url::redacted(url));
    inputs.fact(shown, content.part(&name).finish());
    Ok(DownloadedFile::pending(name, remote))
}

/// The commit stands for the files. What `.git` says depends on more.
fn commit(
    git: &GitSource,
    number: usize,
    setting: &Setting<'_>,
    inputs: &mut Inputs,
) -> Result<Commit, StepError> {
    let commit = setting.git.resolve(&git.reference, &setting.access())?;
    let mut key = KeyBuilder::new("commit").part(commit.id().as_bytes());
    if git.keep_git_dir {
        let name = commit.name.as_deref().unwrap_or_default();
        let remote = fetch::url::redacted(&git.reference.remote);
        key = key.part(commit.object.as_bytes()).part(name.as_bytes()).part(remote.as_bytes());
    }
    // By whichever name: a branch and a hash may mean the same.
    inputs.fact(format!("source {}: the commit", number + 1), key.finish());
    Ok(commit)
}

fn inline(name: &[u8], content: &[u8], mtime: i64) -> Result<Found, StepError> {
    single(Arc::new(InlineFile { name: name.to_vec(), content: content.to_vec(), mtime }), name)
}

/// The file `name` at the top of a source.
fn single(source: Arc<dyn Source>, name: &[u8]) -> Result<Found, StepError> {
    let name = name.to_vec();
    let node = source.lookup(&name)?.ok_or_else(|| SourceError::NotFound {
        path: name.clone(),
        similar: None,
        ignored: false,
    })?;
    let selection = Selection { path: name.clone(), name, node, inside: None };
    Ok((source, vec![Arc::new(selection)]))
}

/// The sources with what comes from servers, fetched now at the latest.
fn fetched(
    step: &CopyStep,
    prepared: &Prepared,
    setting: &Setting<'_>,
) -> Result<Vec<Found>, StepError> {
    let mut sources = prepared.sources.clone();
    for (number, remote) in &prepared.remote {
        sources[*number] = match (remote, &step.sources[*number]) {
            (Remote::File(file), _) => {
                let file = file.fetch(&setting.access())?;
                let name = file.name.clone();
                single(Arc::new(file), &name)?
            }
            (Remote::Commit(commit), CopySource::Git(git)) => {
                check_out(step, git, commit, setting)?
            }
            // What is a commit was prepared of a repository.
            (Remote::Commit(_), _) => continue,
        };
    }
    Ok(sources)
}

fn check_out(
    step: &CopyStep,
    git: &GitSource,
    commit: &Commit,
    setting: &Setting<'_>,
) -> Result<Found, StepError> {
    let extent = fetch::git::Extent {
        keep_git_dir: git.keep_git_dir,
        submodules: git.submodules,
        subdir: &git.subdir,
        times: git.times,
    };
    let fetched = setting.git.check_out(&git.reference, commit, extent, &setting.access())?;
    let path = fetched.path().to_owned();
    let source =
        CheckedOut::open(fetched).map_err(|source| StepError::Directory { path, source })?;
    let excludes = Ignore::new(&step.excludes).map_err(|source| StepError::Exclude { source })?;
    let selections = found(&source, Wanted::Path(b"/"), &excludes)?;
    Ok((Arc::new(source), selections))
}

/// The directory a source names gives only what is in it, so its own owner and mode do not count.
fn add_inputs(
    setting: &Setting<'_>,
    inputs: &mut Inputs,
    number: usize,
    source: &dyn Source,
    selection: &Arc<Selection>,
    overrides: &Overrides,
) -> Result<(), StepError> {
    setting.check()?;
    let shown = shown(&selection.path);
    // The same file may be named twice; the order of the sources counts as well.
    let prefix = if number == 0 { String::new() } else { format!("source {}: ", number + 1) };
    let name = format!("{prefix}{shown}");
    if let Some(inside) = &selection.inside {
        let kind = KeyBuilder::new("directory").part(&selection.name).finish();
        inputs.fact(format!("{name}/"), kind);
        find_digests(setting, source, inside)?;
        inputs.directory(&prefix, selection, overrides);
        return Ok(());
    }
    let content = match selection.node.kind {
        NodeKind::File { .. } => Some(*source.digest(&selection.path)?.as_bytes()),
        _ => None,
    };
    inputs.node(name, &overrides.apply(&selection.node), content.as_ref());
    let named = KeyBuilder::new("name").part(&selection.name).finish();
    inputs.fact(format!("{prefix}name of {shown}"), named);
    Ok(())
}

/// Of all files in a directory: several at a time, where the source can do that, then one by one what is left.
fn find_digests(
    setting: &Setting<'_>,
    source: &dyn Source,
    inside: &Folder,
) -> Result<(), StepError> {
    let unknown = || {
        let is_unknown = |item: &Item<'_>| item.is_file() && item.digest().is_none();
        inside.items(Order::Layer).filter(is_unknown)
    };
    let count = unknown().count();
    if count > 0 {
        source.prepare_digests(&mut unknown(), count);
    }
    for item in unknown() {
        setting.check()?;
        item.set_digest(source.digest(&item.path())?);
    }
    Ok(())
}

/// For `--link`: which directories above the destination the tree below has.
pub(crate) fn link_inputs(step: &CopyStep, beneath: &Tree, inputs: &mut Inputs) {
    let dest = clean(step.dest.as_bytes());
    let mut at: &[u8] = &dest;
    while !at.is_empty() {
        let found = beneath.lookup(as_path(at)).is_some_and(|found| found.entry.is_dir());
        let key = KeyBuilder::new("beneath").part(&[u8::from(found)]).finish();
        inputs.fact(format!("destination {}", shown(at)), key);
        at = parent_and_name(at).0;
    }
}

/// Makes the layer. `former` is one that is likely to have the same files.
pub(crate) fn execute(
    step: &CopyStep,
    prepared: &Prepared,
    below: &Tree,
    setting: &Setting<'_>,
    former: Option<&FormerLayer>,
) -> Result<NewLayer, StepError> {
    let (arranged, _scratch) = arrange(step, prepared, below, setting)?;
    layer::write(&arranged, setting, former)
}

/// Copies into the empty directory `dir` instead of making a layer.
pub(crate) fn execute_into(
    step: &CopyStep,
    prepared: &Prepared,
    dir: &RootDir,
    setting: &Setting<'_>,
) -> Result<(), StepError> {
    let nothing = Tree::default();
    let (arranged, _scratch) = arrange(step, prepared, &nothing, setting)?;
    layer::write_into(&arranged, dir, setting)
}

/// Where everything goes; what was unpacked on the way has to live until it is written.
fn arrange(
    step: &CopyStep,
    prepared: &Prepared,
    below: &Tree,
    setting: &Setting<'_>,
) -> Result<(Arranged, Scratch), StepError> {
    let owner = step.chown.as_deref().map(|spec| owners::of_chown(spec, below)).transpose()?;
    let ownership = Ownership {
        owner: owner.map(|owner| (owner.uid, owner.gid)),
        chmod: step.chmod.as_deref().map(Chmod::parse).transpose()?,
        time: step.created,
    };
    let sources = fetched(step, prepared, setting)?;
    let made_at = step.created.or_else(|| newest(&sources)).unwrap_or(setting.now);
    let mut target = if step.link {
        Target::linked(below.clone(), ownership, made_at)
    } else {
        Target::new(below.clone(), ownership, made_at)
    };
    let mut scratch = Scratch::default();
    for ((source, selections), wanted) in sources.iter().zip(&step.sources) {
        let unpack = match wanted {
            CopySource::Path(_) => step.unpack,
            CopySource::Url { unpack, .. } => *unpack,
            CopySource::Parents { .. } | CopySource::Git(_) | CopySource::Inline { .. } => false,
        };
        for selection in selections {
            if unpack
                && try_unpack(&mut target, &mut scratch, source, selection, step, setting.store)?
            {
                continue;
            }
            let parents = matches!(wanted, CopySource::Parents { .. });
            place(&mut target, source, selection, step.dest.as_bytes(), parents)?;
        }
    }
    Ok((target.finish(), scratch))
}

/// Directories that COPY makes are as old as the newest thing in them, so that equal inputs make equal layers.
fn newest(sources: &[Found]) -> Option<i64> {
    let selections = sources.iter().flat_map(|(_, selections)| selections);
    let times = selections.filter_map(|selection| match &selection.inside {
        Some(inside) => inside.items(Order::Layer).map(|item| item.mtime()).max(),
        None => Some(selection.node.mtime),
    });
    times.max()
}
