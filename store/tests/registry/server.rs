//! A registry on 127.0.0.1 that answers as a test wants it to, well or badly.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use store::{Descriptor, DiffId, Digest, Index, Manifest, Platform, media_type};

/// What a client asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }
}

/// How an answer goes on after its head.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    /// Announced in full, and cut after so many bytes.
    Cut(Vec<u8>, usize),
    /// Without a length and without an end.
    Endless,
    /// A byte now and then.
    Slow(Vec<u8>),
    /// So many bytes, and the rest once there is a file of that name below the directory.
    Until(Vec<u8>, usize, PathBuf, &'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Body,
}

pub(crate) fn answer(status: u16, headers: &[&str], body: impl Into<Vec<u8>>) -> Answer {
    let headers = headers.iter().map(|line| (*line).to_owned()).collect();
    Answer { status, headers, body: Body::Whole(body.into()) }
}

/// Serves until the process ends; each connection is one request.
pub(crate) struct Server {
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(reply: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (reply, kept) = (Arc::new(reply), log.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (reply, log) = (reply.clone(), kept.clone());
                // A client may hang up whenever it likes.
                std::thread::spawn(move || stream.and_then(|stream| serve(stream, &*reply, &log)));
            }
        });
        Server { port, log }
    }

    pub(crate) fn name(&self, repository: &str) -> store::Reference {
        format!("127.0.0.1:{}/{repository}", self.port).parse().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

fn serve(
    mut stream: TcpStream,
    reply: &(dyn Fn(&Request) -> Answer + Send + Sync),
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut first = [0];
    // The beginning of TLS, which is not spoken here.
    if stream.peek(&mut first)? == 0 || first[0] == 0x16 {
        return Ok(());
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let mut request = Request { method, path, head, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
    reader.take(length).read_to_end(&mut request.body)?;
    log.lock().unwrap().push(request.clone());
    write(&mut stream, &request, reply(&request))
}

fn write(stream: &mut TcpStream, request: &Request, answer: Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", answer.status);
    let length = match &answer.body {
        Body::Whole(bytes) | Body::Cut(bytes, _) | Body::Slow(bytes) | Body::Until(bytes, ..) => {
            Some(bytes.len())
        }
        Body::Endless => None,
    };
    let own = answer.headers.iter().any(|line| line.starts_with("Content-Length"));
    if let (Some(length), false) = (length, own) {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    answer.headers.iter().for_each(|line| head.push_str(&format!("{line}\r\n")));
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    match answer.body {
        Body::Whole(bytes) => stream.write_all(&bytes),
        Body::Cut(bytes, end) => stream.write_all(&bytes[..end]),
        Body::Endless => loop {
            stream.write_all(&[b' '; 1 << 16])?;
        },
        Body::Until(bytes, first, directory, name) => {
            stream.write_all(&bytes[..first])?;
            let until = Instant::now() + Duration::from_secs(20);
            while !super::files(&directory).iter().any(|path| path.ends_with(name)) {
                if Instant::now() > until {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            stream.write_all(&bytes[first..])
        }
        Body::Slow(bytes) => bytes.iter().try_for_each(|byte| {
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(&[*byte])
        }),
    }
}

/// What a registry has: by digest or tag, with the media type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
}

impl Content {
    /// With an image of this machine under the tag `1`, of layers with this text in a file.
    pub(crate) fn image(layers: &[&str]) -> Content {
        let mut content = Content::default();
        let layers: Vec<Descriptor> =
            layers.iter().map(|text| content.blob(media_type::LAYER_TAR, layer(text))).collect();
        content.manifest_of(&layers, "1");
        content
    }

    pub(crate) fn manifest_of(&mut self, layers: &[Descriptor], tag: &str) -> Descriptor {
        let diff_ids: Vec<DiffId> = layers.iter().map(|layer| DiffId(layer.digest)).collect();
        self.manifest_saying(layers, &diff_ids, tag)
    }

    pub(crate) fn manifest_saying(
        &mut self,
        layers: &[Descriptor],
        diff_ids: &[DiffId],
        tag: &str,
    ) -> Descriptor {
        let host = Platform::host();
        let diff_ids: Vec<String> = diff_ids.iter().map(ToString::to_string).collect();
        let config = serde_json::json!({
            "architecture": host.architecture, "os": host.os, "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = self.blob(media_type::IMAGE_CONFIG, config.to_string().into_bytes());
        let manifest = Manifest::new(config, layers.to_vec());
        self.document(media_type::IMAGE_MANIFEST, manifest.to_bytes(), tag)
    }

    pub(crate) fn index_of(&mut self, mut entries: Vec<Descriptor>, tag: &str) -> Descriptor {
        entries.iter_mut().for_each(|entry| entry.platform = Some(Platform::host()));
        self.document(media_type::IMAGE_INDEX, Index::new(entries).to_bytes(), tag)
    }

    pub(crate) fn document(&mut self, kind: &str, bytes: Vec<u8>, tag: &str) -> Descriptor {
        let descriptor = Descriptor::of(kind, &bytes);
        for name in [tag, &descriptor.digest.to_string()] {
            self.manifests.insert(name.to_owned(), (kind.to_owned(), bytes.clone()));
        }
        descriptor
    }

    pub(crate) fn blob(&mut self, kind: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::of(kind, &bytes);
        self.blobs.insert(descriptor.digest.to_string(), bytes);
        descriptor
    }

    /// The digest of the layer with this text.
    pub(crate) fn layer(text: &str) -> String {
        Digest::of(&layer(text)).to_string()
    }

    /// As a registry that has nothing against anybody.
    pub(crate) fn reply(&self, request: &Request) -> Answer {
        let path = request.path.trim_start_matches("/v2/app/");
        let not_found =
            || answer(404, &[], r#"{"errors":[{"code":"UNKNOWN","message":"not known here"}]}"#);
        if let Some(tag) = path.strip_prefix("manifests/") {
            let Some((kind, bytes)) = self.manifests.get(tag) else { return not_found() };
            let digest = format!("Docker-Content-Digest: {}", Digest::of(bytes));
            return answer(200, &[&format!("Content-Type: {kind}"), &digest], bytes.clone());
        }
        let blob = path.strip_prefix("blobs/").and_then(|digest| self.blobs.get(digest));
        let Some(bytes) = blob else { return not_found() };
        match request.header("range").and_then(|range| range.strip_prefix("bytes=")) {
            Some(range) => {
                let start: usize = range.trim_end_matches('-').parse().unwrap();
                let (end, size) = (bytes.len() - 1, bytes.len());
                let range = format!("Content-Range: bytes {start}-{end}/{size}");
                answer(206, &[&range], &bytes[start..])
            }
            None => answer(200, &[], bytes.clone()),
        }
    }
}

/// A tar with one file.
fn layer(text: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, format!("file-{}", text.len()), text.as_bytes()).unwrap();
    tar.into_inner().unwrap()
}
