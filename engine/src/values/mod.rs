//! Docker's spellings of values, which its flags and compose files share.

pub mod devices;
mod error;
pub mod log;
pub mod resolver;
mod security;
pub mod signal;
pub mod tmpfs;

use std::path::{Component, Path, PathBuf};

pub use devices::Devices;
pub use error::ValueError;
pub use resolver::Resolver;
pub use security::{Security, capabilities};

pub(crate) type Result<T, E = ValueError> = std::result::Result<T, E>;

/// `64m`, `1.5g`, `1024`: powers of 1024, as docker reads sizes of memory.
pub fn bytes(text: &str) -> Result<u64> {
    let wrong = || ValueError::Size { text: text.to_owned() };
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|char: char| !char.is_ascii_digit() && char != '.');
    let (number, unit) = lower.split_at(digits.unwrap_or(lower.len()));
    let power = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Ok((number * 1024_f64.powi(power)) as u64)
}

/// An absolute path, without dots and slashes too many, that is not the root.
pub fn target(text: &str) -> Result<PathBuf> {
    if !text.starts_with('/') {
        return Err(ValueError::RelativeTarget { text: text.to_owned() });
    }
    let mut target = PathBuf::from("/");
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => target.push(name),
            Component::ParentDir => {
                target.pop();
            }
            _ => {}
        }
    }
    match target == Path::new("/") {
        true => Err(ValueError::RootTarget),
        false => Ok(target),
    }
}

/// `--userns`, `userns_mode`: whether the container's users are its own. None of what is not known.
pub fn own_users(mode: &str) -> Option<bool> {
    match mode {
        "" | "host" => Some(false),
        "auto" => Some(true),
        _ => None,
    }
}

/// A cgroup to be in, from the root of each hierarchy: systemd's `a-b.slice` lies in `a.slice`.
pub fn cgroup_parent(path: &Path) -> Result<PathBuf> {
    if path.as_os_str().is_empty() || path.components().any(|c| c == Component::ParentDir) {
        return Err(ValueError::CgroupParent);
    }
    let Some(slice) = path.to_str().and_then(|text| text.strip_suffix(".slice")) else {
        return Ok(path.to_owned());
    };
    if slice.contains('/') {
        return Ok(path.to_owned());
    }
    let ends = slice.match_indices('-').map(|(end, _)| end).chain([slice.len()]);
    Ok(ends.map(|end| format!("{}.slice", &slice[..end])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(bytes("1024").unwrap(), 1024);
        assert_eq!(bytes("64m").unwrap(), 64 << 20);
        assert_eq!(bytes("1.5 GB").unwrap(), 3 << 29);
        for wrong in ["", "m", "64x", "-1", "1.2.3"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn targets_are_absolute_and_clean() {
        assert_eq!(target("/a//b/./c/../d/").unwrap(), Path::new("/a/b/d"));
        for wrong in ["", "a", "./a", "/", "/..", "/a/.."] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn slices_lie_in_slices() {
        for (given, expected) in [
            ("/a/b", "/a/b"),
            ("a", "a"),
            ("a.slice", "a.slice"),
            ("a-b.slice", "a.slice/a-b.slice"),
            ("/a-b.slice", "/a-b.slice"),
        ] {
            assert_eq!(cgroup_parent(Path::new(given)).unwrap(), Path::new(expected));
        }
        assert!(cgroup_parent(Path::new("/a/../b")).is_err());
        assert!(cgroup_parent(Path::new("")).is_err());
    }
}
