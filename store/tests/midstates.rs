//! Layers that begin as an earlier one: their digests are those of their bytes, whatever is known of the earlier one.

use std::fs;

use store::layer::{Entry, EntryKind, LayerWriter};
use store::{Digest, Store};

use crate::support::{Sandbox, open, sandbox};

struct File {
    path: String,
    content: Vec<u8>,
    mode: u32,
    mtime: i64,
    xattr: Option<Vec<u8>>,
}

fn file(path: &str, size: usize) -> File {
    let content = (0..size).map(|n| (n / 5 + path.len()) as u8).collect();
    File { path: path.to_owned(), content, mode: 0o644, mtime: 1, xattr: None }
}

/// 21 MB: a large file, many small ones, and a large one that ends the layer.
fn files() -> Vec<File> {
    let small = (0..240).map(|number| file(&format!("d{number:03}"), 40_000 + number));
    let first = [file("a", 6 << 20), file("b", 0)];
    first.into_iter().chain(small).chain([file("z", (5 << 20) + 1)]).collect()
}

fn entry(of: &File) -> Entry {
    let kind = EntryKind::File { size: of.content.len() as u64, digest: None, offset: None };
    let mut entry = Entry::new(of.path.as_bytes(), kind, of.mode);
    entry.mtime = of.mtime;
    entry.xattrs.extend(of.xattr.clone().map(|value| (b"user.x".to_vec(), value)));
    entry
}

/// The digest of a blob in the store.
fn stored(store: &Store, files: &[File], former: Option<&Digest>) -> Digest {
    let mut blob = store.blob_writer().unwrap();
    former.inspect(|former| blob.follow(former));
    let marks = blob.marks().unwrap();
    let mut writer = LayerWriter::new(blob).marking(marks);
    for file in files {
        writer.append(&entry(file), Some(&mut &file.content[..])).unwrap();
    }
    writer.finish().unwrap().0.finish().unwrap().digest
}

fn plain(files: &[File]) -> Digest {
    let mut writer = LayerWriter::new(Vec::new());
    for file in files {
        writer.append(&entry(file), Some(&mut &file.content[..])).unwrap();
    }
    Digest::of(&writer.finish().unwrap().0)
}

#[test]
fn a_layer_like_an_earlier_one_has_the_digest_of_its_bytes() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let earlier = stored(store, &files(), None);
    assert_eq!(earlier, plain(&files()));
    let list = store.root().join("cache/midstates").join(earlier.hex());
    assert!(list.exists());

    type Change = fn(&mut Vec<File>);
    let changes: [(&str, Change); 13] = [
        ("nothing", |_| {}),
        ("the first byte", |files| files[0].content[0] ^= 1),
        ("a byte of the large file", |files| files[0].content[3 << 20] ^= 1),
        ("its last byte", |files| *files[0].content.last_mut().unwrap() ^= 1),
        ("a byte of a small file", |files| files[150].content[7] ^= 1),
        ("the very last byte", |files| *files.last_mut().unwrap().content.last_mut().unwrap() ^= 1),
        ("one grows", |files| files[80].content.extend([1; 1024])),
        ("one shrinks", |files| files[80].content.truncate(100)),
        ("one is added", |files| files.insert(80, file("d077-", 3000))),
        ("one goes", |files| drop(files.remove(80))),
        ("a mode", |files| files[100].mode = 0o755),
        ("a time", |files| files[0].mtime = 2),
        ("an attribute", |files| files[200].xattr = Some(vec![b'x'; 300])),
    ];
    for (what, change) in changes {
        let mut changed = files();
        change(&mut changed);
        assert_eq!(stored(store, &changed, Some(&earlier)), plain(&changed), "{what}");
    }

    // What was made with a list leaves one that is as good.
    let mut changed = files();
    changed[150].content[7] ^= 1;
    let next = plain(&changed);
    changed[200].content[7] ^= 1;
    assert_eq!(stored(store, &changed, Some(&next)), plain(&changed));

    let good = fs::read(&list).unwrap();
    for damage in [&good[..good.len() / 2], b"", b"something else"] {
        fs::write(&list, damage).unwrap();
        assert_eq!(stored(store, &changed, Some(&earlier)), plain(&changed));
    }
    store.prune(&mut || Ok(Vec::new())).unwrap();
    let left = fs::read_dir(store.root().join("cache/midstates")).unwrap().count();
    assert!(left > 0, "this process still holds what it has made");
    drop(fs::remove_file(&list));
    assert_eq!(stored(store, &changed, Some(&earlier)), plain(&changed));
}

#[test]
fn the_list_of_a_blob_goes_with_it() {
    let Sandbox { dir, store } = sandbox();
    stored(&store, &files(), None);
    let root = store.root().to_owned();
    let lists = || fs::read_dir(root.join("cache/midstates")).unwrap().count();
    assert_eq!(lists(), 1);
    drop(store);
    open(&root).prune(&mut || Ok(Vec::new())).unwrap();
    assert_eq!(lists(), 0);
    drop(dir);
}
