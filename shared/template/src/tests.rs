//! What templates promise, and what hostile ones may not do.

mod golden;
mod saving;
mod contexts;
mod language;
mod hostile;
mod after;
mod laws;

use serde_json::{Value, json};

use crate::{
    Body, Data, Draft, Email, Fields, Kind, Mistake, Partials, RenderError, RenderedEmail, Sms, Template,
};

fn data(fields: Value) -> Data {
    let Value::Object(mut fields) = fields else { panic!("data is an object") };
    let mut field = |name: &str| fields.remove(name).unwrap_or_default();
    let [profile, computed, event] = ["profile", "computed", "event"].map(&mut field);
    let [message, links, sender] = ["message", "links", "sender"].map(&mut field);
    Data::new(&Fields { profile, computed, event, message, links, sender }).expect("small data")
}

fn draft(kind: Kind, body: Body) -> Draft {
    Draft {
        kind,
        topic: "news".to_owned(),
        default_language: "en".to_owned(),
        languages: [("en".to_owned(), body)].into(),
        partials: Partials::new(),
    }
}

fn letter(html: &str) -> Draft {
    let email = Email { subject: "Hello".to_owned(), html: Some(html.to_owned()), ..Email::default() };
    draft(Kind::Transactional, Body { email: Some(email), sms: None })
}

fn sms(text: &str) -> Draft {
    let sms = Sms { text: text.to_owned() };
    draft(Kind::Transactional, Body { email: None, sms: Some(sms) })
}

fn compiled(draft: &Draft) -> Result<Template, Vec<Mistake>> {
    Template::compile(draft, &Partials::new())
}

fn rendered(html: &str, fields: Value) -> Result<RenderedEmail, RenderError> {
    compiled(&letter(html)).expect("a template without mistakes").render_email("en", &data(fields))
}

/// The HTML that `html` becomes, or how the error reads.
fn html(html: &str, fields: Value) -> String {
    rendered(html, fields).map_or_else(|error| error.to_string(), |letter| letter.html)
}

/// The text that an SMS becomes, or how the error reads.
fn text(source: &str, fields: Value) -> String {
    let template = compiled(&sms(source)).expect("a template without mistakes");
    template.render_sms("en", &data(fields)).map_or_else(|error| error.to_string(), |sms| sms.text)
}

/// The mistakes of a letter's HTML, one a line.
fn mistakes(html: &str) -> String {
    let mistakes = compiled(&letter(html)).err().unwrap_or_default();
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn nobody() -> Value {
    json!({})
}
