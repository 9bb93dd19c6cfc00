//! What a template must have to be saved.

use serde_json::json;

use super::{compiled, data, draft, letter};
use crate::{Body, Draft, Email, Kind, Partials, Sms, Template};

fn promotional(html: &str, text: Option<&str>) -> Draft {
    let email = Email {
        subject: "Sale".to_owned(),
        html: Some(html.to_owned()),
        text: text.map(ToOwned::to_owned),
        ..Email::default()
    };
    draft(Kind::Promotional, Body { email: Some(email), sms: None })
}

fn told(draft: &Draft) -> String {
    let mistakes = compiled(draft).err().unwrap_or_default();
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const WAY_OUT: &str = "{{ sender.postal_address }} <a href=\"{{ links.unsubscribe }}\">Unsubscribe</a>";

#[test]
fn a_promotional_letter_has_a_way_out_and_an_address() {
    assert_eq!(
        told(&promotional("Buy", None)),
        "en.email.html:1:1: a promotional letter does not name its sender's postal address; add {{ sender.postal_address }}\n\
         en.email.html:1:1: a promotional letter has no link to unsubscribe; add <a href=\"{{ links.unsubscribe }}\">Unsubscribe</a>; in a text part {{ links.unsubscribe }}"
    );
    assert_eq!(told(&promotional(WAY_OUT, None)), "");
    let text = told(&promotional(WAY_OUT, Some("Buy {{ links.unsubscribe }}")));
    assert!(
        text.starts_with("en.email.text:1:1: a promotional letter does not name") && !text.contains('\n'),
        "{text}"
    );
    assert_eq!(told(&letter("A receipt")), "");
    let sms = Sms { text: "Sale! {{ links.unsubscribe }}".to_owned() };
    assert_eq!(told(&draft(Kind::Promotional, Body { email: None, sms: Some(sms) })), "");
}

#[test]
fn a_way_out_that_a_condition_left_out_is_not_sent() {
    let template = compiled(&promotional(&format!("{{% if profile.vip %}}{WAY_OUT}{{% endif %}}"), None))
        .expect("saved");
    let way =
        json!({ "links": { "unsubscribe": "https://x.example/u" }, "sender": { "postal_address": "Leeds" } });
    let error = template.render_email("en", &data(way)).expect_err("no way out");
    assert!(error.to_string().contains("left out"), "{error}");
}

#[test]
fn a_draft_is_whole() {
    let mut draft = letter("x");
    draft.default_language = "uk".to_owned();
    assert!(told(&draft).contains("default language `uk`"));
    draft.default_language = "en".to_owned();
    draft.languages.insert("Ukrainian".to_owned(), Body::default());
    assert!(
        told(&draft).contains("`Ukrainian` is no language") && told(&draft).contains("there is no message")
    );
    let mut draft = letter("");
    assert!(told(&draft).contains("it is empty"));
    if let Some(email) = draft.languages.get_mut("en").and_then(|body| body.email.as_mut()) {
        email.mjml = Some("<mjml></mjml>".to_owned());
    }
    assert!(told(&draft).contains("either `html` or `mjml`"));
    let read = Draft::read("{\"kind\": \"promotional\", \"topic\": 1}").expect_err("no draft");
    assert_eq!(read.place.part, "topic");
}

#[test]
fn snippets_of_the_template_stand_before_those_of_the_workspace() {
    let mut draft = letter("{% render 'hi', name: profile.name %}{% render 'by' %}");
    draft.partials.insert("hi".to_owned(), "<b>{{ name }}</b>".to_owned());
    let shared: Partials =
        [("hi", "other"), ("by", "bye")].map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let template = Template::compile(&draft, &shared).expect("a template");
    let letter = template.render_email("en", &data(json!({ "profile": { "name": "<" } }))).expect("a letter");
    assert_eq!(letter.html, "<b>&lt;</b>bye");
    let error = template.render_email("en", &data(json!({}))).expect_err("no name");
    assert_eq!(error.place.part, "en.email.html");
}

#[test]
fn a_mistake_in_a_snippet_is_told_with_its_own_place() {
    let mut draft = letter("{% render 'hi' %}{% render 'hi' %}");
    draft.partials.insert("hi".to_owned(), "\n{{ x | nope }}".to_owned());
    assert_eq!(
        told(&draft),
        "partials.hi:2:1: there is no filter `nope`; docs/templates.md lists the filters"
    );
    draft.partials.insert("hi".to_owned(), "<a href=\"".to_owned());
    assert!(told(&draft).contains("partials.hi:1:1: a snippet ends in another place"));
}

#[test]
fn mjml_that_is_none_is_told() {
    let mjml = |source: &str| {
        let email = Email { subject: "x".to_owned(), mjml: Some(source.to_owned()), ..Email::default() };
        told(&draft(Kind::Transactional, Body { email: Some(email), sms: None }))
    };
    let place = mjml("<mjml>\n<mj-body><mj-text></mj-body></mjml>");
    assert!(place.starts_with("en.email.mjml:2:") && place.contains("this is no MJML"), "{place}");
    assert!(mjml("<p>").contains("this is no MJML"));
    let place = mjml(
        "<mjml><mj-body>\n<mj-section><mj-column><mj-text>{{ profle.x }}</mj-text></mj-column></mj-section></mj-body></mjml>",
    );
    assert!(place.starts_with("en.email.mjml:2:33: there is no variable"), "{place}");
}
