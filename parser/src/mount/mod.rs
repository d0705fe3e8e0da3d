//! `RUN --mount` and `RUN --device` values: comma-separated fields, typed.

mod device;
mod error;
mod value;

pub use device::{Device, parse_device};
pub use error::MountError;

use serde::Serialize;

use crate::suggest::suggest;
use value::{bad_value, boolean, fields, number, size, unknown_key};

/// One mount of a RUN, after expansion. Empty values count as not given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MountSpec {
    pub kind: MountKind,
    /// Stage, image or context the content comes from; absent for the build context.
    pub from: Option<String>,
    pub source: Option<String>,
    pub target: Option<String>,
    pub read_only: bool,
    /// Secrets and ssh: fail when absent.
    pub required: bool,
    /// Cache, secret or ssh id.
    pub id: Option<String>,
    pub sharing: Option<Sharing>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// tmpfs size in bytes.
    pub size: Option<u64>,
    /// Secrets: the environment variable to set; empty asks for the one named by the id.
    pub env: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    Shared,
    Private,
    Locked,
}

const KINDS: [(&str, MountKind); 5] = [
    ("bind", MountKind::Bind),
    ("cache", MountKind::Cache),
    ("tmpfs", MountKind::Tmpfs),
    ("secret", MountKind::Secret),
    ("ssh", MountKind::Ssh),
];

const SHARINGS: [(&str, Sharing); 3] =
    [("shared", Sharing::Shared), ("private", Sharing::Private), ("locked", Sharing::Locked)];

const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

impl std::fmt::Display for MountKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = KINDS.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

/// Reads a mount. `expand` is applied to the value of each `key=value` field.
pub fn parse<E: From<MountError>>(
    value: &str,
    mut expand: impl FnMut(&str) -> Result<String, E>,
) -> Result<MountSpec, E> {
    let mut draft = Draft::default();
    for field in fields(value)? {
        match field.split_once('=') {
            None => draft.word(&field)?,
            Some((key, value)) => {
                let value = expand(value)?;
                draft.pair(&key.to_lowercase(), &value, &field)?;
            }
        }
    }
    Ok(draft.finish()?)
}

/// The `from` of a mount: known before any variable is, because none may stand in it.
pub fn from_of(value: &str) -> Result<Option<String>, MountError> {
    let mut from = None;
    for field in fields(value)? {
        let Some((key, value)) = field.split_once('=') else { continue };
        if !key.eq_ignore_ascii_case("from") {
            continue;
        }
        if value.find('$').is_some_and(|at| at + 1 < value.len()) {
            return Err(MountError::VariableInFrom);
        }
        from = Some(value.to_owned()).filter(|value| !value.is_empty());
    }
    Ok(from)
}

/// What is wrong with a mount whatever the variables are.
pub fn check(value: &str) -> Result<(), MountError> {
    from_of(value)?;
    if value.contains(['$', '\'', '"', '\\', '`']) {
        return Ok(());
    }
    parse(value, |text| Ok(text.to_owned())).map(drop)
}

/// A mount being read; keys apply to the type given before them.
struct Draft {
    spec: MountSpec,
    read_only: Option<bool>,
}

impl Default for Draft {
    fn default() -> Draft {
        let spec = MountSpec {
            kind: MountKind::Bind,
            from: None,
            source: None,
            target: None,
            read_only: false,
            required: false,
            id: None,
            sharing: None,
            mode: None,
            uid: None,
            gid: None,
            size: None,
            env: None,
        };
        Draft { spec, read_only: None }
    }
}

impl Draft {
    /// A field without `=`.
    fn word(&mut self, field: &str) -> Result<(), MountError> {
        match field.to_lowercase().as_str() {
            "readonly" | "ro" => self.read_only = Some(true),
            "readwrite" | "rw" => self.read_only = Some(false),
            key @ "required" => {
                self.only(key, &[MountKind::Secret, MountKind::Ssh])?;
                self.spec.required = true;
            }
            _ => return Err(MountError::NoValue { field: field.to_owned() }),
        }
        Ok(())
    }

    fn pair(&mut self, key: &str, value: &str, field: &str) -> Result<(), MountError> {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match key {
            "type" => self.spec.kind = kind(value)?,
            "from" => self.spec.from = text(),
            "source" | "src" => self.spec.source = text(),
            "target" | "dst" | "destination" => self.spec.target = text(),
            "readonly" | "ro" => self.read_only = Some(boolean(key, value)?),
            "readwrite" | "rw" => self.read_only = Some(!boolean(key, value)?),
            "required" => {
                self.only(key, &[MountKind::Secret, MountKind::Ssh])?;
                self.spec.required = boolean(key, value)?;
            }
            "size" => {
                self.only(key, &[MountKind::Tmpfs])?;
                self.spec.size = Some(size(value).ok_or_else(|| bad_value(key, value))?);
            }
            "id" => self.spec.id = text(),
            "sharing" => self.spec.sharing = Some(sharing(value)?),
            "mode" => self.spec.mode = Some(number("mode", value, 8)?),
            "uid" => self.spec.uid = Some(number("uid", value, 10)?),
            "gid" => self.spec.gid = Some(number("gid", value, 10)?),
            "env" => self.spec.env = Some(value.to_owned()),
            _ => return Err(unknown_key(key, field, &KEYS)),
        }
        Ok(())
    }

    fn only(&self, key: &str, kinds: &[MountKind]) -> Result<(), MountError> {
        if kinds.contains(&self.spec.kind) {
            return Ok(());
        }
        Err(MountError::WrongKey { key: key.to_owned(), kind: self.spec.kind })
    }

    fn finish(self) -> Result<MountSpec, MountError> {
        let Draft { mut spec, read_only } = self;
        let kind = spec.kind;
        if matches!(kind, MountKind::Bind | MountKind::Tmpfs) {
            let given = [("mode", spec.mode), ("uid", spec.uid), ("gid", spec.gid)];
            if let Some((key, _)) = given.into_iter().find(|(_, value)| value.is_some()) {
                return Err(MountError::NotAllowed { key, kind });
            }
        }
        spec.read_only = read_only.unwrap_or(!matches!(kind, MountKind::Cache | MountKind::Tmpfs));
        match kind {
            MountKind::Secret if spec.from.is_some() => Err(MountError::SecretFrom),
            MountKind::Secret if spec.sharing.is_some() => Err(MountError::SecretSharing),
            MountKind::Secret
                if spec.source.is_none() && spec.target.is_none() && spec.id.is_none() =>
            {
                Err(MountError::SecretUnnamed)
            }
            MountKind::Secret if spec.source.is_some() && spec.id.is_some() => {
                Err(MountError::SecretTwice)
            }
            MountKind::Ssh if spec.source.is_some() => Err(MountError::SshSource),
            _ if spec.sharing.is_some() && kind != MountKind::Cache => {
                Err(MountError::SharingWithoutCache { kind })
            }
            _ => Ok(spec),
        }
    }
}

fn kind(value: &str) -> Result<MountKind, MountError> {
    let lower = value.to_lowercase();
    let found = KINDS.iter().find(|(name, _)| *name == lower);
    let unknown = || {
        let suggestion = suggest(value, KINDS.iter().map(|(name, _)| *name));
        MountError::UnknownKind { value: value.to_owned(), suggestion }
    };
    found.map(|(_, kind)| *kind).ok_or_else(unknown)
}

fn sharing(value: &str) -> Result<Sharing, MountError> {
    let lower = value.to_lowercase();
    let found = SHARINGS.iter().find(|(name, _)| *name == lower);
    let unknown = || {
        let suggestion = suggest(value, SHARINGS.iter().map(|(name, _)| *name));
        MountError::UnknownSharing { value: value.to_owned(), suggestion }
    };
    found.map(|(_, sharing)| *sharing).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Result<MountSpec, String> {
        parse(value, |text| Ok::<_, MountError>(text.to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn each_kind_has_its_defaults() {
        let cache = parsed("type=cache,target=/c,sharing=locked,uid=1,mode=0755").expect("cache");
        assert_eq!(
            (cache.kind, cache.read_only, cache.mode),
            (MountKind::Cache, false, Some(0o755))
        );
        let bind = parsed("target=/x,src=a,rw").expect("bind");
        assert_eq!(
            (bind.kind, bind.read_only, bind.source.as_deref()),
            (MountKind::Bind, false, Some("a"))
        );
        assert!(parsed("type=secret,id=x,required").expect("secret").required);
        assert_eq!(parsed("type=tmpfs,target=/t,size=64m").expect("tmpfs").size, Some(64 << 20));
        assert_eq!(parsed("type=secret,id=x,env=Y").expect("secret").env.as_deref(), Some("Y"));
    }

    #[test]
    fn errors_are_buildkits() {
        let cases = [
            ("foo=bar", "unexpected key 'foo' in 'foo=bar' (did you mean from?)"),
            ("typ=tmpfs", "unexpected key 'typ' in 'typ=tmpfs' (did you mean type?)"),
            ("type=tmp", "unsupported mount type \"tmp\" (did you mean tmpfs?)"),
            ("type=foo", "unsupported mount type \"foo\""),
            ("type=cache,sharing=foo", "unsupported sharing value \"foo\""),
            ("target", "invalid field 'target' must be a key=value pair"),
            ("required", "unexpected key 'required' for mount type 'bind'"),
            ("type=cache,size=1", "unexpected key 'size' for mount type 'cache'"),
            ("mode=0644", "mode not allowed for \"bind\" type mounts"),
            ("type=cache,mode=9", "invalid value 9 for mode"),
            ("ro=x", "invalid value for ro: x"),
            ("type=secret", "invalid secret mount. one of source, target required"),
            ("type=secret,id=a,source=b", "both source and id can't be set"),
            ("type=ssh,source=/a", "ssh does not support source"),
            ("type=secret,id=a,from=b", "secret mount should not have a from"),
            ("type=secret,id=a,sharing=locked", "secret mount should not define sharing"),
            ("type=cache,required=true", "unexpected key 'required' for mount type 'cache'"),
            ("type=secret,id=a,required=maybe", "invalid value for required: maybe"),
            ("type=tmpfs,size=big", "invalid value for size: big"),
            ("type=tmpfs,uid=1", "uid not allowed for \"tmpfs\" type mounts"),
            ("gid=1", "gid not allowed for \"bind\" type mounts"),
            ("type=ssh,uid=-1", "invalid value -1 for uid"),
            ("type=cache,rw=1x", "invalid value for rw: 1x"),
            (
                "type=cache,sharing=lock",
                "unsupported sharing value \"lock\" (did you mean locked?)",
            ),
            ("type=", "unsupported mount type \"\""),
            ("sharing=shared", "invalid cache sharing set for bind mount"),
        ];
        for (value, message) in cases {
            assert_eq!(parsed(value), Err(message.to_owned()), "{value}");
        }
    }

    #[test]
    fn without_variables_all_is_checked() {
        assert!(check("type=cache,target=$X,sharing=$Y").is_ok());
        assert_eq!(check("from=$X,type=$Y"), Err(MountError::VariableInFrom));
        assert!(check("type=foo").is_err());
    }
}
