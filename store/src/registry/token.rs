//! The answer to a challenge: a password as it is, or a token from the server that the registry names.
use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use ureq::http::Request;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::client::{Client, Content, refused};
use super::error::Failure;
use super::link;
use super::settings::Credential;

/// Tokens have some thousand characters.
const LIMIT: u64 = 1 << 20;

/// The token that a registry wants to see.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    pub(super) scopes: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// The header for a password.
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// The header for a token.
pub(super) fn fetch(
    client: &Client,
    wanted: &Wanted,
    who: Option<&Credential>,
) -> Result<String, Failure> {
    let origin = link::origin(&wanted.realm).to_owned();
    let what = format!("a token of {origin}");
    let response = match who {
        Some(Credential::IdentityToken(token)) => {
            let form = exchange_form(wanted, token);
            let request = Request::builder()
                .method("POST")
                .uri(&wanted.realm)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            client.run(&wanted.realm, request, Content::Bytes(form.as_bytes()))?
        }
        who => {
            let url = url(wanted, who);
            let mut request = Request::builder().method("GET").uri(&url);
            if let Some(Credential::Password { user, password }) = who {
                request = request.header(AUTHORIZATION, basic(user, password));
            }
            client.run(&url, request, Content::Nothing)?
        }
    };
    if response.status().as_u16() != 200 {
        return Err(refused(&what, response));
    }
    let mut text = Vec::new();
    let mut reader = response.into_body().into_reader().take(LIMIT);
    reader.read_to_end(&mut text).map_err(|source| Failure::Cut { what, source })?;
    let answer: Option<Answer> = serde_json::from_slice(&text).ok();
    let token = answer.and_then(|answer| answer.token.or(answer.access_token));
    // A header is one line.
    let token =
        token.filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
    token.map(|token| format!("Bearer {token}")).ok_or(Failure::Token { origin })
}

fn url(wanted: &Wanted, who: Option<&Credential>) -> String {
    let mut url = wanted.realm.clone();
    let mut add = |name: &str, value: &str| {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&format!("{name}={}", encoded(value)));
    };
    if let Some(service) = &wanted.service {
        add("service", service);
    }
    wanted.scopes.iter().for_each(|scope| add("scope", scope));
    if let Some(Credential::Password { user, .. }) = who {
        add("account", user);
    }
    url
}

fn exchange_form(wanted: &Wanted, token: &str) -> String {
    let mut form =
        format!("grant_type=refresh_token&client_id=rbuild&refresh_token={}", encoded(token));
    if let Some(service) = &wanted.service {
        form.push_str(&format!("&service={}", encoded(service)));
    }
    form.push_str(&format!("&scope={}", encoded(&wanted.scopes.join(" "))));
    form
}

pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_a_token_server() {
        let wanted = Wanted {
            realm: "https://a.example/token?x=y".to_owned(),
            service: Some("the registry".to_owned()),
            scopes: vec!["repository:a/b:pull,push".to_owned(), "repository:c:pull".to_owned()],
        };
        let who = Credential::Password { user: "me".to_owned(), password: "secret".to_owned() };
        assert_eq!(
            url(&wanted, Some(&who)),
            "https://a.example/token?x=y&service=the%20registry&scope=repository%3Aa%2Fb%3Apull%2Cpush\
             &scope=repository%3Ac%3Apull&account=me"
        );
        assert_eq!(
            exchange_form(&wanted, "t/1"),
            "grant_type=refresh_token&client_id=rbuild&refresh_token=t%2F1&service=the%20registry\
             &scope=repository%3Aa%2Fb%3Apull%2Cpush%20repository%3Ac%3Apull"
        );
        assert_eq!(basic("me", "secret"), "Basic bWU6c2VjcmV0");
    }
}
