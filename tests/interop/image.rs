//! The image the neighbours get: everything a root filesystem may hold, deletions over several layers, and a
//! configuration with every field.

use std::fs::{self, File};
use std::io::Write;

use serde_json::Value;

use crate::support::{Output, Sandbox};

pub(super) const NAME: &str = "rich:1";

/// What a container says about itself and about what it sees, in a form that is the same everywhere.
const REPORT: &str = r"#!/bin/sh
echo $* $GREETING; id; pwd; cat /data/seed
/tree/capable/cat /proc/self/status | grep CapEff
cd /tree/hard; [ first -ef late ] && [ link -ef same-link ] && [ ! first -ef other/second ] && echo linked
find /tree /data -type d -print0 | xargs -0 stat -c '%A %u:%g %n' | sort
find /tree /data ! -type d -print0 | xargs -0 stat -c '%A %u:%g %s %t,%T %Y %N' | sort
";

pub(super) const DOCKERFILE: &str = r#"
FROM busybox
ADD tree.tar /
RUN echo 'worker:x:1000:1001:worker:/home:/bin/sh' >> /etc/passwd && echo 'staff:x:1001:' >> /etc/group
RUN cd /tree/lower && rm -r gone gone-directory file directory link && touch directory && mkdir file link \
 && echo new | tee file/inside > link/inside
RUN rm -r /tree/opaque && mkdir /tree/opaque && echo new > /tree/opaque/new
RUN chmod 600 /tree/attributes && chown 7:8 /tree/attributes && ln /tree/hard/first /tree/hard/late
RUN true
COPY --chown=worker:staff --chmod=750 report /tree/report
RUN rm /tree/opaque/new && touch /tree/opaque/newer && mkdir /data && echo seed > /data/seed
WORKDIR /tree/work
ENV GREETING="hello there" PATH=/bin:/usr/bin
VOLUME /data /other
EXPOSE 80 53/udp
LABEL org.example.text="a \"quoted\" text" empty=
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --retries=4 CMD ["true"]
ONBUILD RUN true
SHELL ["/bin/sh", "-ec"]
USER worker
ENTRYPOINT ["/tree/report"]
CMD ["first", "second word"]
"#;

/// Puts the image `rich:1` into the sandbox's store.
pub(super) fn build(sandbox: &Sandbox) {
    sandbox.write("context/report", REPORT);
    write_tree(sandbox);
    sandbox.build(DOCKERFILE, &["-t", NAME]).success();
}

impl Sandbox {
    /// Another output of the image, from the cache.
    pub(super) fn output_again(&self, output: &str) {
        self.build(DOCKERFILE, &["-t", NAME, "-o", output]).success();
    }
}

/// The image's ID, as the store has it.
pub(super) fn id(sandbox: &Sandbox, name: &str) -> String {
    inspect(sandbox, name)["Id"].as_str().unwrap().to_owned()
}

pub(super) fn inspect(sandbox: &Sandbox, name: &str) -> Value {
    let output = sandbox.rbuild(["inspect", name]).success();
    let mut images: Value = serde_json::from_str(&output.stdout).unwrap();
    images[0].take()
}

/// What the image's own program prints in a container of ours.
pub(super) fn report(sandbox: &Sandbox, name: &str) -> Output {
    sandbox.rbuild(["run", "--rm", "--network", "none", name]).success()
}

/// That of the image as it was built.
pub(super) fn expected_report(sandbox: &Sandbox) -> String {
    let output = report(sandbox, NAME);
    let there =
        ["CapEff:\t0000000000000400\nlinked\n", "/tree/lower/link/inside", "/tree/opaque/newer"];
    let gone = ["/gone", "directory/inside", "/old", "/opaque/new\n"];
    for text in there {
        assert!(output.stdout.contains(text), "no {text:?}: {output}");
    }
    for text in gone {
        assert!(!output.stdout.contains(text), "{text:?}: {output}");
    }
    output.stdout
}

/// What the image was made of and no later layer changed, read without any of our code.
pub(super) fn untouched(sandbox: &Sandbox) -> super::listing::Names {
    let mut names = super::listing::of_tar(&sandbox.path("context/tree.tar"));
    let changed = ["tree/hard", "tree/lower", "tree/opaque", "tree/attributes"];
    names.retain(|name, _| !changed.iter().any(|start| name.starts_with(start.as_bytes())));
    names
}

/// A store that has nothing yet, for what comes back.
pub(super) fn load_elsewhere(archive: &std::path::Path) -> Sandbox {
    let other = Sandbox::new();
    other.rbuild(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success();
    other.validate();
    other
}

/// The image came back whole: its ID, and what it is in a container.
#[track_caller]
pub(super) fn assert_same(ours: &Sandbox, back: &Sandbox, name: &str) {
    assert_eq!(id(ours, NAME), id(back, name));
    report(back, name).prints(&expected_report(ours));
}

type Tar = tar::Builder<File>;

fn write_tree(sandbox: &Sandbox) {
    let mut tar = tar::Builder::new(File::create(sandbox.path("context/tree.tar")).unwrap());
    add_names(&mut tar);
    add_kinds(&mut tar);
    add_modes(&mut tar);
    add_lower(&mut tar);
    tar.finish().unwrap();
}

/// Long, deep and strange ones.
fn add_names(tar: &mut Tar) {
    let deep = format!("{}/", "deep".repeat(20)).repeat(9) + "file";
    let long = "n".repeat(255);
    for name in
        ["with space", "new\nline", "tab\t", "-dash", "a=b", "back\\slash", "naïve", &deep, &long]
    {
        file(tar, &format!("tree/names/{name}"), name.as_bytes());
    }
    let mut path = b"tree/names/latin-1-\xe9".to_vec();
    let raw: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path.as_slice());
    append(tar, raw, &header(tar::EntryType::Regular, 0o644), b"not UTF-8");
    path.clear();
    for name in ["tree/names/dot.", "tree/names/..two", "tree/names/Case", "tree/names/case"] {
        file(tar, name, b"");
    }
}

fn add_kinds(tar: &mut Tar) {
    link(tar, tar::EntryType::Symlink, "tree/links/relative", "../names/Case");
    link(tar, tar::EntryType::Symlink, "tree/links/absolute", "/tree/names");
    link(tar, tar::EntryType::Symlink, "tree/links/dangling", "../../../../outside");
    link(tar, tar::EntryType::Symlink, "tree/links/long", &"long/".repeat(150));
    file(tar, "tree/hard/first", b"one of three");
    link(tar, tar::EntryType::Link, "tree/hard/other/second", "tree/hard/first");
    link(tar, tar::EntryType::Symlink, "tree/hard/link", "first");
    link(tar, tar::EntryType::Link, "tree/hard/same-link", "tree/hard/link");
    append(tar, "tree/kinds/fifo", &header(tar::EntryType::Fifo, 0o620), b"");
    let mut null = header(tar::EntryType::Char, 0o666);
    null.set_device_major(1).unwrap();
    null.set_device_minor(3).unwrap();
    append(tar, "tree/kinds/null", &null, b"");
    file(tar, "tree/kinds/empty", b"");
    append(tar, "tree/kinds/directory/", &header(tar::EntryType::Directory, 0o775), b"");
    file(tar, "tree/kinds/large", &vec![b'x'; 300_000]);
}

fn add_modes(tar: &mut Tar) {
    for (name, mode) in [("setuid", 0o4755), ("setgid", 0o2711), ("all", 0o6777), ("none", 0)] {
        append(tar, format!("tree/modes/{name}"), &header(tar::EntryType::Regular, mode), b"");
    }
    append(tar, "tree/modes/sticky/", &header(tar::EntryType::Directory, 0o1777), b"");
    append(tar, "tree/modes/setgid-directory/", &header(tar::EntryType::Directory, 0o2755), b"");
    let mut owned = header(tar::EntryType::Regular, 0o640);
    owned.set_uid(3_000_000);
    owned.set_gid(4_000_000_000);
    owned.set_mtime(5_000_000_000);
    append(tar, "tree/modes/owned", &owned, b"");
    // cap_net_bind_service, permitted and effective, in version 2.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    tar.append_pax_extensions([("SCHILY.xattr.security.capability", capability.as_slice())])
        .unwrap();
    let busybox = fs::read(busybox()).unwrap();
    append(tar, "tree/capable/cat", &header(tar::EntryType::Regular, 0o755), &busybox);
    let comment: &[u8] = b"bytes \x00\xff\n";
    tar.append_pax_extensions([("SCHILY.xattr.user.comment", comment)]).unwrap();
    file(tar, "tree/commented", b"");
}

/// What later layers delete, replace or change.
fn add_lower(tar: &mut Tar) {
    for name in ["gone", "gone-directory/a/b", "file", "directory/inside", "kept"] {
        file(tar, &format!("tree/lower/{name}"), b"lower");
    }
    link(tar, tar::EntryType::Symlink, "tree/lower/link", "kept");
    for name in ["opaque/old", "opaque/older/old", "attributes"] {
        file(tar, &format!("tree/{name}"), b"lower");
    }
}

fn busybox() -> std::path::PathBuf {
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
    let mut places = std::env::split_paths(&path).map(|directory| directory.join("busybox"));
    places.find(|file| file.exists()).unwrap()
}

fn file(tar: &mut Tar, path: &str, content: &[u8]) {
    append(tar, path, &header(tar::EntryType::Regular, 0o644), content);
}

fn append(tar: &mut Tar, path: impl AsRef<std::path::Path>, header: &tar::Header, content: &[u8]) {
    let mut header = header.clone();
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, path, content).unwrap();
    tar.get_mut().flush().unwrap();
}

fn link(tar: &mut Tar, kind: tar::EntryType, path: &str, target: &str) {
    let mut header = header(kind, 0o777);
    tar.append_link(&mut header, path, target).unwrap();
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_234_567_890);
    header.set_size(0);
    header
}
