//! What a function URL does between a socket and a function: requests become
//! events of payload 2.0, answers become responses.
//!
//! **Invariant:** it listens on the loopback address only, and it prints
//! nothing of a request.

mod event;
mod answer;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ports::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use answer::Answer;

/// What Lambda takes and gives: a whole event, and so a body.
const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;
/// A client that sends too much is heard out so far, so that it reads our answer and no reset.
const HEARD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// SDKs keep connections for a minute and would take an earlier end for an error.
const IDLE_MAX: Duration = Duration::from_secs(75);
/// A failed accept is about the system, such as too many open files: give it a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("port {port} is taken by another program: stop it, or choose another with `--port`")]
    Taken { port: u16 },
    #[error("this user may not listen on port {port}: choose one above 1023 with `--port`")]
    Forbidden { port: u16 },
    #[error("cannot listen on port {port}")]
    Listen {
        port: u16,
        #[source]
        cause: std::io::Error,
    },
}

impl HttpError {
    fn of(port: u16, cause: std::io::Error) -> Self {
        match cause.kind() {
            std::io::ErrorKind::AddrInUse => Self::Taken { port },
            std::io::ErrorKind::PermissionDenied => Self::Forbidden { port },
            _ => Self::Listen { port, cause },
        }
    }
}

/// A front door of one function.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<JoinSet<()>>,
}

impl Server {
    /// Listens on a port of the loopback address (0 for any that is free) and
    /// hands each request to `handler`, inside a Tokio runtime.
    pub async fn start<C, H, F>(port: u16, clock: C, handler: H) -> Result<Self, HttpError>
    where
        C: Clock + 'static,
        H: Fn(ApiGatewayV2httpRequest) -> F + Send + Sync + 'static,
        F: Future<Output = ApiGatewayV2httpResponse> + Send + 'static,
    {
        let listen = |cause| HttpError::of(port, cause);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stop, stopped) = watch::channel(false);
        let task =
            tokio::spawn(accept(listener, Arc::new(Door { clock, handler, port: address.port() }), stopped));
        Ok(Self { address, stop, task })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts nothing new, answers what was begun within `grace`, and ends.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        let Ok(mut connections) = self.task.await else { return };
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, drained).await.is_err() {
            tracing::warn!("Some requests were not answered in time and were cut off");
            connections.shutdown().await;
        }
    }
}

struct Door<C, H> {
    clock: C,
    handler: H,
    port: u16,
}

/// Gives back the connections that are still open when it is time to stop.
async fn accept<C, H, F>(
    listener: TcpListener,
    door: Arc<Door<C, H>>,
    mut stop: watch::Receiver<bool>,
) -> JoinSet<()>
where
    C: Clock + 'static,
    H: Fn(ApiGatewayV2httpRequest) -> F + Send + Sync + 'static,
    F: Future<Output = ApiGatewayV2httpResponse> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return connections,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, from)) => {
                connections.spawn(serve(stream, from, door.clone(), stop.clone()));
            }
            Err(error) => {
                tracing::warn!("Cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve<C, H, F>(
    stream: TcpStream,
    from: SocketAddr,
    door: Arc<Door<C, H>>,
    mut stop: watch::Receiver<bool>,
) where
    C: Clock,
    H: Fn(ApiGatewayV2httpRequest) -> F + Send + Sync,
    F: Future<Output = ApiGatewayV2httpResponse> + Send,
{
    // An answer is one write; without this it may wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(door.answer(request, from).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE_MAX);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    // A connection that breaks is the client's affair: nobody is left to be told.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

impl<C, H, F> Door<C, H>
where
    C: Clock,
    H: Fn(ApiGatewayV2httpRequest) -> F,
    F: Future<Output = ApiGatewayV2httpResponse>,
{
    async fn answer(&self, request: Request<Incoming>, from: SocketAddr) -> Response<Answer> {
        let (head, body) = request.into_parts();
        let body = match read(body).await {
            Ok(body) => body,
            Err(status) => return answer::refusal(status),
        };
        let event = event::of(&head, &body, from.ip(), self.port, self.clock.now());
        drop(body);
        let is_too_large = event.body.as_ref().is_some_and(|body| body.len() > PAYLOAD_BYTES_MAX);
        if is_too_large {
            return answer::refusal(StatusCode::PAYLOAD_TOO_LARGE);
        }
        // What the work shares is behind ports, which hold nothing half-done.
        let work = AssertUnwindSafe(async { (self.handler)(event).await }).catch_unwind();
        // The panic's message may hold what the request held; the hook logs its place.
        let Ok(response) = work.await else { return answer::refusal(StatusCode::BAD_GATEWAY) };
        answer::of(response).unwrap_or_else(|wrong| {
            tracing::error!("The function's answer cannot be sent: {wrong}");
            answer::refusal(StatusCode::BAD_GATEWAY)
        })
    }
}

/// Reads a whole body, chunked or not, or says why not.
async fn read(mut body: Incoming) -> Result<Bytes, StatusCode> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut whole = Vec::with_capacity(announced.min(PAYLOAD_BYTES_MAX));
    let mut heard = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        let Ok(data) = frame.into_data() else { continue }; // Trailers say nothing to a function.
        heard = heard.saturating_add(data.len());
        if heard > HEARD_BYTES_MAX {
            break;
        }
        if heard > PAYLOAD_BYTES_MAX {
            whole = Vec::new();
        } else {
            whole.extend_from_slice(&data);
        }
    }
    if heard > PAYLOAD_BYTES_MAX { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(whole.into()) }
}

#[cfg(test)]
mod tests;
