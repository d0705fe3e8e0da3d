//! The options of a tmpfs, as `--tmpfs TARGET[:OPTIONS]` and compose's `tmpfs:` have them.

use runtime::{AccessTimes, Mount, MountSource, Tmpfs, TmpfsUse};

use super::{Result, ValueError, bytes, target};

/// What is forbidden on it unless options say otherwise.
pub const FORBIDDEN: TmpfsUse = TmpfsUse { programs: true, devices: true, set_user_id: true };

/// `TARGET[:OPTIONS]`
pub fn parse(text: &str) -> Result<Mount> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let target = target(path)?;
    let mut tmpfs = Tmpfs { forbidden: FORBIDDEN, ..Tmpfs::default() };
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" => read_only = false,
            _ => set(&mut tmpfs, option)?,
        }
    }
    Ok(Mount { target, source: MountSource::Tmpfs(tmpfs), read_only })
}

fn set(tmpfs: &mut Tmpfs, option: &str) -> Result<()> {
    let forbidden = &mut tmpfs.forbidden;
    match option {
        "exec" => forbidden.programs = false,
        "noexec" => forbidden.programs = true,
        "dev" => forbidden.devices = false,
        "nodev" => forbidden.devices = true,
        "suid" => forbidden.set_user_id = false,
        "nosuid" => forbidden.set_user_id = true,
        "relatime" => tmpfs.times = AccessTimes::Relative,
        "noatime" => tmpfs.times = AccessTimes::Never,
        "strictatime" => tmpfs.times = AccessTimes::Always,
        _ => return set_value(tmpfs, option),
    }
    Ok(())
}

fn set_value(tmpfs: &mut Tmpfs, option: &str) -> Result<()> {
    let unknown = || ValueError::TmpfsOption { option: option.to_owned() };
    let (key, value) = option.split_once('=').ok_or_else(unknown)?;
    let no_number = || ValueError::Number { option: option.to_owned(), value: value.to_owned() };
    let number = || value.parse().map_err(|_| no_number());
    match key {
        "size" if value.ends_with('%') => {
            return Err(ValueError::PartOfMemory { option: option.to_owned() });
        }
        "size" => tmpfs.size = Some(bytes(value)?),
        "mode" => tmpfs.mode = Some(mode(value)?),
        "uid" => tmpfs.uid = Some(number()?),
        "gid" => tmpfs.gid = Some(number()?),
        "nr_inodes" => tmpfs.inodes = Some(bytes(value)?),
        _ => return Err(unknown()),
    }
    Ok(())
}

/// Permission bits, in octal.
pub fn mode(text: &str) -> Result<u32> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| ValueError::Mode { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> (Tmpfs, bool) {
        let mount = parse(text).unwrap();
        let MountSource::Tmpfs(tmpfs) = mount.source else { panic!("{text}") };
        (tmpfs, mount.read_only)
    }

    #[test]
    fn nothing_on_it_can_be_executed_unless_asked_for() {
        let (tmpfs, read_only) = given("/t");
        assert_eq!((tmpfs.forbidden, read_only, tmpfs.mode), (FORBIDDEN, false, None));
        let (tmpfs, read_only) = given("/t:ro,exec,size=64k,mode=1770,uid=3,gid=4,noatime");
        assert!(read_only && !tmpfs.forbidden.programs && tmpfs.forbidden.set_user_id);
        assert_eq!((tmpfs.size, tmpfs.mode), (Some(65536), Some(0o1770)));
        assert_eq!((tmpfs.uid, tmpfs.gid, tmpfs.times), (Some(3), Some(4), AccessTimes::Never));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("t", "absolute"),
            ("/t:fast", "the option `fast` is not known"),
            ("/t:huge=always", "the option `huge=always` is not known"),
            ("/t:size=50%", "write bytes"),
            ("/t:size=x", "not a size"),
            ("/t:mode=999", "octal"),
            ("/t:uid=me", "no number"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
