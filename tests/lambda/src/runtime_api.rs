//! Lambda's Runtime API, for one bootstrap: hands out one invocation at a time.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::Failed;

/// Far enough away that no function gives up; in milliseconds since 1970.
const DEADLINE: &str = "4102444800000";

/// A bootstrap that waits for an invocation.
pub(crate) type Waiting = oneshot::Sender<Bytes>;

/// What a bootstrap made of an invocation.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Bytes),
    Error(Bytes),
}

/// The server's side of a bootstrap.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    pub(crate) waiting: mpsc::Receiver<Waiting>,
    pub(crate) outcomes: mpsc::Receiver<Outcome>,
}

#[derive(Debug, Clone)]
struct Senders {
    waiting: mpsc::Sender<Waiting>,
    outcomes: mpsc::Sender<Outcome>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (waiting, outcomes) = (mpsc::channel(1), mpsc::channel(1));
        let senders = Senders { waiting: waiting.0, outcomes: outcomes.0 };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let senders = senders.clone();
                let handle = service_fn(move |request| answer(senders.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), handle));
            }
        });
        Ok(Self { address, waiting: waiting.1, outcomes: outcomes.1 })
    }
}

async fn answer(senders: Senders, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let answered = if request.method() == Method::GET && path.ends_with("/runtime/invocation/next") {
        next(&senders).await
    } else if path.ends_with("/response") {
        settle(&senders, request, Outcome::Answer).await
    } else {
        // Of an invocation or of the start.
        settle(&senders, request, Outcome::Error).await
    };
    Ok(answered.unwrap_or_else(|| status(StatusCode::INTERNAL_SERVER_ERROR)))
}

/// `None` once nobody measures any more.
async fn next(senders: &Senders) -> Option<Response<Full<Bytes>>> {
    let (invoke, invoked) = oneshot::channel();
    senders.waiting.send(invoke).await.ok()?;
    let event = invoked.await.ok()?;
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        .header("lambda-runtime-deadline-ms", DEADLINE)
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:f")
        .body(Full::new(event))
        .ok()
}

async fn settle(
    senders: &Senders,
    request: Request<Incoming>,
    outcome: impl FnOnce(Bytes) -> Outcome,
) -> Option<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await.ok()?.to_bytes();
    senders.outcomes.send(outcome(body)).await.ok()?;
    Some(status(StatusCode::ACCEPTED))
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
