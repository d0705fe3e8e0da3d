//! `--build-context NAME=…`: which names of the Dockerfile it replaces.

use store::Reference;

use crate::request::BuildRequest;

/// The key of the named context that stands for `name` (a stage, an image), if the request has one.
///
/// Names are compared as image references: `busybox`, `busybox:latest` and `docker.io/library/busybox` are one.
/// `scratch` and `context` are never replaced.
pub(crate) fn find(request: &BuildRequest, name: &str) -> Option<String> {
    if name.eq_ignore_ascii_case("scratch") || name.eq_ignore_ascii_case("context") {
        return None;
    }
    if request.named_contexts.contains_key(name) {
        return Some(name.to_owned());
    }
    let wanted = normalized(name);
    request.named_contexts.keys().find(|key| normalized(key) == wanted).cloned()
}

fn normalized(name: &str) -> String {
    let lower = name.to_lowercase();
    let reference = name.parse::<Reference>().or_else(|_| lower.parse());
    reference.map_or(lower, |reference| reference.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::request;
    use crate::request::NamedContext;

    #[test]
    fn names_are_compared_as_references() {
        let mut request = request();
        for key in ["busybox", "Base", "example.com/a:1"] {
            request.named_contexts.insert(key.to_owned(), NamedContext::Image("x".to_owned()));
        }
        for (name, key) in [
            ("busybox", Some("busybox")),
            ("busybox:latest", Some("busybox")),
            ("docker.io/library/busybox", Some("busybox")),
            ("busybox:1", None),
            ("base", Some("Base")),
            ("example.com/a:1", Some("example.com/a:1")),
            ("example.com/a", None),
        ] {
            assert_eq!(find(&request, name).as_deref(), key, "{name}");
        }
    }

    #[test]
    fn scratch_is_never_replaced() {
        let mut request = request();
        request.named_contexts.insert("scratch".to_owned(), NamedContext::Image("x".to_owned()));
        assert_eq!(find(&request, "scratch"), None);
    }
}
