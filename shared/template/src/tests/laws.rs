//! No value changes the HTML around it, whatever it holds.

use html5gum::{Token, Tokenizer};
use proptest::prelude::*;
use serde_json::json;

use super::{compiled, data, draft, letter};
use crate::{Body, Email, Kind, Template};

/// Values stand in every place in which they may.
const SOURCE: &str = concat!(
    "<!DOCTYPE html><html><head><title>{{ message.x }}</title></head><body><!-- {{ message.x }} -->",
    "<p title=\"{{ message.x }}\" class='{{ message.x }}'>{{ message.x }}{% if message.x %}<b>{{ message.x }}</b>{% endif %}</p>",
    "<a href=\"https://x.example/{{ message.x }}?q={{ message.x }}\" data-a=\"{{ message.x | upcase }}\">{{ message.x }}</a>",
    "<!--[if mso]><v:rect href='https://x.example/{{ message.x }}' title=\"{{ message.x }}\">{{ message.x }}</v:rect><![endif]-->",
    "{% capture c %}<i>{{ message.x }}</i>{% endcapture %}<i title=\"{{ c }}\">{{ c }}</i><textarea>{{ message.x }}</textarea>",
    "{% for i in message.list %}<li>{{ i }}</li>{% endfor %}</body></html>",
);

/// The tags, attributes' names and order of a letter: everything but its words.
fn structure(html: &str) -> Vec<String> {
    let mut emitter = html5gum::DefaultEmitter::<()>::default();
    emitter.naively_switch_states(true);
    let tokens = Tokenizer::new_with_emitter(html, emitter).filter_map(Result::ok);
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    tokens
        .filter_map(|token| match token {
            Token::StartTag(tag) => {
                let names: Vec<String> = tag.attributes.keys().map(|name| lossy(name)).collect();
                Some(format!("<{} {}>", lossy(&tag.name), names.join(" ")))
            }
            Token::EndTag(tag) => Some(format!("</{}>", lossy(&tag.name))),
            Token::Comment(_) => Some("comment".to_owned()),
            Token::Doctype(_) => Some("doctype".to_owned()),
            Token::String(_) | Token::Error(_) => None,
        })
        .collect()
}

/// The same as Outlook reads it: what its conditional comments hold is HTML.
fn in_outlook(html: &str) -> String {
    html.replace("<!--[if mso]>", "").replace("<![endif]-->", "")
}

fn made(template: &Template, x: &str) -> String {
    let fields = json!({ "message": { "x": x, "list": [x, x] } });
    template.render_email("en", &data(fields)).expect("a letter").html
}

fn hostile() -> impl Strategy<Value = String> {
    let snippets = prop::sample::select(vec![
        "<script>",
        "</script>",
        "\"",
        "'",
        "`",
        "<",
        ">",
        "-->",
        "--!>",
        "<!--",
        "<![endif]-->",
        "</title>",
        "\r\n",
        "\n",
        "\0",
        "{{",
        "}}",
        "{% if x %}",
        "{{ 7 | raw }}",
        "javascript:",
        "data:",
        "&",
        "&#34;",
        "&quot",
        "=",
        "/",
        "\\",
        " onload=x ",
        "]]>",
        "<![CDATA[",
        "é",
        "\u{2028}",
        "\u{202e}",
        "%3C",
        "+ADw-",
        "x",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(snippets, 0..8).prop_map(|parts| parts.concat()),
        prop::collection::vec(any::<char>(), 0..20).prop_map(|chars| chars.into_iter().collect()),
    ]
}

proptest! {
    #[test]
    fn no_value_leaves_its_place(x in hostile()) {
        let template = compiled(&letter(SOURCE)).expect("a template");
        let (plain, made) = (made(&template, "x"), made(&template, &format!("x{x}")));
        prop_assert_eq!(structure(&made), structure(&plain));
        prop_assert_eq!(structure(&in_outlook(&made)), structure(&in_outlook(&plain)));
        prop_assert_eq!(structure(&crate::with_pixel(&made, "https://o.example")).len(), structure(&plain).len() + 1);
    }

    #[test]
    fn a_whole_address_never_runs_anything(x in hostile(), scheme in prop::sample::select(vec!["", "https://a.example/", "javascript:", "tel:", "mailto:a"])) {
        let template = compiled(&letter("<a href=\"{{ message.x }}\" title='t'>a</a>")).expect("a template");
        let fields = json!({ "message": { "x": format!("{scheme}{x}") } });
        if let Ok(letter) = template.render_email("en", &data(fields)) {
            prop_assert_eq!(structure(&letter.html), ["<a href title>", "</a>"]);
            let allowed = ["http://", "https://", "tel:", "mailto:"];
            let href = letter.html.trim_start_matches("<a href=\"").to_ascii_lowercase();
            prop_assert!(allowed.iter().any(|scheme| href.starts_with(scheme)), "{}", href);
        }
    }

    #[test]
    fn headers_are_one_line_whatever_comes(x in hostile()) {
        let mut draft = letter("x");
        if let Some(email) = draft.languages.get_mut("en").and_then(|body| body.email.as_mut()) {
            email.subject = "Hi {{ message.x }}".to_owned();
        }
        let fields = json!({ "message": { "x": x } });
        let letter = compiled(&draft).expect("a template").render_email("en", &data(fields)).expect("a letter");
        prop_assert!(!letter.subject.contains(|char: char| char.is_control()));
    }

    #[test]
    fn any_source_is_read_or_refused(source in "[ -~]{0,40}", braces in prop::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{%", "%}", "-", " if ", "for i in ", "endif", "endfor", "profile.x", "|", "append:", "'", "\"", "(1..3)",
        "<a href=\"", ">", "==", "assign a = ", "[", "]", "99999999999999999999", "nil", "1.5", "raw", "capture c", "case x", "when",
    ]), 0..24)) {
        let _ = compiled(&letter(&(braces.join(" ") + &source))).map(|template| {
            template.render_email("en", &data(json!({ "profile": { "x": [1, "a"] } })))
        });
    }

    #[test]
    fn any_mjml_is_read_or_refused(
        parts in prop::collection::vec(prop::sample::select(vec![
            "mj-section", "mj-column", "mj-text", "mj-button", "mj-image", "mj-divider", "mj-spacer", "mj-table", "mj-raw",
            "mj-hero", "mj-wrapper", "mj-group", "mj-navbar", "mj-navbar-link", "mj-social", "mj-social-element",
            "mj-accordion", "mj-accordion-element", "mj-carousel", "mj-carousel-image", "p", "{{ message.x }}", "words",
            "{% if message.x %}", "{% endif %}", "&amp;", "<!-- c -->",
        ]), 0..12),
        attributes in prop::collection::vec((prop::sample::select(vec![
            "width", "height", "padding", "border", "border-width", "background-url", "background-position", "columns",
            "href", "src", "color", "font-size", "line-height", "align", "mode", "name", "css-class", "inner-padding",
            "background-size", "border-radius", "container-background-color", "vertical-align", "direction",
        ]), prop::sample::select(vec![
            "", "0", "-1", "1px", "50%", "0%", "{{ message.x }}", "auto", "1px 2px 3px 4px", "1px solid {{ message.x }}", "px", "%",
            "999999999999999999999px", "https://x.example/{{ message.x }}", "é", "facebook", "50% {{ message.x }}",
        ])), 0..6),
    ) {
        let attributes: Vec<String> = attributes.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
        let (attributes, mut inner) = (attributes.concat(), String::new());
        for part in parts.iter().rev() {
            inner = if part.starts_with("mj-") || *part == "p" {
                format!("<{part}{attributes}>{inner}</{part}>")
            } else {
                format!("{part}{inner}")
            };
        }
        let source = format!("<mjml><mj-body>{inner}</mj-body></mjml>");
        let email = Email { subject: "x".to_owned(), mjml: Some(source), ..Email::default() };
        let draft = draft(Kind::Transactional, Body { email: Some(email), sms: None });
        if let Ok(template) = compiled(&draft) {
            let fields = json!({ "message": { "x": "red\" onload=\"x" } });
            if let Ok(letter) = template.render_email("en", &data(fields)) {
                prop_assert!(!letter.html.contains("\" onload"));
            }
        }
    }
}
