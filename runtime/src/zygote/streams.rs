//! Standard streams of a new container, as its caller sees them.
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use super::message::StdioKind;
use crate::container::Stdio;

/// The caller's and the container's ends of the standard streams.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) kind: StdioKind,
    pub(crate) theirs: Vec<OwnedFd>,
    pub(crate) stdin: Option<File>,
    pub(crate) stdout: Option<File>,
    pub(crate) stderr: Option<File>,
}

impl Streams {
    pub(crate) fn new(stdio: Stdio) -> io::Result<Streams> {
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
