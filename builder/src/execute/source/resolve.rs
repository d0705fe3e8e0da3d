//! Paths inside a tree: cleaning them and following symbolic links without leaving it.

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// What [`resolve`] needs to know about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing is there.
    Absent,
    /// A directory, a file, anything that is not a link.
    Object,
    To(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyLinks;

/// `/a//b/../c/` → `a/c`; `..` stops at the root.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// `a` + `b` → `a/b`, where either may be empty.
pub(crate) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    match (parent, name) {
        (b"", name) => name.to_vec(),
        (parent, b"") => parent.to_vec(),
        (parent, name) => [parent, b"/", name].concat(),
    }
}

/// `a/b/c` → (`a/b`, `c`).
pub(crate) fn parent_and_name(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// Follows the links in `path`, and one at its end when `follow_last`. Components that do not
/// exist stay as they are, so that a destination may be named before it is made.
pub(crate) fn resolve<E: From<TooManyLinks>>(
    path: &[u8],
    follow_last: bool,
    mut link: impl FnMut(&[u8]) -> Result<Link, E>,
) -> Result<Vec<u8>, E> {
    let mut pending = components(path);
    let mut at: Vec<u8> = Vec::new();
    let mut followed = 0;
    while let Some(part) = pending.pop() {
        match part.as_slice() {
            b"" | b"." => continue,
            b".." => {
                at = parent_and_name(&at).0.to_vec();
                continue;
            }
            _ => {}
        }
        let next = join(&at, &part);
        if pending.is_empty() && !follow_last {
            return Ok(next);
        }
        match link(&next)? {
            Link::To(target) => {
                followed += 1;
                if followed > MAX_LINKS {
                    return Err(TooManyLinks.into());
                }
                if target.starts_with(b"/") {
                    at.clear();
                }
                pending.extend(components(&target));
            }
            Link::Absent | Link::Object => at = next,
        }
    }
    Ok(at)
}

/// The parts of a path, the last one first.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    impl From<TooManyLinks> for String {
        fn from(_: TooManyLinks) -> String {
            "loop".to_owned()
        }
    }

    fn follow(path: &str, follow_last: bool) -> Result<String, String> {
        let links = BTreeMap::from([
            ("lnk", "/real"),
            ("real/up", "../other"),
            ("loop", "loop"),
            ("out", "../../../etc"),
            ("chain", "lnk/up"),
        ]);
        resolve::<String>(path.as_bytes(), follow_last, |at| {
            let at = String::from_utf8_lossy(at).into_owned();
            Ok(links.get(at.as_str()).map_or(Link::Object, |to| Link::To(to.as_bytes().to_vec())))
        })
        .map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn cleaning_stops_at_the_root() {
        assert_eq!(clean(b"/../a//./b/../c/"), b"a/c");
        assert_eq!(clean(b"."), b"");
    }

    #[test]
    fn links_stay_inside() {
        assert_eq!(follow("/lnk/x", true).unwrap(), "real/x");
        assert_eq!(follow("lnk", false).unwrap(), "lnk");
        assert_eq!(follow("out/passwd", true).unwrap(), "etc/passwd");
        assert_eq!(follow("chain/new/file", true).unwrap(), "other/new/file");
        assert_eq!(follow("loop", true).unwrap_err(), "loop");
    }
}
