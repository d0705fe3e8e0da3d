//! COPY and ADD.

use parser::ast::{self, Add, Copy, CopySource as AstSource, Instruction};
use parser::{Word, expand};

use super::stage::StagePlanner;
use super::step_name::shown;
use super::{PlanError, PlanErrorKind, ResultExt, path, warnings};
use crate::fetch::Checksum;
use crate::fetch::url::{is_git, is_url};
use crate::glob;
use crate::history::Layer;
use crate::image_config;
use crate::step::{CopySource, CopyStep, Source, Step};

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
    checksum: Option<Checksum>,
    sources: &'a [AstSource],
    dest: &'a Word,
}

/// A source path after expansion.
struct Written {
    text: String,
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
            sources: &copy.sources,
            dest: &copy.dest,
        };
        let paths = self.paths(&copy.sources)?;
        for written in &paths {
            check_copy_source(&written.text).at(written.span)?;
        }
        let from = self.copy_source(instruction, copy)?;
        self.plan_copy(instruction, &flags, paths, from)
    }

    pub(super) fn add(&mut self, instruction: &Instruction, add: &Add) -> Result<(), PlanError> {
        let paths = self.paths(&add.sources)?;
        let checksum = self.checksum(add, &paths)?;
        for written in &paths {
            check_add_source(&written.text).at(written.span)?;
        }
        let flags = Flags {
            keyword: "ADD",
            chown: add.chown.as_ref(),
            chmod: add.chmod.as_ref(),
            excludes: &add.excludes,
            link: add.link,
            parents: false,
            unpack: add.unpack,
            checksum,
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
            let local = paths.iter().map(|written| &written.text).filter(|text| !is_url(text));
            let sources: Vec<String> = local.cloned().collect();
            self.warn_ignored(flags.keyword, &sources, instruction.span);
        }
        let excludes: Vec<String> =
            flags.excludes.iter().map(|word| self.expand(word)).collect::<Result<_, _>>()?;
        let dest = self.expand(flags.dest)?;
        let inline = self.inline_files(flags.sources)?;
        let history = history(flags, &chown, &chmod, &paths, &inline, &dest);
        let files = paths.iter().map(|written| file_source(&written.text, flags));
        let step = CopyStep {
            from,
            sources: files.chain(inline).collect(),
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
        self.push(Step::Copy(Box::new(step)), &text, instruction.span);
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
                paths.push(Written { text: self.expand(word)?, span: word.span });
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

    fn checksum(&mut self, add: &Add, paths: &[Written]) -> Result<Option<Checksum>, PlanError> {
        let Some(text) = self.flag(add.checksum.as_ref())? else { return Ok(None) };
        let Some(word) = &add.checksum else { return Ok(None) };
        match paths {
            [source] if is_git(&source.text) => Ok(None),
            [source] if is_url(&source.text) => match Checksum::parse(&text) {
                Ok(checksum) => Ok(Some(checksum)),
                Err(source) => Err(PlanErrorKind::Checksum { text, source }).at(word.span),
            },
            [_] => Err(PlanErrorKind::ChecksumOfLocal).at(word.span),
            _ => Err(PlanErrorKind::ChecksumOfSeveral).at(word.span),
        }
    }
}

fn check_copy_source(source: &str) -> Result<(), PlanErrorKind> {
    if is_git(source) {
        return Err(PlanErrorKind::CopyGit);
    }
    if is_url(source) { Err(PlanErrorKind::CopyUrl) } else { Ok(()) }
}

fn check_add_source(source: &str) -> Result<(), PlanErrorKind> {
    if is_git(source) {
        let feature = "ADD of a git repository".to_owned();
        return Err(PlanErrorKind::Unsupported { feature });
    }
    Ok(())
}

fn file_source(source: &str, flags: &Flags<'_>) -> CopySource {
    match flags.parents {
        true => parents_source(source),
        false if is_url(source) => CopySource::Url {
            url: source.to_owned(),
            checksum: flags.checksum.clone(),
            unpack: flags.unpack == Some(true),
        },
        false => CopySource::Path(path::clean(source)),
    }
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
    words.extend(paths.iter().map(|written| written.text.clone()));
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
