//! A client that can also send what no client should.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// As long as the most impatient SDK waits; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of a body that is made while it is sent.
const PIECE: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    /// One byte over and over.
    Repeated {
        byte: u8,
        times: usize,
    },
    /// With `Transfer-Encoding: chunked`, each chunk as it stands here.
    Chunked(Vec<Vec<u8>>),
    /// Less than its `Content-Length` announces, and then nothing more.
    CutOff {
        sent: Vec<u8>,
        announced: usize,
    },
    /// Chunks whose sizes are no numbers.
    BrokenChunks(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let body = Body::Whole(Vec::new());
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(Body::Whole(body.into()))
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The key as SDKs send it.
    pub(crate) fn basic(self, key: &str) -> Self {
        let credentials = STANDARD.encode(format!("{key}:"));
        self.header("authorization", format!("Basic {credentials}"))
    }

    /// The key as the admin API takes it.
    pub(crate) fn bearer(self, key: &str) -> Self {
        self.header("authorization", format!("Bearer {key}"))
    }

    /// Sends it on a connection of its own; no answer in time is a failure.
    pub(crate) fn send(&self, address: &str) -> Answer {
        let raw = self.exchange(address);
        Answer::parse(&raw).unwrap_or_else(|| {
            panic!("{} {:.100} was not answered in HTTP: {:?}", self.method, self.target, lossy(&raw))
        })
    }

    /// The bytes that came back; none where the door closed without a word.
    pub(crate) fn exchange(&self, address: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        // A door may answer, and close, before it has heard everything.
        let _ = self.write(&mut stream);
        read(&mut stream).unwrap_or_else(|cause| {
            panic!("{} {:.100} was not answered in time: {cause}", self.method, self.target)
        })
    }

    fn write(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let own = [("host", "tributary.test".to_owned()), ("connection", "close".to_owned())];
        let framing = match &self.body {
            Body::Whole(body) => ("content-length", body.len().to_string()),
            Body::Repeated { times, .. } => ("content-length", times.to_string()),
            Body::CutOff { announced, .. } => ("content-length", announced.to_string()),
            Body::Chunked(_) | Body::BrokenChunks(_) => ("transfer-encoding", "chunked".to_owned()),
        };
        let is_given = |name: &str| self.headers.iter().any(|(given, _)| given == name);
        for (name, value) in own.into_iter().chain([framing]).filter(|(name, _)| !is_given(name)) {
            head.extend(format!("{name}: {value}\r\n").bytes());
        }
        for (name, value) in &self.headers {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        stream.write_all(&head)?;
        self.body.write(stream)
    }
}

impl Body {
    fn write(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        match self {
            Self::Whole(body) => stream.write_all(body),
            Self::Repeated { byte, times } => {
                let piece = vec![*byte; PIECE];
                for from in (0..*times).step_by(PIECE) {
                    stream.write_all(&piece[..PIECE.min(times - from)])?;
                }
                Ok(())
            }
            Self::Chunked(chunks) => {
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    let head = format!("{:x}\r\n", chunk.len());
                    stream.write_all(&[head.as_bytes(), chunk, b"\r\n"].concat())?;
                }
                stream.write_all(b"0\r\n\r\n")
            }
            Self::CutOff { sent, .. } | Self::BrokenChunks(sent) => {
                stream.write_all(sent)?;
                stream.shutdown(Shutdown::Write)
            }
        }
    }
}

/// Everything up to the end of the connection. A reset after the answer takes
/// nothing of it away.
fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(whole),
            Ok(read) => whole.extend_from_slice(&piece[..read]),
            Err(cause) if cause.kind() == std::io::ErrorKind::ConnectionReset => return Ok(whole),
            Err(cause) => return Err(cause),
        }
    }
}

impl Answer {
    fn parse(raw: &[u8]) -> Option<Self> {
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&raw[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: Vec<_> = lines.filter_map(header).collect();
        let answer = Self { status, headers, body: raw[end + 4..].to_owned() };
        let length = answer.header("content-length").parse::<usize>().ok();
        // An answer that breaks off is none.
        length.is_none_or(|length| length == answer.body.len()).then_some(answer)
    }

    /// A header's value; nothing where there is no such header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        lossy(&self.body)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
