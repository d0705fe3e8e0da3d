//! The build checks by name, with BuildKit's descriptions and the pages that explain them, and checks of our own.

/// A build check. Its name is what [`crate::progress::Warning`] carries and `# check=skip=` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub name: &'static str,
    pub description: &'static str,
    /// Whether the description adds something to the warnings, which say what is wrong and where.
    pub says_more: bool,
}

impl Rule {
    pub fn find(name: &str) -> Option<&'static Rule> {
        RULES.iter().chain(&EXTRA_RULES).find(|rule| rule.name == name)
    }

    /// Docker's page about the rule; none for one of [`EXTRA_RULES`].
    pub fn url(&self) -> Option<String> {
        let is_buildkits = RULES.iter().any(|rule| rule.name == self.name);
        is_buildkits.then(|| format!("https://docs.docker.com/go/dockerfile/rule/{}/", self.slug()))
    }

    /// `JSONArgsRecommended` is `json-args-recommended`.
    fn slug(&self) -> String {
        let mut slug = String::new();
        let name = self.name.as_bytes();
        for (at, byte) in name.iter().enumerate() {
            let after_lower = at > 0 && name[at - 1].is_ascii_lowercase();
            let before_lower = name.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            if at > 0 && byte.is_ascii_uppercase() && (after_lower || before_lower) {
                slug.push('-');
            }
            slug.push(char::from(byte.to_ascii_lowercase()));
        }
        slug
    }
}

const fn rule(name: &'static str, description: &'static str) -> Rule {
    Rule { name, description, says_more: false }
}

const fn rule_with_reason(name: &'static str, description: &'static str) -> Rule {
    Rule { name, description, says_more: true }
}

pub const RULES: [Rule; 22] = [
    rule("StageNameCasing", "Stage names should be lowercase"),
    rule("FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword"),
    rule_with_reason(
        "NoEmptyContinuation",
        "Empty continuation lines will become errors in a future release",
    ),
    rule(
        "ConsistentInstructionCasing",
        "All commands within the Dockerfile should use the same casing (either upper or lower)",
    ),
    rule("DuplicateStageName", "Stage names should be unique"),
    rule("ReservedStageName", "Reserved words should not be used as stage names"),
    rule(
        "JSONArgsRecommended",
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    ),
    rule(
        "MaintainerDeprecated",
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    ),
    rule("UndefinedArgInFrom", "FROM command must use declared ARGs"),
    rule_with_reason(
        "WorkdirRelativePath",
        "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
    ),
    rule("UndefinedVar", "Variables should be defined before their use"),
    rule(
        "MultipleInstructionsDisallowed",
        "Multiple instructions of the same type should not be used in the same stage",
    ),
    rule(
        "LegacyKeyValueFormat",
        "Legacy key/value format with whitespace separator should not be used",
    ),
    rule("InvalidBaseImagePlatform", "Base image platform does not match expected target platform"),
    rule(
        "RedundantTargetPlatform",
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    ),
    rule("SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands"),
    rule(
        "InvalidDefaultArgInFrom",
        "Default value for global ARG results in an empty or invalid base image name",
    ),
    rule("FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value"),
    rule("CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore"),
    rule_with_reason(
        "InvalidDefinitionDescription",
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
    ),
    rule("ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase"),
    rule_with_reason(
        "ExposeInvalidFormat",
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
    ),
];

/// What only `rbuild check --extra` looks at. BuildKit has none of these.
pub const EXTRA_RULES: [Rule; 6] = [
    rule("FloatingBaseImage", "Base images should be named by version or digest"),
    rule("CopyRelativeToBase", "Relative destinations need a WORKDIR of the Dockerfile"),
    rule("PipedDownload", "A failed download should fail the step"),
    rule("InstallAsks", "Nobody answers questions during a build"),
    rule("PackageCacheKept", "Layers should not keep what only the package manager needs"),
    rule("RunWithoutEffect", "Directory and variables of a shell end with its RUN"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_named_in_kebab_case() {
        let page = |name| Rule::find(name).expect("a rule").url().expect("a page");
        assert!(page("JSONArgsRecommended").ends_with("/rule/json-args-recommended/"));
        assert!(page("FromAsCasing").ends_with("/rule/from-as-casing/"));
    }
}
