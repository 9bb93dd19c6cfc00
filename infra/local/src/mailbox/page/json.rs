//! What was sent, for scripts.

use domain::messaging::sms::Measure;
use ports::channel::{Letter, Text};
use serde_json::{Value, json};

use super::super::receipt::encoding;
use super::super::{Content, Counts, Message, Outcome};

/// Messages, the newest last; `next` is where to go on, also if there was none.
pub(super) fn answer(messages: &[Message], after: &str, counts: Counts) -> String {
    let next = messages.last().map_or(after, |last| last.id.0.as_str());
    let next = Some(next).filter(|next| !next.is_empty());
    let messages: Vec<Value> = messages.iter().map(message).collect();
    json!({"messages": messages, "next": next, "kept": counts.kept, "dropped": counts.dropped}).to_string()
}

fn message(message: &Message) -> Value {
    let content = match &message.content {
        Content::Letter(letter) => of_letter(letter),
        Content::Text(text) => of_text(text),
    };
    let mut all = json!({
        "id": message.id.0,
        "at": message.at.rfc3339(),
        "channel": message.content.channel().name(),
        "to": message.content.to(),
        "receipt": Outcome::of(&message.content).name(),
        "tags": message.content.tags(),
    });
    if let (Some(all), Value::Object(content)) = (all.as_object_mut(), content) {
        all.extend(content);
    }
    all
}

fn of_letter(letter: &Letter) -> Value {
    let Letter { from, from_name, reply_to, subject, html, text, headers, configuration_set, .. } = letter;
    json!({
        "from": from, "from_name": from_name, "reply_to": reply_to, "subject": subject,
        "html": html, "text": text, "headers": headers, "configuration_set": configuration_set,
    })
}

fn of_text(text: &Text) -> Value {
    let Text { origination, body, is_promotional, ttl_s, max_price, configuration_set, .. } = text;
    let measure = Measure::of(body);
    json!({
        "origination": origination, "text": body, "encoding": encoding(measure.alphabet),
        "units": measure.units, "segments": measure.segments, "is_promotional": is_promotional,
        "ttl_s": ttl_s, "max_price": max_price, "configuration_set": configuration_set,
    })
}
