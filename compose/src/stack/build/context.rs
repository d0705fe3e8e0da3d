//! What an image is built from: a directory, a repository, or what is at a URL.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use builder::fetch::git::{Extent, FileTimes};
use builder::fetch::{Access, Fetched, GitRef, Http, Streamed, read_url};
use builder::request::{ContextSource, Secret, SourceText, SshAgent};

use super::{About, Surroundings};
use crate::stack::Result;

/// What a build reads its files from.
pub(super) struct Inputs {
    pub(super) context: ContextSource,
    pub(super) dockerfile: SourceText,
    pub(super) dockerignore: Option<SourceText>,
}

impl About<'_> {
    pub(super) fn inputs(
        &self,
        surroundings: &Surroundings,
        secrets: &[Secret],
        ssh: &[SshAgent],
    ) -> Result<Inputs> {
        let text = &self.build.context;
        if Path::new(text).exists() {
            return self.of_directory(self.directory()?);
        }
        let http = Http::new(&surroundings.http);
        let access = Access {
            http: &http,
            git: &surroundings.git,
            secrets,
            ssh,
            store: &surroundings.store,
            cancel: &surroundings.cancel,
        };
        let wrong = || self.wrong(format!("`build.context`: `{text}`"));
        let repository = match text.starts_with("file://") {
            true => Some(GitRef::of_this_machine(text).map_err(wrong())?),
            false => GitRef::parse(text).map_err(wrong())?,
        };
        if let Some(git) = repository {
            return self.of_fetched(&self.repository(&git, &access)?);
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let (streamed, time) = read_url(text, &access)
                .map_err(self.wrong(format!("`build.context`: `{text}`")))?;
            return match streamed {
                Streamed::Archive(fetched) => self.of_fetched(&fetched),
                Streamed::Text(text) => Ok(Inputs {
                    context: ContextSource::Empty { time },
                    dockerfile: SourceText { name: "Dockerfile".to_owned(), text },
                    dockerignore: None,
                }),
            };
        }
        self.of_directory(self.directory()?)
    }

    fn repository(&self, git: &GitRef, access: &Access<'_>) -> Result<Fetched> {
        let about = || format!("`build.context`: `{}`", self.build.context);
        let commit = access.git.resolve(git, access).map_err(self.wrong(about()))?;
        let kept = self.build.args.0.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
        let kept = kept.and_then(|value| value.as_deref());
        let extent = Extent {
            keep_git_dir: git
                .keep_git_dir
                .unwrap_or(matches!(kept, Some("1" | "t" | "T" | "true" | "TRUE" | "True"))),
            submodules: git.submodules.unwrap_or(true),
            subdir: &git.subdir,
            times: git.times.unwrap_or(FileTimes::Commit),
        };
        access.git.check_out(git, &commit, extent, access).map_err(self.wrong(about()))
    }

    /// Everything is read from there; a .dockerignore does not count, as in BuildKit.
    fn of_fetched(&self, fetched: &Fetched) -> Result<Inputs> {
        let wrong = || self.wrong(format!("`build.context`: `{}`", self.build.context));
        let read = |path: &str| fetched.read(Path::new(path)).map_err(wrong());
        let (name, text) = match (&*self.build.dockerfile_inline, &*self.build.dockerfile) {
            ("", "") => match read("Dockerfile")? {
                Some(text) => ("Dockerfile", Some(text)),
                None => ("dockerfile", read("dockerfile")?),
            },
            ("", file) => (file, read(file)?),
            (inline, _) => (INLINE, Some(inline.as_bytes().to_vec())),
        };
        let none = || {
            let why = format!("there is no `{name}` in {}", fetched.origin());
            self.unsupported("dockerfile", why)
        };
        let dockerfile =
            SourceText { name: file_name(Path::new(name)), text: text.ok_or_else(none)? };
        let context = ContextSource::Fetched(fetched.clone());
        Ok(Inputs { context, dockerfile, dockerignore: None })
    }

    fn directory(&self) -> Result<PathBuf> {
        let text = &self.build.context;
        let path = PathBuf::from(text);
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => Ok(path),
            Ok(_) => Err(self.unsupported("context", format!("`{text}` is no directory"))),
            Err(error) => Err(self.wrong(format!("cannot read `build.context` `{text}`"))(error)),
        }
    }

    fn of_directory(&self, context: PathBuf) -> Result<Inputs> {
        let ignored = || self.read_if_present(&context.join(".dockerignore"));
        if !self.build.dockerfile_inline.is_empty() {
            let text = self.build.dockerfile_inline.clone().into_bytes();
            let dockerfile = SourceText { name: INLINE.to_owned(), text };
            let dockerignore = ignored()?;
            return Ok(Inputs { context: ContextSource::Dir(context), dockerfile, dockerignore });
        }
        let path = match self.build.dockerfile.as_str() {
            "" => default_dockerfile(&context),
            file => context.join(file),
        };
        let about = format!("cannot read `{}`", path.display());
        let text = fs::read(&path).map_err(self.wrong(about))?;
        let mut own = path.clone().into_os_string();
        own.push(".dockerignore");
        let dockerignore = match self.read_if_present(Path::new(&own))? {
            Some(own) => Some(own),
            None => ignored()?,
        };
        let dockerfile = SourceText { name: file_name(&path), text };
        Ok(Inputs { context: ContextSource::Dir(context), dockerfile, dockerignore })
    }

    fn read_if_present(&self, path: &Path) -> Result<Option<SourceText>> {
        match fs::read(path) {
            Ok(text) => Ok(Some(SourceText { name: file_name(path), text })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong(format!("cannot read `{}`", path.display()))(error)),
        }
    }
}

/// What an inline Dockerfile is called.
const INLINE: &str = "dockerfile_inline";

fn file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "Dockerfile".to_owned())
}

/// `Dockerfile`, or `dockerfile` where only that exists.
fn default_dockerfile(context: &Path) -> PathBuf {
    let [usual, lower_case] = ["Dockerfile", "dockerfile"].map(|name| context.join(name));
    if !usual.exists() && lower_case.exists() { lower_case } else { usual }
}
