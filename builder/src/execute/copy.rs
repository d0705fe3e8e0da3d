//! COPY and ADD: what they read (for the key), and the layer they make of it.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;

use store::id_map::IdMap;
use store::layer::{
    Entry, EntryKind, LayerError, LayerIndex, LayerWriter, WhiteoutForm, apply, apply_archive,
    decompressor, is_archive,
};
use store::tree::Tree;
use store::{BlobWriter, Descriptor, Store, media_type};
use sys::RootDir;

use super::source::{
    InlineFile, Node, NodeKind, Selected, Selection, Source, SourceError, Wanted, as_path, clean,
    join, parent_and_name, select,
};
use super::target::{Content, Ownership, Placed, Target};
use super::{NewLayer, StepError, io_error, owners};
use crate::cache::{Inputs, KeyBuilder};
use crate::cancel::Cancel;
use crate::chmod::Chmod;
use crate::context::ignore::Ignore;
use crate::step::{CopySource, CopyStep};

/// What making a layer needs besides the step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) store: &'a Store,
    pub(crate) cancel: &'a Cancel,
    /// Time of what has no time of its own, in seconds since 1970.
    pub(crate) now: i64,
}

impl Setting<'_> {
    fn check(&self) -> Result<(), StepError> {
        if self.cancel.is_cancelled() { Err(StepError::Cancelled) } else { Ok(()) }
    }
}

/// A COPY or ADD whose sources have been looked up.
#[derive(Debug)]
pub(crate) struct Prepared {
    sources: Vec<(Arc<dyn Source>, Vec<Selection>)>,
    pub(crate) inputs: Inputs,
}

/// Finds what the step copies and what of it belongs in its key.
pub(crate) fn prepare(
    step: &CopyStep,
    from: &Arc<dyn Source>,
    setting: &Setting<'_>,
) -> Result<Prepared, StepError> {
    let excludes = Ignore::new(&step.excludes).map_err(|source| StepError::Exclude { source })?;
    let mut prepared = Prepared { sources: Vec::new(), inputs: Inputs::default() };
    for (number, wanted) in step.sources.iter().enumerate() {
        let (source, selections): (Arc<dyn Source>, _) = match wanted {
            CopySource::Path(path) => {
                (from.clone(), select(&**from, Wanted::Path(path.as_bytes()), &excludes)?)
            }
            CopySource::Parents { root, pattern, required } => {
                let root = clean(root.as_bytes());
                let required = required.as_ref().map(|path| path.as_bytes());
                let wanted = Wanted::Parents { root: &root, pattern: pattern.as_bytes(), required };
                (from.clone(), select(&**from, wanted, &excludes)?)
            }
            CopySource::Inline { name, content } => {
                inline(name, content, step.created.unwrap_or(setting.now))?
            }
        };
        for selection in &selections {
            setting.check()?;
            add_inputs(setting, &mut prepared.inputs, number, &*source, selection)?;
        }
        prepared.sources.push((source, selections));
    }
    Ok(prepared)
}

fn inline(
    name: &str,
    content: &str,
    mtime: i64,
) -> Result<(Arc<dyn Source>, Vec<Selection>), StepError> {
    let (name, content) = (name.as_bytes().to_vec(), content.as_bytes().to_vec());
    let file = InlineFile { name: name.clone(), content, mtime };
    let node = file.lookup(&name)?.ok_or_else(|| SourceError::NotFound {
        path: name.clone(),
        similar: None,
        ignored: false,
    })?;
    let selection = Selection { path: name.clone(), name, node, inside: Vec::new() };
    Ok((Arc::new(file), vec![selection]))
}

/// The directory a source names gives only what is in it, so its own owner and mode do not count.
fn add_inputs(
    setting: &Setting<'_>,
    inputs: &mut Inputs,
    number: usize,
    source: &dyn Source,
    selection: &Selection,
) -> Result<(), StepError> {
    let show = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    // The same file may be named twice; the order of the sources counts as well.
    let prefix = if number == 0 { String::new() } else { format!("source {}: ", number + 1) };
    let name = format!("{prefix}{}", show(&selection.path));
    if selection.node.is_dir() {
        let kind = KeyBuilder::new("directory").part(&selection.name).finish();
        inputs.fact(format!("{name}/"), kind);
    } else {
        let content = content_digest(source, &selection.path, &selection.node)?;
        inputs.node(name, &selection.node, content.as_ref());
        let named = KeyBuilder::new("name").part(&selection.name).finish();
        inputs.fact(format!("{prefix}name of {}", show(&selection.path)), named);
    }
    for selected in &selection.inside {
        setting.check()?;
        let content = content_digest(source, &selected.path, &selected.node)?;
        inputs.node(format!("{prefix}{}", show(&selected.path)), &selected.node, content.as_ref());
    }
    Ok(())
}

fn content_digest(
    source: &dyn Source,
    path: &[u8],
    node: &Node,
) -> Result<Option<[u8; 32]>, StepError> {
    match node.kind {
        NodeKind::File { .. } => Ok(Some(*source.digest(path)?.as_bytes())),
        _ => Ok(None),
    }
}

/// For `--link`: which directories above the destination the tree below has.
pub(crate) fn link_inputs(step: &CopyStep, beneath: &Tree, inputs: &mut Inputs) {
    let dest = clean(step.dest.as_bytes());
    let mut at: &[u8] = &dest;
    while !at.is_empty() {
        let found = beneath.lookup(as_path(at)).is_some_and(|found| found.entry.is_dir());
        let key = KeyBuilder::new("beneath").part(&[u8::from(found)]).finish();
        inputs.fact(format!("destination {}", String::from_utf8_lossy(at)), key);
        at = parent_and_name(at).0;
    }
}

/// Makes the layer.
pub(crate) fn execute(
    step: &CopyStep,
    prepared: &Prepared,
    below: &Tree,
    setting: &Setting<'_>,
) -> Result<NewLayer, StepError> {
    let (placed, _scratch) = arrange(step, prepared, below, setting)?;
    write(&placed, setting)
}

/// Copies into the empty directory `dir` instead of making a layer.
pub(crate) fn execute_into(
    step: &CopyStep,
    prepared: &Prepared,
    dir: &RootDir,
    setting: &Setting<'_>,
) -> Result<(), StepError> {
    let nothing = Tree::default();
    let (placed, _scratch) = arrange(step, prepared, &nothing, setting)?;
    let (reader, writer) = io::pipe().map_err(|source| LayerError::Write { source })?;
    std::thread::scope(|scope| {
        let written = scope.spawn(|| {
            let mut archive = LayerWriter::new(BufWriter::new(writer));
            append(&mut archive, &placed, setting)?;
            let (mut pipe, index) = archive.finish()?;
            pipe.flush().map_err(|source| LayerError::Write { source })?;
            check_unchanged(&placed, &index)
        });
        let reader = BufReader::new(reader);
        let applied = apply(reader, dir, &nothing, WhiteoutForm::Remove, IdMap::Identity);
        // When a source cannot be read the archive ends early: that is the cause, not the end.
        match (written.join().unwrap_or(Ok(())), applied) {
            (Err(StepError::Layer(LayerError::Write { .. })), Err(error)) => Err(error.into()),
            (Err(error), _) => Err(error),
            (Ok(()), applied) => Ok(applied.map(drop)?),
        }
    })
}

/// Where everything goes; what was unpacked on the way has to live until it is written.
fn arrange(
    step: &CopyStep,
    prepared: &Prepared,
    below: &Tree,
    setting: &Setting<'_>,
) -> Result<(Vec<Placed>, Scratch), StepError> {
    let ownership = Ownership {
        owner: step.chown.as_deref().map(|spec| owners::of_chown(spec, below)).transpose()?,
        chmod: step.chmod.as_deref().map(Chmod::parse).transpose()?,
        time: step.created,
    };
    let made_at = step.created.or_else(|| newest(prepared)).unwrap_or(setting.now);
    let mut target = if step.link {
        Target::linked(below.clone(), ownership, made_at)
    } else {
        Target::new(below.clone(), ownership, made_at)
    };
    let mut scratch = Scratch::default();
    for ((source, selections), wanted) in prepared.sources.iter().zip(&step.sources) {
        let unpack = step.unpack && matches!(wanted, CopySource::Path(_));
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
fn newest(prepared: &Prepared) -> Option<i64> {
    let selections = prepared.sources.iter().flat_map(|(_, selections)| selections);
    let times = selections.flat_map(|selection| {
        let own = (!selection.node.is_dir()).then_some(selection.node.mtime);
        own.into_iter().chain(selection.inside.iter().map(|selected| selected.node.mtime))
    });
    times.max()
}

/// As BuildKit's copy: a directory's contents go into the destination, a file goes into a directory
/// that exists and otherwise becomes the destination.
fn place(
    target: &mut Target,
    source: &Arc<dyn Source>,
    selection: &Selection,
    dest: &[u8],
    parents: bool,
) -> Result<(), StepError> {
    let named_dir = dest.ends_with(b"/");
    let made_first = if named_dir { dest } else { parent_and_name(dest).0 };
    let made_first = target.resolve(made_first)?;
    target.make_dirs(&made_first)?;
    let mut dest = target.resolve(dest)?;
    if !selection.node.is_dir() {
        if target.is_dir(&dest) {
            dest = join(&dest, &selection.name);
        }
        target.make_dirs(parent_and_name(&dest).0)?;
        return put(target, source, &selection.path, &selection.node, dest);
    }
    target.make_dirs(&dest)?;
    for selected in &selection.inside {
        let Selected { relative, path, node } = selected;
        let dest = join(&dest, relative);
        if parents && node.is_dir() && target.pass_through(&dest, node.mode, node.mtime) {
            continue;
        }
        put(target, source, path, node, dest)?;
    }
    Ok(())
}

fn put(
    target: &mut Target,
    source: &Arc<dyn Source>,
    path: &[u8],
    node: &Node,
    dest: Vec<u8>,
) -> Result<(), StepError> {
    let shown = || super::target::show(&dest);
    match target.lookup(&dest) {
        Some(EntryKind::Dir { .. }) if !node.is_dir() => {
            return Err(StepError::IsADirectory { path: shown() });
        }
        Some(kind) if node.is_dir() && !matches!(kind, EntryKind::Dir { .. }) => {
            return Err(StepError::NotADirectory { path: shown() });
        }
        _ => {}
    }
    let content = match node.kind {
        NodeKind::File { .. } => Content::Source(source.clone(), path.to_vec()),
        _ => Content::None,
    };
    let entry = Entry {
        path: dest,
        kind: entry_kind(source, path, node)?,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        mtime: node.mtime,
        xattrs: node.xattrs.clone(),
    };
    target.put(entry, content, node.link_group.clone());
    Ok(())
}

/// The digest in a file's entry is what the key was made of.
fn entry_kind(source: &Arc<dyn Source>, path: &[u8], node: &Node) -> Result<EntryKind, StepError> {
    Ok(match &node.kind {
        NodeKind::File { size } => {
            EntryKind::File { size: *size, digest: Some(source.digest(path)?), offset: None }
        }
        NodeKind::Dir => EntryKind::Dir { opaque: false },
        NodeKind::Symlink { target } => EntryKind::Symlink { target: target.clone() },
        NodeKind::CharDevice { major, minor } => {
            EntryKind::CharDevice { major: *major, minor: *minor }
        }
        NodeKind::BlockDevice { major, minor } => {
            EntryKind::BlockDevice { major: *major, minor: *minor }
        }
        NodeKind::Fifo => EntryKind::Fifo,
    })
}

/// Directories that archives were unpacked into; removed when the layer is written.
#[derive(Debug, Default)]
struct Scratch(Vec<std::path::PathBuf>);

impl Scratch {
    fn make(&mut self, store: &Store) -> Result<Arc<RootDir>, StepError> {
        let path = store.temp_path()?;
        std::fs::create_dir(&path).map_err(io_error("create", &path))?;
        self.0.push(path.clone());
        Ok(Arc::new(RootDir::open(&path)?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed goes when the store is next opened.
        for path in &self.0 {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Unpacks a file that is an archive into the destination. False if it is none.
fn try_unpack(
    target: &mut Target,
    scratch: &mut Scratch,
    source: &Arc<dyn Source>,
    selection: &Selection,
    step: &CopyStep,
    store: &Store,
) -> Result<bool, StepError> {
    if !matches!(selection.node.kind, NodeKind::File { .. })
        || !is_archive(source.open(&selection.path)?)
    {
        return Ok(false);
    }
    let dest = target.resolve(step.dest.as_bytes())?;
    target.make_dirs_for_archive(&dest)?;
    let dir = scratch.make(store)?;
    let read_error = |source| SourceError::Read { path: selection.path.clone(), source };
    let plain = decompressor(source.open(&selection.path)?).map_err(read_error)?;
    let below = target.tree().at(as_path(&dest)).unwrap_or_default();
    let index = apply_archive(plain, &dir, &below, IdMap::Identity)?;
    let archive = scratch.0.len();
    for entry in index.iter().filter(|entry| !entry.path.is_empty()) {
        put_member(target, &index, entry, &dest, &dir, archive);
    }
    Ok(true)
}

/// Puts what was unpacked into `dir` below the destination. Names of one file form a group: in the layer
/// another one may come first than in the archive.
fn put_member(
    target: &mut Target,
    index: &LayerIndex,
    member: &Entry,
    dest: &[u8],
    dir: &Arc<RootDir>,
    archive: usize,
) {
    let first = match &member.kind {
        EntryKind::Hardlink { target } => index.get(target).unwrap_or(member),
        _ => member,
    };
    let content = match first.kind {
        EntryKind::File { .. } => Content::Dir(dir.clone(), first.path.clone()),
        _ => Content::None,
    };
    let mut entry = Entry { path: join(dest, &member.path), ..first.clone() };
    let Ownership { owner, time, .. } = *target.ownership();
    if let Some((uid, gid)) = owner {
        (entry.uid, entry.gid) = (uid, gid);
    }
    entry.mtime = time.unwrap_or(entry.mtime);
    let group = [&archive.to_le_bytes()[..], &first.path].concat();
    let group = (!entry.is_dir()).then_some(group);
    target.put_as_is(entry, content, group);
}

/// Streams the entries into a layer blob.
pub(crate) fn write(placed: &[Placed], setting: &Setting<'_>) -> Result<NewLayer, StepError> {
    let mut writer = LayerWriter::new(setting.store.blob_writer()?);
    append(&mut writer, placed, setting)?;
    let layer = seal(writer)?;
    check_unchanged(placed, &layer.index)?;
    Ok(layer)
}

fn append<W: Write>(
    writer: &mut LayerWriter<W>,
    placed: &[Placed],
    setting: &Setting<'_>,
) -> Result<(), StepError> {
    for item in placed {
        setting.check()?;
        match item.content.open()? {
            Some(mut reader) => writer.append(&item.entry, Some(&mut reader as &mut dyn Read))?,
            None => writer.append(&item.entry, None)?,
        }
    }
    Ok(())
}

/// Each file that was written must be what was looked up.
fn check_unchanged(placed: &[Placed], index: &LayerIndex) -> Result<(), StepError> {
    for item in placed {
        let EntryKind::File { digest: Some(expected), .. } = item.entry.kind else { continue };
        let written = index.get(&item.entry.path).map(|entry| &entry.kind);
        if let Some(EntryKind::File { digest: Some(digest), .. }) = written
            && *digest != expected
        {
            return Err(SourceError::Changed { path: item.entry.path.clone() }.into());
        }
    }
    Ok(())
}

/// Ends a layer and makes its blob visible.
pub(crate) fn seal(writer: LayerWriter<BlobWriter>) -> Result<NewLayer, StepError> {
    let (mut blob, index) = writer.finish()?;
    let flush = |source: io::Error| store::layer::LayerError::Write { source };
    blob.flush().map_err(flush)?;
    let info = blob.finish()?;
    let descriptor = Descriptor::new(media_type::LAYER_TAR, info.digest, info.size);
    Ok(NewLayer { descriptor, index: Arc::new(index) })
}
