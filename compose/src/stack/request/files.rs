//! Configs and secrets as files in a container.
//!
//! A file of this machine that nothing is said about is shown as it is, so that a new one is seen. What comes from
//! elsewhere, or has an owner or a mode of its own, is a file in memory.

use engine::MountRequest;
use engine::values::target;
use runtime::{Mount, MountSource};

use super::super::contents::Content;
use super::{About, Result};
use crate::model::FileReference;

const READABLE: u32 = 0o444;

impl About<'_> {
    pub(super) fn files(&self) -> Result<Vec<MountRequest>> {
        let contents = self.replica.contents;
        let mut mounts = Vec::new();
        for (kind, references, contents) in [
            ("configs", &self.service.configs, &contents.configs),
            ("secrets", &self.service.secrets, &contents.secrets),
        ] {
            for reference in references {
                if let Some(content) = contents.get(&reference.source) {
                    mounts.push(self.file(kind, reference, content)?);
                }
            }
        }
        Ok(mounts)
    }

    fn file(
        &self,
        kind: &str,
        reference: &FileReference,
        content: &Content,
    ) -> Result<MountRequest> {
        let about = || self.wrong(format!("`{kind}`: `{}`", reference.source));
        let path = match reference.target.as_str() {
            "" if kind == "secrets" => format!("/run/secrets/{}", reference.source),
            "" => format!("/{}", reference.source),
            path if path.starts_with('/') => path.to_owned(),
            path if kind == "secrets" => format!("/run/secrets/{path}"),
            path => format!("/{path}"),
        };
        let target = target(&path).map_err(about())?;
        let plain =
            reference.uid.is_empty() && reference.gid.is_empty() && reference.mode.is_none();
        let source = match content {
            Content::Directory { path } => MountSource::path(path, None),
            Content::File { path, .. } if plain => MountSource::path(path, None),
            Content::File { bytes, .. } | Content::Bytes(bytes) => {
                let number = |text: &str| match text {
                    "" => Ok(0),
                    text => text.parse::<u32>().map_err(
                        self.wrong(format!("`{kind}`: owner `{text}` of `{}`", reference.source)),
                    ),
                };
                let mode = reference.mode.and_then(|mode| u32::try_from(mode.0).ok());
                MountSource::File {
                    content: bytes.clone(),
                    mode: mode.unwrap_or(READABLE) & 0o7777,
                    uid: number(&reference.uid)?,
                    gid: number(&reference.gid)?,
                }
            }
        };
        Ok(MountRequest::Mount { mount: Mount { target, source, read_only: true }, create: false })
    }
}
