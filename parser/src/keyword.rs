//! The names of the instructions.

/// An instruction's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
}

const NAMES: [(&str, Keyword); 18] = [
    ("ADD", Keyword::Add),
    ("ARG", Keyword::Arg),
    ("CMD", Keyword::Cmd),
    ("COPY", Keyword::Copy),
    ("ENTRYPOINT", Keyword::Entrypoint),
    ("ENV", Keyword::Env),
    ("EXPOSE", Keyword::Expose),
    ("FROM", Keyword::From),
    ("HEALTHCHECK", Keyword::Healthcheck),
    ("LABEL", Keyword::Label),
    ("MAINTAINER", Keyword::Maintainer),
    ("ONBUILD", Keyword::Onbuild),
    ("RUN", Keyword::Run),
    ("SHELL", Keyword::Shell),
    ("STOPSIGNAL", Keyword::Stopsignal),
    ("USER", Keyword::User),
    ("VOLUME", Keyword::Volume),
    ("WORKDIR", Keyword::Workdir),
];

impl Keyword {
    /// Reads a name in any case.
    pub fn parse(name: &str) -> Option<Keyword> {
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, keyword)| *keyword)
    }

    /// In upper case.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, keyword)| *keyword == self).map_or("", |(name, _)| name)
    }

    /// Whether `docker import --change` takes it: it describes the image and needs no build.
    pub(crate) fn is_change(self) -> bool {
        use Keyword::{
            Cmd, Entrypoint, Env, Expose, Healthcheck, Label, Onbuild, Stopsignal, User, Volume,
            Workdir,
        };
        matches!(
            self,
            Cmd | Entrypoint
                | Env
                | Expose
                | Healthcheck
                | Label
                | Onbuild
                | Stopsignal
                | User
                | Volume
                | Workdir
        )
    }

    /// The known name nearest to a wrong one.
    pub(crate) fn suggest(name: &str) -> Option<String> {
        let upper = name.to_ascii_uppercase();
        crate::suggest::suggest(&upper, NAMES.iter().map(|(known, _)| *known)).map(str::to_owned)
    }
}
