//! A server on a real socket, for what happens beneath an answer: a connection
//! that nobody takes, that ends too early, or over which nothing comes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::lock;

/// Longer than any test's client waits.
const HANG: Duration = Duration::from_secs(30);

/// What becomes of a request once it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A status and a body; the connection stays open.
    Answer(u16, String),
    /// The connection is closed without an answer.
    HangUp,
    /// The connection is closed in the middle of the answer.
    Half,
    /// Nothing comes.
    Hang,
}

/// A server that acts as a test says, one act a request, and hangs up after that.
#[derive(Debug, Clone)]
pub struct Wire {
    at: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    acts: VecDeque<Act>,
    requests: usize,
}

impl Wire {
    pub fn new(acts: impl IntoIterator<Item = Act>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let at = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State { acts: acts.into_iter().collect(), requests: 0 }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Ok(Self { at, state })
    }

    /// How many requests came, over all connections.
    pub fn requests(&self) -> usize {
        lock(&self.state).requests
    }

    /// A configuration by which every client speaks to this server.
    pub fn config(&self) -> SdkConfig {
        config(self.at)
    }
}

/// A configuration whose endpoint nobody listens at.
pub fn nobody() -> io::Result<SdkConfig> {
    // The port is free again once the listener is dropped.
    TcpListener::bind("127.0.0.1:0")?.local_addr().map(config)
}

/// The same configuration, but nobody gives credentials.
pub fn without_credentials(config: &SdkConfig) -> SdkConfig {
    let nobody = provide_credentials_fn(async || Err(CredentialsError::not_loaded("nobody gives any")));
    config.to_builder().credentials_provider(SharedCredentialsProvider::new(nobody)).build()
}

fn config(at: SocketAddr) -> SdkConfig {
    let credentials = Credentials::from_keys("local", "local", None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{at}"))
        .http_client(Builder::new().build_http())
        .build()
}

/// Acts until the connection ends, however it does.
fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    while let Ok(true) = read_request(&mut stream) {
        let act = {
            let mut state = lock(state);
            state.requests += 1;
            state.acts.pop_front().unwrap_or(Act::HangUp)
        };
        match act {
            Act::Answer(status, body) => {
                if stream.write_all(answer(status, &body, body.len()).as_bytes()).is_err() {
                    return;
                }
            }
            Act::Half => {
                let _ = stream.write_all(answer(200, "{", 100).as_bytes());
                return;
            }
            Act::HangUp => return,
            Act::Hang => std::thread::sleep(HANG),
        }
    }
}

fn answer(status: u16, body: &str, length: usize) -> String {
    format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Reads a request to its end; `false` if there was none.
fn read_request(stream: &mut TcpStream) -> io::Result<bool> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(false);
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or_default();
    io::copy(&mut stream.take(length), &mut io::sink())?;
    Ok(true)
}
