use aws_lambda_events::encodings::Body;
use domain::time::Timestamp;
use testkit::TestClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};

use http::HeaderValue;

use super::*;

type Events = mpsc::UnboundedReceiver<ApiGatewayV2httpRequest>;

const GRACE: Duration = Duration::from_mins(10);

fn text(status: i64, body: &str) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status;
    response.body = Some(Body::Text(body.to_owned()));
    response
}

fn clock() -> TestClock {
    TestClock::at(Timestamp::from_millis(1_800_000_000_123))
}

/// A door that shows its events and answers this.
async fn door(answer: ApiGatewayV2httpResponse) -> (Server, Events) {
    let (show, seen) = mpsc::unbounded_channel();
    let handler = move |event| {
        show.send(event).unwrap();
        std::future::ready(answer.clone())
    };
    (Server::start(0, clock(), handler).await.unwrap(), seen)
}

struct Client(TcpStream);

impl Client {
    async fn of(server: &Server) -> Self {
        Self(TcpStream::connect(server.address()).await.unwrap())
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// One response with a length: its head in lower case, and its body.
    async fn answer(&mut self) -> (String, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        (head, body)
    }

    async fn post(&mut self, headers: &str, body: &[u8]) -> (String, Vec<u8>) {
        let length = body.len();
        self.send(format!("POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n"))
            .await;
        self.send(body).await;
        self.answer().await
    }

    async fn is_closed(&mut self) -> bool {
        matches!(self.0.read_u8().await, Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof)
    }
}

#[tokio::test]
async fn a_request_becomes_an_event_of_payload_2() {
    let (server, mut events) = door(text(200, "ok")).await;
    let mut client = Client::of(&server).await;
    client
        .send(concat!(
            "PUT /v1//t%20x?writeKey=a%20b&x=1&x=2 HTTP/1.1\r\nHost: cdp.example\r\nUser-Agent: probe/1\r\n",
            "X-Two: one\r\nx-TWO: two\r\nCookie: a=1; b=2\r\ncontent-type: application/json; charset=utf-8\r\n",
            "Content-Length: 14\r\n\r\n{\"name\":\"\u{416}x\"}",
        ))
        .await;
    let (head, body) = client.answer().await;
    assert!(
        head.starts_with("http/1.1 200 ok\r\n") && head.contains("content-type: application/json"),
        "{head}"
    );
    assert_eq!(body, b"ok");
    let event = events.recv().await.unwrap();
    assert_eq!(event.version.as_deref(), Some("2.0"));
    assert_eq!(event.raw_path.as_deref(), Some("/v1//t%20x"));
    assert_eq!(event.raw_query_string.as_deref(), Some("writeKey=a%20b&x=1&x=2"));
    assert_eq!(event.query_string_parameters.first("writeKey"), Some("a b"));
    assert_eq!(event.query_string_parameters.all("x").unwrap(), ["1", "2"]);
    assert_eq!(event.headers["x-two"], "one,two");
    assert_eq!(event.headers.get_all("x-two").iter().count(), 1);
    assert_eq!(event.cookies.unwrap(), ["a=1", "b=2"]);
    assert!(!event.headers.contains_key("cookie"));
    assert_eq!((event.body.as_deref(), event.is_base64_encoded), (Some("{\"name\":\"\u{416}x\"}"), false));
    let context = event.request_context;
    assert_eq!(
        (context.time_epoch, context.domain_name.as_deref()),
        (1_800_000_000_123, Some("cdp.example"))
    );
    assert_eq!((context.http.method.as_str(), context.http.path.as_deref()), ("PUT", Some("/v1//t%20x")));
    assert_eq!(context.http.source_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(context.http.user_agent.as_deref(), Some("probe/1"));
    assert_eq!(context.http.protocol.as_deref(), Some("HTTP/1.1"));
    server.stop(GRACE).await;
}

#[tokio::test]
async fn a_body_is_text_only_if_it_says_so_and_is() {
    let (server, mut events) = door(text(200, "ok")).await;
    let mut client = Client::of(&server).await;
    let cases: [(&str, &[u8], &str, bool); 8] = [
        ("", b"plain", "plain", false),
        ("Content-Type: text/plain;charset=UTF-8\r\n", b"{}", "{}", false),
        ("Content-Type: application/problem+json\r\n", b"{}", "{}", false),
        ("Content-Type: application/json\r\n", b"\xff\xfe", "//4=", true),
        ("Content-Type: application/x-www-form-urlencoded\r\n", b"a=1", "YT0x", true),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", b"abc", "YWJj", true),
        ("Content-Type: application/octet-stream\r\n", b"abc", "YWJj", true),
        ("Content-Type: application/json\r\nContent-Encoding: identity\r\n", b"{}", "{}", false),
    ];
    for (headers, body, expected, is_base64) in cases {
        client.post(headers, body).await;
        let event = events.recv().await.unwrap();
        assert_eq!(
            (event.body.as_deref(), event.is_base64_encoded),
            (Some(expected), is_base64),
            "{headers}"
        );
    }
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.answer().await;
    let event = events.recv().await.unwrap();
    assert_eq!((event.body, event.is_base64_encoded), (None, false));
}

#[tokio::test]
async fn chunked_bodies_and_many_requests_on_one_connection_are_served() {
    let (server, mut events) = door(text(200, "ok")).await;
    let mut client = Client::of(&server).await;
    for _ in 0..3 {
        let head = "POST /v1/t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!("{head}4\r\n{{\"a\"\r\n3\r\n:1}}\r\n0\r\n\r\n")).await;
        assert_eq!(client.answer().await.1, b"ok");
        assert_eq!(events.recv().await.unwrap().body.as_deref(), Some("{\"a\":1}"));
    }
}

#[tokio::test]
async fn a_body_that_lambda_would_not_take_is_413_with_cors_and_never_reaches_the_function() {
    let (server, mut events) = door(text(200, "ok")).await;
    let too_large = vec![b'x'; PAYLOAD_BYTES_MAX + 1];
    let (head, body) = Client::of(&server).await.post("", &too_large).await;
    assert!(head.starts_with("http/1.1 413") && head.contains("access-control-allow-origin: *"), "{head}");
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(said, serde_json::json!({"success": false, "message": "Payload Too Large"}));
    // As base64 it grows by a third.
    let grows = vec![0xff; 5 * 1024 * 1024];
    let (head, _) =
        Client::of(&server).await.post("Content-Type: application/octet-stream\r\n", &grows).await;
    assert!(head.starts_with("http/1.1 413"), "{head}");
    assert!(events.try_recv().is_err());
    let fits = &too_large[1..];
    let (head, _) = Client::of(&server).await.post("", fits).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

/// What the client gets for an answer, as its head and body.
async fn check(answer: ApiGatewayV2httpResponse) -> (String, Vec<u8>) {
    let (server, _events) = door(answer).await;
    let mut client = Client::of(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.answer().await
}

#[tokio::test]
async fn an_answer_keeps_its_headers_and_cookies() {
    let mut answer = text(418, "tea");
    answer.headers.insert("x-trace", HeaderValue::from_static("t-1"));
    answer.headers.insert("content-length", HeaderValue::from_static("999"));
    answer.headers.insert("content-type", HeaderValue::from_static("text/plain"));
    answer.cookies = vec!["a=1".to_owned(), "b=2".to_owned()];
    let (head, body) = check(answer).await;
    assert!(head.starts_with("http/1.1 418"), "{head}");
    for line in [
        "x-trace: t-1",
        "content-length: 3",
        "content-type: text/plain",
        "set-cookie: a=1",
        "set-cookie: b=2",
    ] {
        assert_eq!(head.lines().filter(|found| *found == line).count(), 1, "{line} in {head}");
    }
    assert_eq!(body, b"tea");
}

#[tokio::test]
async fn bytes_arrive_as_bytes_only_if_the_answer_is_flagged() {
    let mut bytes = text(200, "AP8=");
    bytes.is_base64_encoded = true;
    assert_eq!(check(bytes.clone()).await.1, [0, 255]);
    bytes.body = Some(Body::Binary(vec![0, 255]));
    assert_eq!(check(bytes.clone()).await.1, [0, 255]);
    bytes.is_base64_encoded = false;
    assert_eq!(check(bytes).await.1, b"AP8=", "as a deployed function would answer");
    let mut empty = text(204, "");
    empty.body = None;
    empty.status_code = 200;
    assert_eq!(check(empty).await.1, b"");
}

#[tokio::test]
async fn an_answer_that_is_none_is_502() {
    let mut not_base64 = text(200, "%%%");
    not_base64.is_base64_encoded = true;
    let mut split = text(200, "ok");
    split.cookies = vec!["a=1\r\nx: y".to_owned()];
    let large = text(200, &"x".repeat(PAYLOAD_BYTES_MAX + 1));
    for wrong in
        [text(0, ""), text(99, ""), text(101, ""), text(1_000, ""), text(-1, ""), not_base64, split, large]
    {
        let (head, _) = check(wrong).await;
        assert!(
            head.starts_with("http/1.1 502") && head.contains("access-control-allow-origin: *"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn a_panic_is_502_and_the_connection_goes_on() {
    let handler = |event: ApiGatewayV2httpRequest| {
        assert!(event.raw_path.as_deref() != Some("/bug"), "a bug in the function");
        std::future::ready(text(200, "ok"))
    };
    let server = Server::start(0, clock(), handler).await.unwrap();
    let mut client = Client::of(&server).await;
    client.send("GET /bug HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.answer().await.0.starts_with("http/1.1 502"));
    client.send("GET /fine HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.answer().await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn stopping_answers_what_was_begun_and_closes_the_rest() {
    let gate = Arc::new(Semaphore::new(0));
    let (entered, mut entries) = mpsc::unbounded_channel();
    let handler = {
        let gate = gate.clone();
        move |_| {
            entered.send(()).unwrap();
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                text(200, "done")
            }
        }
    };
    let server = Server::start(0, clock(), handler).await.unwrap();
    let (mut idle, mut busy) = (Client::of(&server).await, Client::of(&server).await);
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    entries.recv().await.unwrap();
    gate.add_permits(1);
    idle.answer().await;
    busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    entries.recv().await.unwrap();
    let address = server.address();
    let stopping = tokio::spawn(server.stop(GRACE));
    assert!(idle.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err());
    gate.add_permits(1);
    let (head, body) = busy.answer().await;
    assert!(head.contains("connection: close") && body == b"done", "{head}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn what_is_not_done_within_the_grace_is_cut_off() {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let handler = move |_| {
        entered.send(()).unwrap();
        std::future::pending()
    };
    let server = Server::start(0, clock(), handler).await.unwrap();
    let mut client = Client::of(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    entries.recv().await.unwrap();
    server.stop(Duration::ZERO).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_remedy() {
    let (server, _events) = door(text(200, "ok")).await;
    let port = server.address().port();
    let error = Server::start(port, clock(), |_| std::future::ready(text(200, "ok"))).await.unwrap_err();
    let expected =
        format!("port {port} is taken by another program: stop it, or choose another with `--port`");
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn an_event_says_how_the_door_was_reached_whatever_the_client_claims() {
    let (server, mut events) = door(text(200, "ok")).await;
    let mut client = Client::of(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: cdp.example:8787\r\n\r\n").await;
    client.answer().await;
    let headers = events.recv().await.unwrap().headers;
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["host"], "cdp.example:8787");
    assert_eq!(headers["x-forwarded-port"], server.address().port().to_string());
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");

    client
        .send("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        .await;
    client.answer().await;
    let headers = events.recv().await.unwrap().headers;
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-forwarded-for"], "192.0.2.1, 127.0.0.1");
}
