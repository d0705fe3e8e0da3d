//! A server on 127.0.0.1 that says exactly what a test wants it to say.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Serves until the process ends; each connection is one request.
pub(crate) struct HttpServer {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl HttpServer {
    /// `answer` gets the whole head of a request and gives the whole response.
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> HttpServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client may hang up whenever it likes.
                let _gone = stream.and_then(|stream| serve(stream, &answer, &log));
            }
        });
        HttpServer { port, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The heads of the requests since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &impl Fn(&str) -> Vec<u8>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut first = [0];
    // The beginning of TLS, which is not spoken here.
    if stream.peek(&mut first)? == 1 && first == [0x16] {
        return Ok(());
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = read_head(&mut reader)?;
    if head.starts_with("CONNECT ") {
        // As a proxy: what comes through the tunnel is answered here, too.
        log.lock().unwrap().push(head);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        head = read_head(&mut reader)?;
    }
    log.lock().unwrap().push(head.clone());
    stream.write_all(&answer(&head))
}

fn read_head(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// A response with these lines in its head.
pub(crate) fn response(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    if !headers.iter().any(|line| line.starts_with("Content-Length")) {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for line in headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    [text.as_bytes(), b"\r\n", body].concat()
}
