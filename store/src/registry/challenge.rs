//! `WWW-Authenticate`: what a registry wants to know of who asks.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// A token of the server at `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// Of several, the one for tokens.
    pub(super) fn of<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
        let mut basic = None;
        for header in headers {
            match parse(header) {
                Some(bearer @ Challenge::Bearer { .. }) => return Some(bearer),
                Some(Challenge::Basic) => basic = Some(Challenge::Basic),
                None => {}
            }
        }
        basic
    }
}

fn parse(header: &str) -> Option<Challenge> {
    let header = header.trim_start();
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameters = parameters(rest);
    let find = |name: &str| {
        let mut found = parameters.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.clone())
    };
    Some(Challenge::Bearer {
        realm: find("realm").filter(|realm| !realm.is_empty())?,
        service: find("service"),
        scope: find("scope"),
    })
}

/// `name="value"` or `name=value`, with commas between.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| !matches!(c, '=' | ',')) {
            name.push(c);
        }
        if chars.next_if_eq(&'=').is_none() {
            if chars.peek().is_none() {
                return found;
            }
            continue;
        }
        let mut value = String::new();
        if chars.next_if_eq(&'"').is_some() {
            while let Some(c) = chars.next().filter(|c| *c != '"') {
                value.extend(if c == '\\' { chars.next() } else { Some(c) });
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                value.push(c);
            }
        }
        found.push((name.trim().to_owned(), value.trim().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: owned(service),
            scope: owned(scope),
        })
    }

    #[test]
    fn challenges_are_understood() {
        let of = |headers: &[&str]| Challenge::of(headers.iter().copied());
        let url = "https://a.example/token";
        let text = format!(
            "Bearer realm=\"{url}\",service=\"reg, istry\", scope=\"repository:a:pull,push\""
        );
        let full = bearer(url, Some("reg, istry"), Some("repository:a:pull,push"));
        assert_eq!(of(&[&text]), full);
        assert_eq!(of(&["Basic realm=\"x\"", &text]), full);
        assert_eq!(of(&[&format!("bearer realm={url}")]), bearer(url, None, None));
        assert_eq!(of(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(of(&["basic"]), Some(Challenge::Basic));
        let escaped = "Bearer realm=\"a\\\"b\"";
        assert_eq!(of(&[escaped]), bearer("a\"b", None, None));
        for broken in ["", "Bearer", "Bearer realm=\"\"", "Bearer x,,=,realm", "Negotiate abc"] {
            assert_eq!(of(&[broken]), None, "{broken}");
        }
    }
}
