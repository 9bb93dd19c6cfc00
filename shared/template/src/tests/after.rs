//! What is done to a letter after it was rendered.

use serde_json::json;

use super::{html, rendered};
use crate::{links, rewrite, with_pixel};

const KEPT: &str = "https://x.example/u?a=1&b=2";

#[test]
fn links_to_the_web_are_found_where_they_stand() {
    let html = concat!(
        "<a class=\"b\" href=\"https://x.example/?a=1&amp;b=2\">1</a><A HREF='HTTP://y.example'>2</A>",
        "<a href=\"mailto:a@b\">3</a><a href=\"https://z.example\" data-no-track>4</a><a href=\"#top\">5</a>",
        "<a href=\"https://x.example/u?a=1&amp;b=2\">6</a><!-- <a href=\"https://c.example\"> --><img src=\"https://p.example\">",
        "<a href=https://unquoted.example>7</a><script>'<a href=\"https://s.example\">'</script>",
    );
    let found: Vec<String> = links(html, &[KEPT]).into_iter().map(|link| link.url).collect();
    assert_eq!(found, ["https://x.example/?a=1&b=2", "HTTP://y.example"]);
    let rewritten = rewrite(html, &[KEPT], |at, url| format!("https://t.example/{at}?\"{}", url.len()));
    let expected = html
        .replacen("https://x.example/?a=1&amp;b=2", "https://t.example/0?&quot;26", 1)
        .replace("HTTP://y.example", "https://t.example/1?&quot;16");
    assert_eq!(rewritten, expected, "nothing else is touched");
}

#[test]
fn a_letter_is_rewritten_to_itself() {
    let html = "<p>é</p><a href='https://x.example/é?a&amp;b'>é</a>";
    assert_eq!(rewrite(html, &[], |_, url| url.to_owned()), html);
}

#[test]
fn the_pixel_stands_before_the_end_of_the_body() {
    let pixel = "<img src=\"https://o.example/?a&amp;b\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;width:1px;height:1px;border:0\">";
    let with = |html| with_pixel(html, "https://o.example/?a&b");
    assert_eq!(
        with("<body>x<!-- </body> --></body></html>"),
        format!("<body>x<!-- </body> -->{pixel}</body></html>")
    );
    assert_eq!(with("x"), format!("x{pixel}"));
}

#[test]
fn a_text_part_is_made_of_the_html() {
    let source = concat!(
        "<head><title>T</title><style>p{}</style></head><body><div style=\"display: none\">hid<div>den</div></div>",
        "<h1>Hello,\n   {{ profile.name }}</h1><p>One&nbsp;&amp; <b>two</b><br>three</p>",
        "<ul><li>a</li><li><a href=\"https://x.example/?a=1&amp;b=2\">link</a></li></ul>",
        "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table><hr>",
        "<a href=\"https://x.example\"><img src=\"https://x.example/p.png\" alt=\"Logo\"></a>",
        "<a href=\"mailto:a@b.example\">a@b.example</a> <a href=\"https://y.example\"></a>",
    );
    let letter = rendered(source, json!({ "profile": { "name": "Ann <3" } })).expect("a letter");
    assert_eq!(
        letter.text,
        "Hello, Ann <3\n\nOne & two\nthree\n\n- a\n- link (https://x.example/?a=1&b=2)\n\n1 2\n3\n---\n\
         Logo (https://x.example)a@b.example https://y.example"
    );
}

#[test]
fn a_preheader_is_hidden_at_the_beginning_of_the_body() {
    let mut draft = super::letter("<html><body class=\"a\">x</body></html>");
    if let Some(email) = draft.languages.get_mut("en").and_then(|body| body.email.as_mut()) {
        email.preheader = Some("1 < 2".to_owned());
    }
    let letter = super::compiled(&draft)
        .expect("saved")
        .render_email("en", &super::data(json!({})))
        .expect("a letter");
    assert!(letter.html.starts_with("<html><body class=\"a\"><div style=\"display:none;"), "{}", letter.html);
    assert_eq!(letter.text, "x");
    assert_eq!(html("x", json!({})), "x");
}
