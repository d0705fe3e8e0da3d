//! Standard streams of a new container, as its caller sees them.
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use super::message::StdioKind;
use crate::container::Stdio;

/// The caller's and the container's ends of the standard streams.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) kind: StdioKind,
    pub(super) theirs: Vec<OwnedFd>,
    pub(super) stdin: Option<File>,
    pub(super) stdout: Option<File>,
    pub(super) stderr: Option<File>,
}

impl Streams {
    pub(super) fn new(stdio: Stdio) -> io::Result<Streams> {
        let kind = match stdio {
            Stdio::Terminal { rows, columns } => StdioKind::Terminal { rows, columns },
            _ => StdioKind::Descriptors,
        };
        let mut streams =
            Streams { kind, theirs: Vec::new(), stdin: None, stdout: None, stderr: None };
        match stdio {
            Stdio::Terminal { .. } => {}
            Stdio::Fds { stdin, stdout, stderr } => streams.theirs = vec![stdin, stdout, stderr],
            Stdio::Pipes { stdin } => {
                if stdin {
                    let (reader, writer) = io::pipe()?;
                    streams.theirs.push(reader.into());
                    streams.stdin = Some(OwnedFd::from(writer).into());
                } else {
                    streams.theirs.push(File::open("/dev/null")?.into());
                }
                for ours in [&mut streams.stdout, &mut streams.stderr] {
                    let (reader, writer) = io::pipe()?;
                    streams.theirs.push(writer.into());
                    *ours = Some(OwnedFd::from(reader).into());
                }
            }
        }
        Ok(streams)
    }
}
