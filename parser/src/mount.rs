//! `RUN --mount` and `RUN --device` values: comma-separated fields, typed.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag};
use nom::character::complete::char;
use nom::combinator::{all_consuming, map, value};
use nom::multi::{fold_many0, separated_list1};
use nom::sequence::delimited;
use nom::{IResult, Parser};
use serde::Serialize;

use crate::suggest::suggest;

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

/// `RUN --device=NAME[,required]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    pub name: String,
    pub required: bool,
}

/// Why a mount or device is refused. The texts are BuildKit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    #[error("failed to parse csv mounts: bad quotes in `{value}`")]
    Csv { value: String },
    #[error("invalid field '{field}' must be a key=value pair")]
    NoValue { field: String },
    #[error("unexpected key '{key}' in '{field}'{}", did_you_mean(suggestion))]
    UnknownKey {
        key: String,
        field: String,
        suggestion: Option<&'static str>,
        known: &'static [&'static str],
    },
    #[error("unexpected key '{key}' for mount type '{kind}'")]
    WrongKey { key: String, kind: MountKind },
    #[error("'from' doesn't support variable expansion, define alias stage instead")]
    VariableInFrom,
    #[error("unsupported mount type {value:?}{}", did_you_mean(suggestion))]
    UnknownKind { value: String, suggestion: Option<&'static str> },
    #[error("unsupported sharing value {value:?}{}", did_you_mean(suggestion))]
    UnknownSharing { value: String, suggestion: Option<&'static str> },
    #[error("invalid value for {key}: {value}")]
    BadValue { key: String, value: String },
    #[error("invalid value {value} for {key}")]
    BadNumber { key: &'static str, value: String },
    #[error("{key} not allowed for \"{kind}\" type mounts")]
    NotAllowed { key: &'static str, kind: MountKind },
    #[error("secret mount should not have a from")]
    SecretFrom,
    #[error("secret mount should not define sharing")]
    SecretSharing,
    #[error("invalid secret mount. one of source, target required")]
    SecretUnnamed,
    #[error("both source and id can't be set")]
    SecretTwice,
    #[error("invalid cache sharing set for {kind} mount")]
    SharingWithoutCache { kind: MountKind },
    #[error("device name already set to {name}")]
    RepeatedDevice { name: String },
}

fn did_you_mean(suggestion: &Option<&'static str>) -> String {
    suggestion.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}

impl MountError {
    pub fn hint(&self) -> Option<String> {
        let list = |names: &[&str]| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        match self {
            MountError::UnknownKey { known, .. } => Some(format!("the keys are {}", list(known))),
            MountError::UnknownKind { .. } => {
                Some(format!("the mount types are {}", list(&KINDS.map(|(name, _)| name))))
            }
            MountError::UnknownSharing { .. } => {
                Some(format!("the sharing modes are {}", list(&SHARINGS.map(|(name, _)| name))))
            }
            MountError::VariableInFrom => {
                Some("name a stage, `FROM $IMAGE AS alias`, and mount from it".to_owned())
            }
            _ => None,
        }
    }
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

const KEYS: [&str; 18] = [
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
    "env",
];

const DEVICE_KEYS: [&str; 2] = ["name", "required"];

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
            _ if spec.sharing.is_some() && kind != MountKind::Cache => {
                Err(MountError::SharingWithoutCache { kind })
            }
            _ => Ok(spec),
        }
    }
}

/// Reads the value of `--device`.
pub fn parse_device(value: &str) -> Result<Device, MountError> {
    let mut name = String::new();
    let mut required = false;
    for field in fields(value)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value)),
            None => (field.to_lowercase(), None),
        };
        match (key.as_str(), value) {
            ("required", None) => required = true,
            ("required", Some(value)) => required = boolean("required", value)?,
            ("name", Some(_)) if !name.is_empty() => {
                return Err(MountError::RepeatedDevice { name });
            }
            ("name", Some(value)) => name = value.to_owned(),
            _ if name.is_empty() => name.clone_from(&field),
            (_, None) => return Err(MountError::NoValue { field }),
            (key, Some(_)) => return Err(unknown_key(key, &field, &DEVICE_KEYS)),
        }
    }
    Ok(Device { name, required })
}

fn unknown_key(key: &str, field: &str, known: &'static [&'static str]) -> MountError {
    let suggestion = suggest(key, known.iter().copied());
    MountError::UnknownKey { key: key.to_owned(), field: field.to_owned(), suggestion, known }
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

fn bad_value(key: &str, value: &str) -> MountError {
    MountError::BadValue { key: key.to_owned(), value: value.to_owned() }
}

fn boolean(key: &str, value: &str) -> Result<bool, MountError> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(bad_value(key, value)),
    }
}

fn number(key: &'static str, value: &str, radix: u32) -> Result<u32, MountError> {
    let digits = !value.is_empty() && value.chars().all(|c| c.is_digit(radix));
    let number = u32::from_str_radix(value, radix).ok().filter(|_| digits);
    number.ok_or_else(|| MountError::BadNumber { key, value: value.to_owned() })
}

/// `64m`, `1.5 GiB`, `100`: powers of 1024.
fn size(value: &str) -> Option<u64> {
    let digits = value.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')? + 1;
    let (number, suffix) = value.split_at(digits);
    let number: f64 = number.trim_end().parse().ok().filter(|number: &f64| *number >= 0.0)?;
    let suffix = suffix.to_lowercase();
    let power = match suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" if suffix != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some((number * 1024f64.powi(power)) as u64)
}

/// Comma-separated fields; one may be in double quotes, a quote inside being doubled.
fn fields(value: &str) -> Result<Vec<String>, MountError> {
    let csv = |cause: &str| MountError::Csv { value: cause.to_owned() };
    if value.is_empty() {
        return Err(csv(value));
    }
    match all_consuming(separated_list1(char(','), alt((quoted_field, plain_field)))).parse(value) {
        Ok((_, fields)) => Ok(fields),
        Err(_) => Err(csv(value)),
    }
}

fn quoted_field(input: &str) -> IResult<&str, String> {
    let piece = alt((is_not("\""), value("\"", tag("\"\""))));
    let text = fold_many0(piece, String::new, |text, piece: &str| text + piece);
    delimited(char('"'), text, char('"')).parse(input)
}

fn plain_field(input: &str) -> IResult<&str, String> {
    map(nom::combinator::opt(is_not(",\"")), |text: Option<&str>| {
        text.unwrap_or_default().to_owned()
    })
    .parse(input)
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
            ("sharing=shared", "invalid cache sharing set for bind mount"),
        ];
        for (value, message) in cases {
            assert_eq!(parsed(value), Err(message.to_owned()), "{value}");
        }
    }

    #[test]
    fn quotes_hold_commas() {
        assert_eq!(fields("a=1,\"b=2,\"\"3\"\"\",").expect("fields"), ["a=1", "b=2,\"3\"", ""]);
        assert!(fields("a\"b").is_err());
        assert!(fields("\"a").is_err());
    }

    #[test]
    fn without_variables_all_is_checked() {
        assert!(check("type=cache,target=$X,sharing=$Y").is_ok());
        assert_eq!(check("from=$X,type=$Y"), Err(MountError::VariableInFrom));
        assert!(check("type=foo").is_err());
    }

    #[test]
    fn devices_have_a_name() {
        assert_eq!(
            parse_device("vendor/x=a,required"),
            Ok(Device { name: "vendor/x=a".into(), required: true })
        );
        assert!(parse_device("a,b").is_err());
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size("1.5k"), Some(1536));
        assert_eq!(size("2 GiB"), Some(2 << 30));
        assert_eq!(size("7b"), Some(7));
        assert_eq!(size("x"), None);
        assert_eq!(size("1kk"), None);
    }
}
