//! [`LayerError`]: what can be wrong with a layer.

use std::io;

use sys::SysError;

use crate::tree::TreeError;

#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error("cannot read the layer archive")]
    Read { source: io::Error },
    #[error("cannot write the layer archive")]
    Write { source: io::Error },
    #[error("cannot read `{path}` for the layer")]
    ReadFile { path: String, source: io::Error },
    #[error("cannot write `{path}`")]
    WriteFile { path: String, source: io::Error },
    #[error("`{path}` changed while it was read: expected {expected} bytes")]
    SizeChanged { path: String, expected: u64 },
    #[error("entry `{path}` of the archive {problem}")]
    Entry { path: String, problem: String },
    #[error("the archive {problem}")]
    Archive { problem: String },
    #[error("layer index is damaged: {problem}")]
    Index { problem: &'static str },
    #[error("cannot unpack `{path}`")]
    Unpack { path: String, source: SysError },
    #[error("cannot look at `{path}`")]
    Scan { path: String, source: SysError },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl LayerError {
    /// Whether it is the archive that is wrong, and not the disk.
    pub(crate) fn is_about_content(&self) -> bool {
        matches!(
            self,
            LayerError::Read { .. } | LayerError::Entry { .. } | LayerError::Archive { .. }
        )
    }
}

/// Bytes of a path as text for a message; of a very long one, the beginning.
pub(crate) fn show(path: &[u8]) -> String {
    const MOST: usize = 1024;
    match path.get(..MOST) {
        None => path.escape_ascii().to_string(),
        Some(beginning) => format!("{}…", beginning.escape_ascii()),
    }
}
