//! Paths inside images as text: absolute, with slashes, without touching a file system.

/// Absolute, without `.`, `..`, double slashes and a slash at the end. `..` stops at the root.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A relative path below `dir`, clean; an absolute one as it is; an empty one is `dir`.
pub(crate) fn relative_to(dir: &str, path: &str) -> String {
    match path {
        "" => dir.to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => clean(&format!("{dir}/{path}")),
    }
}

/// Where COPY writes to: clean, with a slash at the end when the path says that it is a directory.
pub(crate) fn destination(dir: &str, path: &str) -> String {
    let is_dir =
        matches!(path, "" | "." | "..") || ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    let cleaned = clean(&relative_to(dir, path));
    if is_dir && cleaned != "/" { format!("{cleaned}/") } else { cleaned }
}

/// The last part of a path; `/` for the root.
pub(crate) fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") | None => "/",
        Some(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_never_leaves_the_root() {
        for (path, expected) in
            [("", "/"), ("a//b/./c/", "/a/b/c"), ("/../../x", "/x"), ("/a/../..", "/"), ("/", "/")]
        {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    #[test]
    fn destinations_say_whether_they_are_directories() {
        for (path, expected) in [
            ("x", "/w/x"),
            ("x/", "/w/x/"),
            (".", "/w/"),
            ("", "/w/"),
            ("..", "/"),
            ("../y", "/y"),
            ("/a/b/.", "/a/b/"),
            ("/", "/"),
            ("/a/../b", "/b"),
        ] {
            assert_eq!(destination("/w", path), expected, "{path}");
        }
    }

    #[test]
    fn base_names() {
        for (path, expected) in [("/a/b", "b"), ("b/", "b"), ("/", "/"), ("", "/"), ("x", "x")] {
            assert_eq!(base_name(path), expected, "{path}");
        }
    }
}
