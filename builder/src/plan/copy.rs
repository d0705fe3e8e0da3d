//! COPY and ADD.

use parser::ast::{self, Add, Copy, CopySource as AstSource, Instruction};
use parser::{Word, expand};

use super::stage::StagePlanner;
use super::step_name::shown;
use super::{PlanError, PlanErrorKind, ResultExt, path, warnings};
use crate::fetch::git::{FileTimes, check_checksum};
use crate::fetch::url::{is_url, redacted};
use crate::fetch::{Checksum, GitRef};
use crate::glob;
use crate::history::Layer;
use crate::image_config;
use crate::step::{CopySource, CopyStep, GitSource, Source, Step};

/// The flags both instructions have.
struct Flags<'a> {
    keyword: &'static str,
    chown: Option<&'a Word>,
    chmod: Option<&'a Word>,
    excludes: &'a [Word],
    link: bool,
    parents: bool,
    /// `--unpack`
    unpack: Option<bool>,
    /// Of a file on a server, checked.
    checksum: Option<Checksum>,
    /// How the hash of a commit begins.
    commit: Option<String>,
    /// `--keep-git-dir`
    keep_git_dir: Option<bool>,
    sources: &'a [AstSource],
    dest: &'a Word,
}

/// A source after expansion.
struct Written {
    text: String,
    git: Option<GitRef>,
    span: parser::Span,
}

impl StagePlanner<'_> {
    pub(super) fn copy(&mut self, instruction: &Instruction, copy: &Copy) -> Result<(), PlanError> {
        let flags = Flags {
            keyword: "COPY",
            chown: copy.chown.as_ref(),
            chmod: copy.chmod.as_ref(),
            excludes: &copy.excludes,
            link: copy.link,
            parents: copy.parents,
            unpack: Some(false),
            checksum: None,
            commit: None,
            keep_git_dir: None,
            sources: &copy.sources,
            dest: &copy.dest,
        };
        let paths = self.paths(&copy.sources)?;
        for written in &paths {
            check_copy_source(written).at(written.span)?;
        }
        let from = self.copy_source(instruction, copy)?;
        self.plan_copy(instruction, &flags, paths, from)
    }

    pub(super) fn add(&mut self, instruction: &Instruction, add: &Add) -> Result<(), PlanError> {
        let paths = self.paths(&add.sources)?;
        let (checksum, commit) = self.checksum(add, &paths)?;
        self.warn_keep_git_dir(add, &paths, instruction.span);
        let flags = Flags {
            keyword: "ADD",
            chown: add.chown.as_ref(),
            chmod: add.chmod.as_ref(),
            excludes: &add.excludes,
            link: add.link,
            parents: false,
            unpack: add.unpack,
            checksum,
            commit,
            keep_git_dir: add.keep_git_dir,
            sources: &add.sources,
            dest: &add.dest,
        };
        self.plan_copy(instruction, &flags, paths, Source::Context)
    }

    fn plan_copy(
        &mut self,
        instruction: &Instruction,
        flags: &Flags<'_>,
        paths: Vec<Written>,
        from: Source,
    ) -> Result<(), PlanError> {
        let chown = self.flag(flags.chown)?;
        let chmod = self.flag(flags.chmod)?;
        if let (Some(mode), Some(word)) = (&chmod, flags.chmod) {
            check_mode(mode).at(word.span)?;
        }
        if flags.link && chmod.is_some() {
            warnings::link_beside_chmod(instruction.span, &mut self.warnings);
        }
        if from == Source::Context {
            let local = paths.iter().filter(|written| !written.is_remote());
            let sources: Vec<String> = local.map(|written| written.text.clone()).collect();
            self.warn_ignored(flags.keyword, &sources, instruction.span);
        }
        let excludes: Vec<String> =
            flags.excludes.iter().map(|word| self.expand(word)).collect::<Result<_, _>>()?;
        let dest = self.expand(flags.dest)?;
        let inline = self.inline_files(flags.sources)?;
        let history = history(flags, &chown, &chmod, &paths, &inline, &dest);
        let mut sources = Vec::new();
        for written in paths {
            let span = written.span;
            sources.push(file_source(written, flags).at(span)?);
        }
        sources.extend(inline);
        let step = CopyStep {
            from,
            sources,
            dest: path::destination(&image_config::workdir(&self.config), &dest),
            chown,
            // As in BuildKit, a layer of its own only where modes are left alone.
            link: flags.link && chmod.is_none(),
            chmod,
            excludes,
            unpack: flags.unpack.unwrap_or(true),
            created: self.context.epoch,
        };
        let text = shown(&instruction.original, self.context.escape(), &self.scope);
        // Progress ends up in logs.
        self.push(Step::Copy(Box::new(step)), &redacted(&text), instruction.span);
        self.record(history, Layer::Made)
    }

    /// A flag that expands to nothing is as if it were not given.
    fn flag(&mut self, word: Option<&Word>) -> Result<Option<String>, PlanError> {
        match word {
            Some(word) => Ok(Some(self.expand(word)?).filter(|value| !value.is_empty())),
            None => Ok(None),
        }
    }

    fn paths(&mut self, sources: &[AstSource]) -> Result<Vec<Written>, PlanError> {
        let mut paths = Vec::new();
        for source in sources {
            if let AstSource::Path(word) = source {
                let text = self.expand(word)?;
                // `github.com/…` may be a directory of the context.
                let git = GitRef::parse(&text).map_err(PlanErrorKind::from).at(word.span)?;
                let git = git.filter(|git| !git.without_scheme);
                paths.push(Written { text, git, span: word.span });
            }
        }
        Ok(paths)
    }

    fn inline_files(&mut self, sources: &[AstSource]) -> Result<Vec<CopySource>, PlanError> {
        let mut files = Vec::new();
        for source in sources {
            if let AstSource::Heredoc(heredoc) = source {
                let content = self.heredoc_content(heredoc)?;
                files.push(CopySource::Inline { name: heredoc.name.clone(), content });
            }
        }
        Ok(files)
    }

    fn heredoc_content(&mut self, heredoc: &ast::Heredoc) -> Result<String, PlanError> {
        let body = heredoc.body();
        if !heredoc.expand {
            return Ok(body);
        }
        let expanded = expand::expand_heredoc(&body, heredoc.span, &self.scope)
            .map_err(PlanErrorKind::from)
            .at(heredoc.span)?;
        self.context.room.take(expanded.value.len()).at(heredoc.span)?;
        self.warn_undefined(&expanded, heredoc.span);
        Ok(expanded.value)
    }

    fn copy_source(&self, instruction: &Instruction, copy: &Copy) -> Result<Source, PlanError> {
        let Some(from) = &copy.from else { return Ok(Source::Context) };
        let references = self.graph.references(instruction, self.context.request)?;
        let source = references.first().and_then(|reference| self.source(&reference.source));
        source
            .ok_or_else(|| PlanErrorKind::CopyFromLater {
                from: from.text.clone(),
                stage: self.name.to_owned(),
            })
            .at(from.span)
    }

    /// `.git` is kept with all files of a repository only, as in BuildKit.
    fn warn_keep_git_dir(&mut self, add: &Add, paths: &[Written], span: parser::Span) {
        let keeps = |git: &GitRef| git.keep_git_dir.or(add.keep_git_dir) == Some(true);
        let repositories = || paths.iter().filter_map(|written| written.git.as_ref());
        let part = |git: &GitRef| keeps(git) && path::clean(&git.subdir) != "/";
        if add.keep_git_dir == Some(true) && repositories().next().is_none() {
            warnings::ignored_keep_git_dir("no source is a repository", span, &mut self.warnings);
        } else if repositories().any(part) {
            let why = "a directory of a repository is copied without `.git`";
            warnings::ignored_keep_git_dir(why, span, &mut self.warnings);
        }
    }

    /// Of a file on a server, or of a commit.
    fn checksum(
        &mut self,
        add: &Add,
        paths: &[Written],
    ) -> Result<(Option<Checksum>, Option<String>), PlanError> {
        let Some(text) = self.flag(add.checksum.as_ref())? else { return Ok((None, None)) };
        let Some(word) = &add.checksum else { return Ok((None, None)) };
        match paths {
            [source] if source.git.is_some() => match check_checksum(&text) {
                true => Ok((None, Some(text))),
                false => Err(PlanErrorKind::GitChecksum { checksum: text }).at(word.span),
            },
            [source] if is_url(&source.text) => match Checksum::parse(&text) {
                Ok(checksum) => Ok((Some(checksum), None)),
                Err(source) => Err(PlanErrorKind::Checksum { text, source }).at(word.span),
            },
            [_] => Err(PlanErrorKind::ChecksumOfLocal).at(word.span),
            _ => Err(PlanErrorKind::ChecksumOfSeveral).at(word.span),
        }
    }
}

impl Written {
    fn is_remote(&self) -> bool {
        self.git.is_some() || is_url(&self.text)
    }
}

fn check_copy_source(source: &Written) -> Result<(), PlanErrorKind> {
    if source.git.is_some() {
        return Err(PlanErrorKind::CopyGit);
    }
    if is_url(&source.text) { Err(PlanErrorKind::CopyUrl) } else { Ok(()) }
}

fn file_source(source: Written, flags: &Flags<'_>) -> Result<CopySource, PlanErrorKind> {
    let Written { text, git, .. } = source;
    Ok(match git {
        Some(git) => CopySource::Git(Box::new(git_source(git, flags)?)),
        None if flags.parents => parents_source(&text),
        None if is_url(&text) => CopySource::Url {
            url: text,
            checksum: flags.checksum.clone(),
            unpack: flags.unpack == Some(true),
        },
        None => CopySource::Path(path::clean(&text)),
    })
}

/// What flags say and what the address says has to agree.
fn git_source(mut git: GitRef, flags: &Flags<'_>) -> Result<GitSource, PlanErrorKind> {
    if let (Some(flag), Some(query)) = (flags.keep_git_dir, git.keep_git_dir)
        && flag != query
    {
        return Err(PlanErrorKind::KeepGitDir);
    }
    if !check_checksum(&git.checksum) {
        return Err(PlanErrorKind::GitChecksum { checksum: git.checksum });
    }
    if let Some(flag) = &flags.commit {
        if !git.checksum.is_empty() && git.checksum != *flag {
            let (flag, query) = (flag.clone(), git.checksum);
            return Err(PlanErrorKind::ChecksumTwice { flag, query });
        }
        git.checksum.clone_from(flag);
    }
    let subdir = path::clean(&git.subdir);
    let keep = git.keep_git_dir.or(flags.keep_git_dir).unwrap_or(false);
    Ok(GitSource {
        keep_git_dir: keep && subdir == "/",
        subdir,
        submodules: git.submodules.unwrap_or(true),
        times: git.times.unwrap_or(FileTimes::Commit),
        reference: git,
    })
}

fn parents_source(source: &str) -> CopySource {
    let (root, pattern) = source.split_once("/./").unwrap_or(("/", source));
    let (root, pattern) = (path::clean(root), path::clean(pattern));
    let has_wildcards = glob::has_wildcards(&root) || glob::has_wildcards(&pattern);
    let required = (!has_wildcards).then(|| path::clean(&format!("{root}{pattern}")));
    let pattern = pattern.trim_start_matches('/').to_owned();
    CopySource::Parents { root, pattern, required }
}

/// Octal up to 07777, or symbolic.
fn check_mode(mode: &str) -> Result<(), PlanErrorKind> {
    crate::chmod::Chmod::parse(mode)
        .map(|_| ())
        .map_err(|error| PlanErrorKind::Chmod { source: Box::new(error) })
}

/// `COPY --chown=1 a b /dest # buildkit`
fn history(
    flags: &Flags<'_>,
    chown: &Option<String>,
    chmod: &Option<String>,
    paths: &[Written],
    inline: &[CopySource],
    dest: &str,
) -> String {
    let mut words = vec![flags.keyword.to_owned()];
    words.extend(flags.parents.then(|| "--parents".to_owned()));
    words.extend(chown.iter().map(|owner| format!("--chown={owner}")));
    words.extend(chmod.iter().map(|mode| format!("--chmod={mode}")));
    // Everybody who has the image can read it.
    words.extend(paths.iter().map(|written| redacted(&written.text)));
    words.extend(inline.iter().filter_map(|file| match file {
        CopySource::Inline { name, .. } => Some(format!("<<{name}")),
        _ => None,
    }));
    words.push(dest.to_owned());
    format!("{} # buildkit", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_split_at_the_pivot() {
        let parents = |root: &str, pattern: &str, required: Option<&str>| CopySource::Parents {
            root: root.to_owned(),
            pattern: pattern.to_owned(),
            required: required.map(str::to_owned),
        };
        assert_eq!(parents_source("a/b/c"), parents("/", "a/b/c", Some("/a/b/c")));
        assert_eq!(parents_source("/a/./b/c"), parents("/a", "b/c", Some("/a/b/c")));
        assert_eq!(parents_source("a/./b*/c"), parents("/a", "b*/c", None));
    }
}
