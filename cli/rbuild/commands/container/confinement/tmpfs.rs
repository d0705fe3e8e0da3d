//! `--tmpfs TARGET[:OPTIONS]`

use anyhow::{Context, Result, bail};
use runtime::{AccessTimes, Mount, MountSource, Tmpfs, TmpfsUse};

use super::{Wanted, target};
use crate::commands::settings;

/// Unless options say otherwise.
pub(super) const DOCKERS: TmpfsUse = TmpfsUse { programs: true, devices: true, set_user_id: true };

pub(super) fn parse(text: &str) -> Result<Wanted> {
    tmpfs(text).with_context(|| format!("`--tmpfs {text}`"))
}

fn tmpfs(text: &str) -> Result<Wanted> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let target = target(path)?;
    let mut tmpfs = Tmpfs { forbidden: DOCKERS, ..Tmpfs::default() };
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" => read_only = false,
            _ => set(&mut tmpfs, option)?,
        }
    }
    let source = MountSource::Tmpfs(tmpfs);
    Ok(Wanted { mount: Mount { target, source, read_only }, create: false })
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
    let unknown = || {
        format!(
            "the option `{option}` is not known; known are size=, mode=, uid=, gid=, nr_inodes=, ro, rw, \
             [no]exec, [no]suid, [no]dev, relatime, noatime, strictatime"
        )
    };
    let (key, value) = option.split_once('=').with_context(unknown)?;
    let number = || value.parse().with_context(|| format!("`{option}`: `{value}` is no number"));
    match key {
        "size" if value.ends_with('%') => {
            bail!("`{option}`: parts of the memory are not supported; write bytes, as in `64m`")
        }
        "size" => tmpfs.size = Some(settings::bytes(value)?),
        "mode" => {
            let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o7777);
            tmpfs.mode = Some(mode.with_context(|| format!("`{value}` is no octal mode"))?);
        }
        "uid" => tmpfs.uid = Some(number()?),
        "gid" => tmpfs.gid = Some(number()?),
        "nr_inodes" => tmpfs.inodes = Some(settings::bytes(value)?),
        _ => bail!(unknown()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> (Tmpfs, bool) {
        let mount = parse(text).unwrap().mount;
        let MountSource::Tmpfs(tmpfs) = mount.source else { panic!("{text}") };
        (tmpfs, mount.read_only)
    }

    #[test]
    fn nothing_on_it_can_be_executed_unless_asked_for() {
        let (tmpfs, read_only) = given("/t");
        assert_eq!((tmpfs.forbidden, read_only, tmpfs.mode), (DOCKERS, false, None));
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
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
