//! Which machine an image is for: `os/architecture[/variant]` with Docker's spellings normalised.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system and a processor, in the words of the image specification (GOOS, GOARCH).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// What this program was compiled for: what it can run.
    pub fn host() -> Platform {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "x86" => ("386", None),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Platform {
            architecture: architecture.to_owned(),
            os: std::env::consts::OS.to_owned(),
            os_version: None,
            variant: variant.map(str::to_owned),
        }
    }

    /// The same platform in the spelling that is compared: `x86_64` is `amd64`, `arm64/v8` is `arm64`.
    pub fn normalized(&self) -> Platform {
        let os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let variant = self.variant.as_deref().unwrap_or("").to_ascii_lowercase();
        let (architecture, variant) = normalize_architecture(&self.architecture, &variant);
        Platform {
            architecture,
            os,
            os_version: self.os_version.clone(),
            variant: (!variant.is_empty()).then_some(variant),
        }
    }

    /// Whether an image for `self` runs on `host`. An image that says nothing runs anywhere;
    /// `arm/v6` runs on `arm/v7`; `amd64/v2` and later are left to the processor to refuse.
    pub fn runs_on(&self, host: &Platform) -> bool {
        let (image, host) = (self.normalized(), host.normalized());
        if !image.os.is_empty() && image.os != host.os {
            return false;
        }
        if image.architecture.is_empty() {
            return true;
        }
        if image.architecture != host.architecture {
            return false;
        }
        match (image.variant.as_deref(), host.variant.as_deref()) {
            (Some(image), Some(host)) if image.starts_with('v') && host.starts_with('v') => {
                image.len() == host.len() && image <= host
            }
            _ => true,
        }
    }
}

fn normalize_architecture(architecture: &str, variant: &str) -> (String, String) {
    let architecture = architecture.to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant) {
        ("i386" | "i686" | "x86", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        (other, variant) => (other, variant),
    };
    (architecture.to_owned(), variant.to_owned())
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// `linux/amd64`, `linux/arm/v7`, `linux` (this machine's architecture), `arm64` (this machine's system).
    fn from_str(text: &str) -> Result<Platform, PlatformError> {
        let invalid = || PlatformError { text: text.to_owned() };
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &str| {
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            !part.is_empty() && part.chars().all(good)
        };
        if !parts.iter().all(|part| word(part)) {
            return Err(invalid());
        }
        let host = Platform::host();
        let named = |os: &str, architecture: &str, variant: Option<&str>| Platform {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            variant: variant.map(str::to_owned),
        };
        let platform = match parts.as_slice() {
            [os] if is_os(os) => named(os, &host.architecture, host.variant.as_deref()),
            [arch] if is_architecture(arch) => named(&host.os, arch, None),
            [os, architecture] => named(os, architecture, None),
            [os, architecture, variant] => named(os, architecture, Some(variant)),
            _ => return Err(invalid()),
        };
        Ok(platform.normalized())
    }
}

fn is_os(text: &str) -> bool {
    const SYSTEMS: [&str; 12] = [
        "linux",
        "windows",
        "darwin",
        "macos",
        "freebsd",
        "netbsd",
        "openbsd",
        "dragonfly",
        "solaris",
        "illumos",
        "android",
        "wasip1",
    ];
    SYSTEMS.contains(&text.to_ascii_lowercase().as_str())
}

fn is_architecture(text: &str) -> bool {
    const ARCHITECTURES: [&str; 19] = [
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
        "ppc64le", "riscv64", "s390x", "wasm", "i386", "x86_64", "x86-64", "aarch64", "armhf",
    ];
    ARCHITECTURES.contains(&text.to_ascii_lowercase().as_str())
}

/// Not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a platform of the form os/architecture[/variant]")]
pub struct PlatformError {
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_normalised() {
        let table = [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AMD64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/armel", "linux/arm/v6"),
            ("windows/amd64", "windows/amd64"),
            ("s390x", "linux/s390x"),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), expected, "{text}");
        }
        assert_eq!("linux".parse::<Platform>().unwrap(), Platform::host().normalized());
    }

    #[test]
    fn other_texts_are_no_platforms() {
        for text in ["", "/", "linux/", "linux/a/b/c", "nonsense", "linux/am d64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_image_runs_on_its_own_or_a_later_variant() {
        let parse = |text: &str| text.parse::<Platform>().unwrap();
        let table = [
            ("linux/arm/v6", "linux/arm/v7", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/amd64", "linux/arm64", false),
            ("linux/amd64/v2", "linux/amd64", true),
            ("linux/arm64/v8", "linux/arm64", true),
        ];
        for (image, host, expected) in table {
            assert_eq!(parse(image).runs_on(&parse(host)), expected, "{image} on {host}");
        }
    }
}
