//! What BuildKit takes in silence although its documentation, or the author of the file, says otherwise.
//! A build does as BuildKit does and warns; with `--strict` it fails.

/// Its name is what messages show and `docs/dockerfile.md` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    UnknownOwner,
    WildcardWithoutMatch,
    SeveralFilesToOne,
    LinkBesideChmod,
    MistakenJson,
    IgnoredFlag,
    BrokenTrigger,
}

impl Quirk {
    pub fn name(self) -> &'static str {
        match self {
            Quirk::UnknownOwner => "UnknownOwner",
            Quirk::WildcardWithoutMatch => "WildcardWithoutMatch",
            Quirk::SeveralFilesToOne => "SeveralFilesToOne",
            Quirk::LinkBesideChmod => "LinkBesideChmod",
            Quirk::MistakenJson => "MistakenJson",
            Quirk::IgnoredFlag => "IgnoredFlag",
            Quirk::BrokenTrigger => "BrokenTrigger",
        }
    }

    /// How to say what was meant.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Quirk::UnknownOwner => "make the user in an earlier step, or give its number",
            Quirk::WildcardWithoutMatch => {
                "name files that are there; what .dockerignore leaves out does not count"
            }
            Quirk::SeveralFilesToOne => {
                "end the destination with a slash when it is to be a directory"
            }
            Quirk::LinkBesideChmod => "leave out one of `--link` and `--chmod`",
            Quirk::MistakenJson => "quote every word with `\"` and put commas between them",
            Quirk::IgnoredFlag => "leave the flag out",
            Quirk::BrokenTrigger => "mend the trigger, or leave it out",
        }
    }
}
