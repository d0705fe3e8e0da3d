//! What refers to an image (signatures, provenance, lists of parts): by the API for it, or by the tag that stands for it
//! where a registry has none.
use ureq::http::header::{HeaderMap, LINK};

use super::Registries;
use super::client::{Call, Client, refused};
use super::error::{Failure, RegistryError};
use super::pull::parse;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::manifest::Index;
use crate::reference::Reference;

/// An answer comes in parts; all of them together have no more bytes.
const LIMIT: u64 = 16 << 20;
/// Nor are there more of them, be they ever so small.
const MOST_PARTS: usize = 100;

impl Registries {
    /// The index of what refers to what the name leads to, of one type or all.
    pub fn referrers(
        &self,
        name: &Reference,
        artifact_type: Option<&str>,
    ) -> Result<Index, RegistryError> {
        let found = self.reader(name).and_then(|client| {
            let digest = match name.digest() {
                Some(digest) => digest,
                None => client.top(name)?.descriptor.digest,
            };
            client.referrers(digest, artifact_type)
        });
        found.map_err(|source| RegistryError::LookUp {
            registry: name.domain().to_owned(),
            repository: name.repository().to_owned(),
            suffix: name.suffix(),
            source: Box::new(source),
        })
    }
}

impl Client {
    fn referrers(&self, digest: Digest, artifact_type: Option<&str>) -> Result<Index, Failure> {
        let mut index = match self.by_api(digest, artifact_type)? {
            Some(index) => index,
            None => self.by_tag(digest)?,
        };
        if let Some(wanted) = artifact_type {
            index.manifests.retain(|entry| type_of(entry) == Some(wanted));
        }
        Ok(index)
    }

    /// None where there is no such API.
    fn by_api(
        &self,
        digest: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Index>, Failure> {
        let mut url = self.url(&format!("referrers/{digest}"));
        if let Some(wanted) = artifact_type {
            url.push_str(&format!("?artifactType={}", super::token::encoded(wanted)));
        }
        let (mut all, mut size) = (None::<Index>, 0);
        for _ in 0..MOST_PARTS {
            let call = Call::get(url.clone(), format!("referrers of {digest}"));
            let response = self.send(&call)?;
            match response.status().as_u16() {
                200 => {}
                // Some do not know it; one that has nothing says so by an empty list.
                404 | 405 | 501 if all.is_none() => return Ok(None),
                _ => return Err(refused(&call.what, response)),
            }
            let headers = response.headers().clone();
            let bytes = self.read_document(&call.what, response)?;
            size += bytes.len() as u64;
            if size > LIMIT {
                break;
            }
            let part: Index = parse("list of referrers", digest, &bytes)?;
            match &mut all {
                None => all = Some(part),
                Some(all) => all.manifests.extend(part.manifests),
            }
            match next(&headers) {
                Some(link) => url = self.followed(&url, link)?,
                None => return Ok(all),
            }
        }
        Err(Failure::TooLarge { what: format!("the list of referrers of {digest}"), limit: LIMIT })
    }

    /// `sha256-…`: an index that whoever pushes a referrer keeps up to date.
    fn by_tag(&self, digest: Digest) -> Result<Index, Failure> {
        let tag = digest.to_string().replace(':', "-");
        match self.manifest(&tag) {
            Ok(document) => parse("list of referrers", document.descriptor.digest, &document.bytes),
            Err(Failure::NotFound { .. }) => Ok(Index::new(Vec::new())),
            Err(failure) => Err(failure),
        }
    }
}

/// `Link: </v2/…>; rel="next"`
fn next(headers: &HeaderMap) -> Option<&str> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let mut links = links.flat_map(|line| line.split(','));
    let link = links.find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    link.trim().strip_prefix('<')?.split('>').next()
}

/// Newer indexes name it; else a manifest has the type of its configuration.
fn type_of(entry: &Descriptor) -> Option<&str> {
    entry.extra.get("artifactType").and_then(serde_json::Value::as_str)
}
