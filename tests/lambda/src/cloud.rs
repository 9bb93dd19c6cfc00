//! The services that the functions call: an embedded store, and as much of SQS
//! and SSM as they ask for, behind plain HTTP and behind TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::Failed;
use crate::store;

/// The secret parameters, as `tributary init` would have made them.
pub(crate) const ID_KEY: (&str, &str) =
    ("/id-key", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
pub(crate) const SIGNING_KEYS: (&str, &str) =
    ("/signing-keys", r#"{"keys":[{"id":"k1","secret":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}]}"#);

/// The services, at two addresses.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) plain: String,
    pub(crate) tls: String,
    /// The root that signed the certificate of `tls`, as PEM.
    pub(crate) root: String,
    pub(crate) store: String,
    services: Services,
}

#[derive(Debug, Clone)]
struct Services {
    pool: Pool<HttpConnector, Full<Bytes>>,
    store: SocketAddr,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Cloud {
    pub(crate) async fn start() -> Result<Self, Failed> {
        let store = store::start().await?;
        let pool = Pool::builder(TokioExecutor::new()).build_http();
        let services = Services { pool, store, sent: Arc::default() };
        let (config, root) = certified()?;
        let plain = serve(services.clone(), None).await?;
        let tls = serve(services.clone(), Some(TlsAcceptor::from(Arc::new(config)))).await?;
        Ok(Self {
            plain: format!("http://127.0.0.1:{}", plain.port()),
            tls: format!("https://localhost:{}", tls.port()),
            root,
            store: format!("http://{store}"),
            services,
        })
    }

    /// Takes what was sent to the profile queue since it was last asked for.
    pub(crate) fn take_sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.services.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes the roots that a function is to trust: the test's own, behind others.
    pub(crate) fn write_roots(&self, folder: &Path, others: &str) -> Result<PathBuf, Failed> {
        let path = folder.join(format!("roots-{}.pem", others.len()));
        std::fs::write(&path, format!("{others}\n{}", self.root))?;
        Ok(path)
    }
}

/// A certificate for `localhost`, and the root that signed it.
fn certified() -> Result<(ServerConfig, String), Failed> {
    let root_key = rcgen::KeyPair::generate()?;
    let mut root = rcgen::CertificateParams::new(Vec::new())?;
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_certificate = root.self_signed(&root_key)?;
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate()?;
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &issuer)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, root_certificate.pem()))
}

async fn serve(services: Services, tls: Option<TlsAcceptor>) -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (services, tls) = (services.clone(), tls.clone());
            tokio::spawn(async move {
                let handle = service_fn(move |request| services.clone().answer(request));
                match tls {
                    None => {
                        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), handle).await;
                    }
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            let _ =
                                http1::Builder::new().serve_connection(TokioIo::new(stream), handle).await;
                        }
                    }
                }
            });
        }
    });
    Ok(address)
}

impl Services {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(self.try_answer(request).await.unwrap_or_else(|cause| {
            let mut response = Response::new(Full::from(json!({"message": cause.to_string()}).to_string()));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }))
    }

    async fn try_answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Failed> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
        let (service, operation) = target.and_then(|target| target.rsplit_once('.')).unwrap_or_default();
        match (service, operation) {
            (service, _) if service.starts_with("DynamoDB") => self.pass_on(request).await,
            ("AmazonSQS", "SendMessageBatch") => answered(&self.send(&body(request).await?)),
            ("AmazonSSM", "GetParameter") => answered(&parameter(&body(request).await?)),
            _ => Err(format!("no function asks for `{operation}` of `{service}`").into()),
        }
    }

    async fn pass_on(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Failed> {
        let (mut parts, body) = request.into_parts();
        parts.uri = Uri::try_from(format!("http://{}/", self.store))?;
        let asked = Request::from_parts(parts, Full::new(body.collect().await?.to_bytes()));
        let (parts, body) = self.pool.request(asked).await?.into_parts();
        Ok(Response::from_parts(parts, Full::new(body.collect().await?.to_bytes())))
    }

    fn send(&self, asked: &Value) -> Value {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        for entry in asked.get("Entries").and_then(Value::as_array).into_iter().flatten() {
            sent.extend(entry.get("MessageBody").and_then(Value::as_str).map(str::to_owned));
            taken.push(json!({"Id": entry.get("Id"), "MessageId": "m", "MD5OfMessageBody": ""}));
        }
        json!({ "Successful": taken, "Failed": [] })
    }
}

fn parameter(asked: &Value) -> Value {
    let name = asked.get("Name").and_then(Value::as_str);
    let value =
        [ID_KEY, SIGNING_KEYS].into_iter().find(|(known, _)| Some(*known) == name).map(|(_, value)| value);
    json!({"Parameter": {"Name": name, "Type": "SecureString", "Value": value}})
}

async fn body(request: Request<Incoming>) -> Result<Value, Failed> {
    Ok(serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?)
}

fn answered(value: &Value) -> Result<Response<Full<Bytes>>, Failed> {
    let response = Response::builder().header("content-type", "application/x-amz-json-1.0");
    Ok(response.body(Full::from(value.to_string()))?)
}

/// What Basic authentication sends for a write key.
pub(crate) fn basic(key: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{key}:")))
}
