//! Names to numbers: users and groups as an image's own /etc/passwd and /etc/group have them.
//!
//! Pure functions over the texts of the two files; a missing file is an empty text. The rules are
//! Docker's: a number is never looked up as a name, and a number without an entry is accepted.

/// Who a process runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedUser {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups; the primary one comes first.
    pub groups: Vec<u32>,
    pub home: String,
    /// Empty for a number that /etc/passwd does not list.
    pub name: String,
}

/// Owner of files: `--chown`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
    /// Names the files do not have.
    pub unknown: Vec<UserError>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("user `{name}` is not in the image's /etc/passwd")]
    UnknownUser { name: String },
    #[error("group `{name}` is not in the image's /etc/group")]
    UnknownGroup { name: String },
    #[error("id `{text}` is not between 0 and 2147483647")]
    Range { text: String },
    #[error("`{text}` has more than one colon")]
    Form { text: String },
}

/// Resolves `""`, `user`, `uid`, `user:group`, … for running a process.
pub fn lookup(passwd: &str, group: &str, spec: &str) -> Result<ResolvedUser, UserError> {
    let (user_part, group_part) = split(spec)?;
    let user_part = if user_part.is_empty() { "0" } else { user_part };
    let entry = find_user(passwd, user_part)?;
    let mut resolved = match (&entry, number(user_part)?) {
        (Some(entry), _) => ResolvedUser {
            uid: entry.uid,
            gid: entry.gid,
            groups: Vec::new(),
            home: entry.home.to_owned(),
            name: entry.name.to_owned(),
        },
        (None, Some(uid)) => {
            ResolvedUser { uid, gid: 0, groups: Vec::new(), home: "/".into(), name: String::new() }
        }
        (None, None) => return Err(UserError::UnknownUser { name: user_part.to_owned() }),
    };
    match group_part {
        Some(wanted) => resolved.gid = find_group(group, wanted)?,
        None => resolved.groups = memberships(group, &resolved.name),
    }
    resolved.groups.retain(|gid| *gid != resolved.gid);
    resolved.groups.insert(0, resolved.gid);
    Ok(resolved)
}

/// Resolves `user[:group]` of `--chown`. Without a group: the user's primary group, or the number
/// itself when the user is a number. Names that do not exist count as with BuildKit: a user as root,
/// a group as the user's own.
pub fn lookup_owner(passwd: &str, group: &str, spec: &str) -> Result<Owner, UserError> {
    let (user_part, group_part) = split(spec)?;
    let user_part = if user_part.is_empty() { "0" } else { user_part };
    let mut owner = match (number(user_part)?, find_user(passwd, user_part)?) {
        (Some(uid), _) => Owner { uid, gid: uid, unknown: Vec::new() },
        (None, Some(entry)) => Owner { uid: entry.uid, gid: entry.gid, unknown: Vec::new() },
        (None, None) => {
            let unknown = vec![UserError::UnknownUser { name: user_part.to_owned() }];
            Owner { uid: 0, gid: 0, unknown }
        }
    };
    match group_part.map(|wanted| find_group(group, wanted)) {
        Some(Ok(gid)) => owner.gid = gid,
        Some(Err(unknown @ UserError::UnknownGroup { .. })) => owner.unknown.push(unknown),
        Some(Err(error)) => return Err(error),
        None => {}
    }
    Ok(owner)
}

/// A group by name or number: `--group-add`.
pub fn lookup_group(group: &str, name: &str) -> Result<u32, UserError> {
    find_group(group, name)
}

/// Whether resolving `spec` needs the image's files at all.
pub fn needs_files(spec: &str) -> bool {
    spec.split(':').any(|part| !part.bytes().all(|b| b.is_ascii_digit()))
}

struct PasswdEntry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// `user[:group]`; an empty group is no group.
fn split(spec: &str) -> Result<(&str, Option<&str>), UserError> {
    match spec.split_once(':') {
        Some((_, group)) if group.contains(':') => Err(UserError::Form { text: spec.to_owned() }),
        Some((user, group)) => Ok((user, Some(group).filter(|g| !g.is_empty()))),
        None => Ok((spec, None)),
    }
}

/// All digits, in Docker's range; strictly, so that `+1` or `1x` is a name.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id <= i32::MAX as u32 => Ok(Some(id)),
        _ => Err(UserError::Range { text: text.to_owned() }),
    }
}

fn find_user<'a>(passwd: &'a str, wanted: &str) -> Result<Option<PasswdEntry<'a>>, UserError> {
    let id = number(wanted)?;
    Ok(passwd.lines().filter_map(passwd_entry).find(|entry| match id {
        Some(uid) => entry.uid == uid,
        None => entry.name == wanted,
    }))
}

fn passwd_entry(line: &str) -> Option<PasswdEntry<'_>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut fields = line.split(':');
    let name = fields.next()?;
    let _password = fields.next()?;
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let _comment = fields.next();
    let home = fields.next().filter(|home| !home.is_empty()).unwrap_or("/");
    Some(PasswdEntry { name, uid, gid, home })
}

/// name, gid, members
fn group_entry(line: &str) -> Option<(&str, u32, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut fields = line.split(':');
    let name = fields.next()?;
    let _password = fields.next()?;
    Some((name, fields.next()?.parse().ok()?, fields.next().unwrap_or("")))
}

fn find_group(group: &str, wanted: &str) -> Result<u32, UserError> {
    if let Some(gid) = number(wanted)? {
        return Ok(gid);
    }
    group
        .lines()
        .filter_map(group_entry)
        .find(|(name, _, _)| *name == wanted)
        .map(|(_, gid, _)| gid)
        .ok_or_else(|| UserError::UnknownGroup { name: wanted.to_owned() })
}

fn memberships(group: &str, user: &str) -> Vec<u32> {
    let mut gids = Vec::new();
    for (_, gid, members) in group.lines().filter_map(group_entry) {
        let listed = !user.is_empty() && members.split(',').any(|member| member.trim() == user);
        if listed && !gids.contains(&gid) {
            gids.push(gid);
        }
    }
    gids
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# note\nweb:x:33:34:Web:/srv:/bin/sh\n\
                          broken\n1000:x:77:78::/odd:\nhomeless:x:5:6\n";
    const GROUP: &str = "root:x:0:root\nwww:x:34:\nadm:x:4:web,root\nlogs:x:9:other,web\n";

    fn user(spec: &str) -> (u32, u32, Vec<u32>, String) {
        let u = lookup(PASSWD, GROUP, spec).unwrap();
        (u.uid, u.gid, u.groups, u.home)
    }

    #[test]
    fn processes_take_groups_and_home_from_the_files() {
        assert_eq!(user(""), (0, 0, vec![0, 4], "/root".into()));
        assert_eq!(user("web"), (33, 34, vec![34, 4, 9], "/srv".into()));
        assert_eq!(user("33"), user("web"));
        assert_eq!(user("web:logs"), (33, 9, vec![9], "/srv".into()));
        assert_eq!(user("web:"), user("web"));
        assert_eq!(user("4242"), (4242, 0, vec![0], "/".into()));
        assert_eq!(user("4242:34"), (4242, 34, vec![34], "/".into()));
        assert_eq!(user(":adm"), (0, 4, vec![4], "/root".into()));
        assert_eq!(user("homeless"), (5, 6, vec![6], "/".into()));
    }

    #[test]
    fn a_number_is_never_a_name() {
        assert_eq!(user("1000"), (1000, 0, vec![0], "/".into()));
    }

    #[test]
    fn unknown_names_and_wide_numbers_are_errors() {
        for spec in ["nobody", "web:nogroup", "2147483648", "4294967296", "a:b:c", "-1", "+1"] {
            assert!(lookup(PASSWD, GROUP, spec).is_err(), "{spec}");
        }
        assert!(lookup("", "", "").is_ok());
    }

    #[test]
    fn owners_without_a_group() {
        assert_eq!(
            lookup_owner(PASSWD, GROUP, "web"),
            Ok(Owner { uid: 33, gid: 34, unknown: vec![] })
        );
        assert_eq!(
            lookup_owner(PASSWD, GROUP, "33"),
            Ok(Owner { uid: 33, gid: 33, unknown: vec![] })
        );
        assert_eq!(
            lookup_owner(PASSWD, GROUP, "1:www"),
            Ok(Owner { uid: 1, gid: 34, unknown: vec![] })
        );
        assert_eq!(lookup_owner("", "", "7:8"), Ok(Owner { uid: 7, gid: 8, unknown: vec![] }));
        let unknown = lookup_owner(PASSWD, GROUP, "nobody-there:www").unwrap();
        assert_eq!((unknown.uid, unknown.gid, unknown.unknown.len()), (0, 34, 1));
        let unknown = lookup_owner(PASSWD, GROUP, "web:no-group").unwrap();
        assert_eq!((unknown.uid, unknown.gid, unknown.unknown.len()), (33, 34, 1));
        assert!(needs_files("web:8") && !needs_files("7:8") && !needs_files("7"));
    }
}
