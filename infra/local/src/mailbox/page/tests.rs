use domain::time::Timestamp;
use ports::channel::{Letter, Text};
use serde_json::Value;
use testkit::{MemoryQueue, TestClock};

use super::super::tests::{letter, sms};
use super::*;

const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// What must never come out as it went in.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u{202e}\0";

/// A mailbox with what was sent, in order; the folder lives as long.
async fn mailbox(letters: &[Letter], texts: &[Text]) -> (Mailbox<TestClock>, Vec<String>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = Mailbox::open(&folder.path().join("mailbox.db"), TestClock::at(NOON)).unwrap();
    let mut ids = Vec::new();
    for letter in letters {
        ids.push(ports::Email::send(&mailbox, letter).await.unwrap().0);
    }
    for text in texts {
        ids.push(ports::Sms::send(&mailbox, text).await.unwrap().0);
    }
    (mailbox, ids, folder)
}

async fn get(mailbox: &Mailbox<TestClock>, path: &str, query: &[(&str, &str)]) -> Page {
    let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    mailbox.answer(path, &query).await.unwrap()
}

fn header<'a>(page: &'a Page, name: &str) -> &'a str {
    &page.headers.iter().find(|(known, _)| *known == name).unwrap().1
}

/// The ids in the order in which a list links to them.
fn linked(page: &Page) -> Vec<String> {
    let links = page.body.split("href=\"/_local/sent/").skip(1);
    links.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_list_is_newest_first_and_goes_on_to_older_pages() {
    let letters: Vec<_> = (0..LISTED + 10).map(|n| letter(&format!("p{n}@example.com"))).collect();
    let (mailbox, mut ids, _folder) = mailbox(&letters, &[]).await;
    ids.reverse();
    let first = get(&mailbox, PATH, &[]).await;
    assert_eq!((first.status, linked(&first).as_slice()), (200, &ids[..LISTED]));
    assert!(first.body.contains("p59@example.com") && !first.body.contains(">Newest<"));
    let last = &ids[LISTED - 1];
    assert!(first.body.contains(&format!("<a href=\"/_local/sent?before={last}\">Older</a>")));
    let second = get(&mailbox, "/_local/sent/", &[("before", last)]).await;
    assert_eq!(linked(&second), &ids[LISTED..]);
    assert!(second.body.contains(">Newest<") && !second.body.contains(">Older<"));
}

#[tokio::test]
async fn the_list_is_filtered_by_address_and_by_message() {
    let letters = [letter("ann@example.com"), letter("bob@example.com")];
    let (mailbox, ids, _folder) = mailbox(&letters, &[sms("+14255550156", "Sale")]).await;
    let check = async |query: &[(&str, &str)], expected: &[&String]| {
        let found = linked(&get(&mailbox, PATH, query).await);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query:?}");
    };
    check(&[("address", "ANN@")], &[&ids[0]]).await;
    check(&[("address", " 425 ")], &[&ids[2]]).await;
    check(&[("address", "%")], &[]).await;
    check(&[("message", "welcome")], &[&ids[1], &ids[0]]).await;
    check(&[("message", "sale")], &[&ids[2]]).await;
    check(&[("message", "t-occasion")], &[]).await;
    check(&[("message", &ids[1])], &[&ids[1]]).await;
    check(&[("address", "bob"), ("message", "welcome"), ("before", &ids[1])], &[]).await;
    let none = get(&mailbox, PATH, &[("address", HOSTILE)]).await;
    assert!(none.body.contains("None is like that.") && !none.body.contains("<script"));
}

#[tokio::test]
async fn the_list_says_what_was_dropped_and_that_nothing_was_sent() {
    let (empty, ..) = mailbox(&[], &[]).await;
    assert!(get(&empty, PATH, &[]).await.body.contains("Nothing was sent yet."));
    let folder = tempfile::tempdir().unwrap();
    let small = Mailbox::bounded(&folder.path().join("mailbox.db"), TestClock::at(NOON), 2).unwrap();
    for to in ["a", "b", "c"] {
        ports::Email::send(&small, &letter(to)).await.unwrap();
        small.tell(&MemoryQueue::default()).await.unwrap();
    }
    let page = get(&small, PATH, &[]).await;
    assert!(page.body.contains("The 1 oldest were dropped"), "{}", page.body);
    let json: Value = serde_json::from_str(&get(&small, "/_local/sent.json", &[]).await.body).unwrap();
    assert_eq!((&json["kept"], &json["dropped"]), (&2.into(), &1.into()));
}

#[tokio::test]
async fn a_letter_is_shown_with_its_parts_headers_and_tags() {
    let (mailbox, ids, _folder) = mailbox(&[letter("bounce@example.com")], &[]).await;
    let page = get(&mailbox, &format!("{PATH}/{}", ids[0]), &[]).await;
    let frame = format!(
        "<iframe sandbox=\"allow-popups allow-popups-to-escape-sandbox\" src=\"/_local/sent/{}/html\"",
        ids[0]
    );
    for shown in [
        &frame,
        "Welcome, Ann",
        "Hello, Ann",
        "The Shop &lt;shop@example.com&gt;",
        "bounce@example.com",
        "help@example.com",
        "List-Unsubscribe",
        "&lt;https://shop.example/u/1&gt;",
        "t-occasion",
        "welcome",
        "bounced",
        "2027-01-15 08:00:00 UTC",
    ] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert!(!page.body.contains("<p>Hello, Ann</p>"), "HTML stands in its frame alone");
}

#[tokio::test]
async fn the_html_part_comes_as_it_was_into_a_sandbox() {
    let html = format!("<p style=\"color:red\">{HOSTILE}</p>");
    let (mailbox, ids, _folder) = mailbox(
        &[Letter { html: html.clone(), ..letter("a") }, Letter { html: String::new(), ..letter("a") }],
        &[],
    )
    .await;
    let page = get(&mailbox, &format!("{PATH}/{}/html", ids[0]), &[]).await;
    assert_eq!((page.status, page.content_type, &page.body), (200, "text/html; charset=utf-8", &html));
    let policy = header(&page, "content-security-policy");
    for rule in ["default-src 'none'", "img-src http: https: data:", "frame-ancestors 'self'", "sandbox "] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("script") && !policy.contains("allow-same-origin"), "{policy}");
    assert_eq!(get(&mailbox, &format!("{PATH}/{}/html", ids[1]), &[]).await.status, 404);
}

#[tokio::test]
async fn a_text_is_shown_with_its_segments_and_encoding() {
    let (mailbox, ids, _folder) =
        mailbox(&[], &[sms("+14255550156", &"a".repeat(200)), sms("+14255550156", "Скидка 20% “сегодня”")])
            .await;
    let shown = async |id: &str| get(&mailbox, &format!("{PATH}/{id}"), &[]).await.body;
    let plain = shown(&ids[0]).await;
    assert!(plain.contains("2 segments: 200 units, room for 106 more") && plain.contains("GSM-7"), "{plain}");
    let wide = shown(&ids[1]).await;
    assert!(wide.contains("1 segment: 20 units, room for 50 more"), "{wide}");
    assert!(wide.contains("UCS-2, for Скида“сегоня”"), "{wide}");
    for kept in ["+12065550152", "promotional", "3600 s", "0.05", "t-workspace", "delivered"] {
        assert!(wide.contains(kept), "{kept}: {wide}");
    }
    assert_eq!(get(&mailbox, &format!("{PATH}/{}/html", ids[0]), &[]).await.status, 404);
}

#[tokio::test]
async fn nothing_hostile_comes_out_as_it_went_in() {
    let pair = || vec![(HOSTILE.to_owned(), HOSTILE.to_owned())];
    let text = || HOSTILE.to_owned();
    let hostile = Letter {
        from: text(),
        from_name: Some(text()),
        to: text(),
        reply_to: Some(text()),
        subject: text(),
        html: text(),
        text: text(),
        headers: pair(),
        configuration_set: Some(text()),
        tags: pair(),
    };
    let sms = Text {
        to: text(),
        origination: Some(text()),
        body: text(),
        max_price: Some(text()),
        context: pair(),
        configuration_set: Some(text()),
        ..Text::default()
    };
    let (mailbox, ids, _folder) = mailbox(&[hostile], &[sms]).await;
    for path in [PATH.to_owned(), format!("{PATH}/{}", ids[0]), format!("{PATH}/{}", ids[1])] {
        let page = get(&mailbox, &path, &[("message", HOSTILE), ("address", HOSTILE)]).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("&lt;script&gt;"), "{path}");
        for live in ["<script", "<img", "onerror=alert(1)>", "\0"] {
            assert!(!page.body.contains(live), "{path}: {live}");
        }
    }
    let json = get(&mailbox, "/_local/sent.json", &[]).await;
    let json: Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(json["messages"][0]["subject"], HOSTILE);
}

#[tokio::test]
async fn every_page_is_guarded_and_has_no_script() {
    let (mailbox, ids, _folder) = mailbox(&[letter("a")], &[]).await;
    let one = format!("{PATH}/{}", ids[0]);
    let html = format!("{one}/html");
    for path in [PATH, "/_local/sent.json", &one, &html, "/_local/sent/none", "/_local/sent/a/b/c"] {
        let page = get(&mailbox, path, &[]).await;
        let policy = header(&page, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'self'"),
            "{path}"
        );
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        assert_eq!(header(&page, "cross-origin-resource-policy"), "same-origin");
        assert!(!page.headers.iter().any(|(name, _)| name.starts_with("access-control")));
        assert!(!page.body.contains("<script"), "{path}");
        let response = ApiGatewayV2httpResponse::from(page.clone());
        assert_eq!(response.headers.len(), page.headers.len() + 1, "{path}: each is sent");
    }
}

#[tokio::test]
async fn the_style_is_the_one_that_the_policy_names() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let (mailbox, ..) = mailbox(&[], &[]).await;
    let page = get(&mailbox, PATH, &[]).await;
    let style = page.body.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    assert!(header(&page, "content-security-policy").contains(&format!("'sha256-{hash}'")));
}

#[tokio::test]
async fn scripts_read_on_from_where_they_were() {
    let letters: Vec<_> = ["a", "b", "c"].map(letter).into();
    let (mailbox, ids, _folder) = mailbox(&letters, &[sms("+1", "x")]).await;
    let read = async |query: &[(&str, &str)]| {
        let page = get(&mailbox, "/_local/sent.json", query).await;
        assert_eq!((page.status, page.content_type), (200, "application/json"), "{}", page.body);
        serde_json::from_str::<Value>(&page.body).unwrap()
    };
    let first = read(&[("limit", "2")]).await;
    let to = |answer: &Value| -> Vec<String> {
        let messages = answer["messages"].as_array().unwrap().iter();
        messages.map(|message| message["to"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((to(&first), first["next"].as_str()), (vec!["a".into(), "b".into()], Some(&*ids[1])));
    let rest = read(&[("after", &ids[1])]).await;
    assert_eq!((to(&rest), rest["next"].as_str()), (vec!["c".into(), "+1".into()], Some(&*ids[3])));
    let text = &rest["messages"][1];
    assert_eq!((&text["segments"], &text["encoding"]), (&1.into(), &"GSM".into()));
    assert_eq!(text["tags"], serde_json::json!([["t-workspace", "shop"], ["t-occasion", "sale"]]));
    let none = read(&[("after", &ids[3])]).await;
    assert_eq!((to(&none).len(), none["next"].as_str()), (0, Some(&*ids[3])));
    for query in [[("after", "local-1")], [("limit", "0")], [("limit", "many")]] {
        assert_eq!(get(&mailbox, "/_local/sent.json", &query).await.status, 400, "{query:?}");
    }
}

#[tokio::test]
async fn an_answer_in_json_is_bounded_in_bytes() {
    let large = Letter { html: "x".repeat(GIVEN_BYTES_MAX / 2), ..letter("a") };
    let (mailbox, ids, _folder) = mailbox(&[large.clone(), large], &[]).await;
    let first: Value = serde_json::from_str(&get(&mailbox, "/_local/sent.json", &[]).await.body).unwrap();
    assert_eq!((first["messages"].as_array().unwrap().len(), first["next"].as_str()), (1, Some(&*ids[0])));
}

#[test]
fn a_path_is_one_of_the_pages_or_somebody_elses() {
    let check = |path: &str, expected: Option<Route>| assert_eq!(Route::of(path), expected, "{path}");
    check("/_local/sent", Some(Route::List));
    check("/_local/sent/", Some(Route::List));
    check("/_local/sent.json", Some(Route::Json));
    check("/_local/sent/a", Some(Route::Message("a")));
    check("/_local/sent/a/html", Some(Route::Html("a")));
    check("/_local/sent/a/text", Some(Route::Nothing));
    check("/_local/sent/a/html/b", Some(Route::Nothing));
    check("/_local/sentry", None);
    check("/_local/status", None);
}

#[test]
fn only_this_machines_own_pages_and_programs_may_read() {
    let check = |expected: bool, given: &[(&'static str, &str)]| {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        assert_eq!(may_read(&given.iter().map(header).collect()), expected, "{given:?}");
    };
    for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST", "127.0.0.1", "[::1]"] {
        check(true, &[("host", host)]);
    }
    for host in ["evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[::1"] {
        check(false, &[("host", host)]);
    }
    check(false, &[]);
    let own = ("host", "127.0.0.1:8080");
    check(false, &[own, ("origin", "https://evil.example")]);
    check(false, &[own, ("origin", "null")]);
    check(true, &[own, ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "iframe")]);
    check(true, &[own, ("sec-fetch-site", "none"), ("sec-fetch-dest", "document")]);
    check(true, &[own, ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")]);
    check(false, &[own, ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")]);
    check(false, &[own, ("sec-fetch-site", "same-site"), ("sec-fetch-dest", "empty")]);
    check(false, &[own, ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "script")]);
}

#[tokio::test]
async fn a_request_is_answered_if_its_sender_may_read() {
    let (mailbox, ..) = mailbox(&[letter("ann@example.com")], &[]).await;
    let ask = async |method: Method, path: &str, host: &'static str| {
        let mut request = ApiGatewayV2httpRequest::default();
        request.raw_path = Some(path.to_owned());
        request.request_context.http.method = method;
        request.headers.insert(HOST, HeaderValue::from_static(host));
        request.query_string_parameters = "address=ann%40example.com".parse().unwrap();
        mailbox.respond(&request).await.map(|response| (response.status_code, response.body))
    };
    let (status, body) = ask(Method::GET, PATH, "localhost:8080").await.unwrap();
    assert!(status == 200 && matches!(body, Some(Body::Text(text)) if text.contains("ann@example.com")));
    assert_eq!(ask(Method::HEAD, PATH, "localhost:8080").await.unwrap().0, 200);
    let (status, body) = ask(Method::GET, PATH, "evil.example").await.unwrap();
    assert!(status == 403 && matches!(body, Some(Body::Text(text)) if !text.contains("ann")));
    assert_eq!(ask(Method::POST, PATH, "localhost:8080").await.unwrap().0, 405);
    assert_eq!(ask(Method::GET, "/_local/status", "localhost:8080").await, None);
}
