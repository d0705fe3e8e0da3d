//! The options of `# check=`: which rules of the build checks apply.

use crate::error::ErrorKind;

/// `skip=A,B;error=true;experimental=C`; `all` stands for every rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    pub skip: Vec<String>,
    pub experimental: Vec<String>,
    /// Warnings make the build fail.
    pub error: bool,
}

impl CheckOptions {
    pub fn parse(text: &str) -> Result<CheckOptions, ErrorKind> {
        let mut options = CheckOptions::default();
        if text.trim().is_empty() {
            return Ok(options);
        }
        for option in text.splitn(3, ';') {
            let bad = || ErrorKind::BadCheckOption { option: option.trim().to_owned() };
            let (key, value) = option.split_once('=').ok_or_else(bad)?;
            match key.trim() {
                "skip" => options.skip = rules(value),
                "experimental" => options.experimental = rules(value),
                "error" => options.error = boolean(value.trim()).ok_or_else(bad)?,
                _ => return Err(bad()),
            }
        }
        Ok(options)
    }
}

fn rules(value: &str) -> Vec<String> {
    value.split(',').map(|rule| rule.trim().to_owned()).collect()
}

fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = CheckOptions::parse("skip=A, B;error=true").expect("valid");
        assert_eq!(
            options,
            CheckOptions { skip: vec!["A".into(), "B".into()], experimental: vec![], error: true }
        );
        assert!(CheckOptions::parse("skip").is_err());
        assert!(CheckOptions::parse("error=maybe").is_err());
    }
}
