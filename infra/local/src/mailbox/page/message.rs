//! One message as a person would see it, and everything that travelled with it.

use domain::messaging::sms::{Alphabet, Measure};
use ports::channel::{Letter, Text};

use super::super::receipt::sender;
use super::super::{Content, Message, Outcome};
use super::html::{BACK, escaped, moment, table};
use super::{HTML, LETTER_POLICY, PATH, Page};

/// Characters of a text that are shown: escaped they have to fit an answer.
const TEXT_MAX: usize = 100_000;

/// The page of a message.
pub(super) fn page(message: &Message) -> Page {
    let (title, body) = match &message.content {
        Content::Letter(letter) => (&letter.subject, of_letter(message, letter)),
        Content::Text(text) => (&text.to, of_text(message, text)),
    };
    let tags = message.content.tags().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = format!("{BACK}<h1>{}</h1>\n{body}<h2>Tags</h2>\n{}", escaped(title), table(tags));
    Page::html(200, title, &body)
}

/// The HTML part of a letter, with nothing around it.
pub(super) fn html_part(message: &Message) -> Option<Page> {
    match &message.content {
        Content::Letter(letter) if !letter.html.is_empty() => {
            Some(Page::new(200, HTML, LETTER_POLICY.to_owned(), letter.html.clone()))
        }
        Content::Letter(_) | Content::Text(_) => None,
    }
}

fn of_letter(message: &Message, letter: &Letter) -> String {
    let (id, sender) = (&message.id.0, sender(letter));
    let mut headers = vec![("From", sender.as_str()), ("To", &letter.to), ("Subject", &letter.subject)];
    headers.extend(letter.reply_to.iter().map(|address| ("Reply-To", address.as_str())));
    headers.extend(letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let html = if letter.html.is_empty() {
        "<p>There is none.</p>\n".to_owned()
    } else {
        format!(
            "<iframe sandbox=\"allow-popups allow-popups-to-escape-sandbox\" src=\"{PATH}/{id}/html\" \
             title=\"The HTML part\"></iframe>\n<p><a href=\"{PATH}/{id}/html\">The HTML part alone</a></p>\n"
        )
    };
    let set = letter.configuration_set.as_deref().unwrap_or("none");
    let beside = table(beside(message, &moment(message.at), set));
    let headers = table(headers);
    let text = preformatted(&letter.text, "text");
    format!("{beside}<h2>HTML</h2>\n{html}<h2>Text</h2>\n{text}<h2>Headers</h2>\n{headers}")
}

/// What a provider knows of every message.
fn beside<'a>(message: &'a Message, at: &'a str, set: &'a str) -> [(&'static str, &'a str); 4] {
    let outcome = Outcome::of(&message.content).name();
    [("Accepted", at), ("Id", &message.id.0), ("Receipt", outcome), ("Configuration set", set)]
}

fn of_text(message: &Message, text: &Text) -> String {
    let Measure { alphabet, units, segments, room, foreign } = Measure::of(&text.body);
    let length = format!(
        "{segments} segment{}: {units} units, room for {room} more",
        if segments == 1 { "" } else { "s" }
    );
    let alphabet = match alphabet {
        Alphabet::Gsm7 => "GSM-7".to_owned(),
        Alphabet::Ucs2 => format!("UCS-2, for {}", String::from_iter(foreign)),
    };
    let ttl = text.ttl_s.map_or_else(|| "the provider's".to_owned(), |ttl| format!("{ttl} s"));
    let (at, set) = (moment(message.at), text.configuration_set.as_deref().unwrap_or("none"));
    let rows = [
        ("To", text.to.as_str()),
        ("From", text.origination.as_deref().unwrap_or("whatever the provider chooses")),
        ("Length", &length),
        ("Encoding", &alphabet),
        ("Kind", if text.is_promotional { "promotional" } else { "transactional" }),
        ("Time to live", &ttl),
        ("Highest price of a part", text.max_price.as_deref().unwrap_or("none")),
    ];
    let rows = rows.into_iter().chain(beside(message, &at, set));
    format!("{}<h2>Details</h2>\n{}", preformatted(&text.body, "sms"), table(rows))
}

/// A text with its lines; a long one is cut, and says so.
fn preformatted(text: &str, class: &str) -> String {
    if text.is_empty() {
        return "<p>There is none.</p>\n".to_owned();
    }
    let end = text.char_indices().nth(TEXT_MAX).map_or(text.len(), |(place, _)| place);
    let (shown, rest) = text.split_at(end);
    let cut = if rest.is_empty() {
        String::new()
    } else {
        format!("<p class=\"quiet\">{} more bytes are not shown.</p>\n", rest.len())
    };
    // The line feed is the element's own: one with which the text begins stays.
    format!("<pre class=\"{class}\">\n{}</pre>\n{cut}", escaped(shown))
}
