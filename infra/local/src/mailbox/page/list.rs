//! The list of what was sent, newest first.

use std::fmt::Write as _;

use super::super::{Content, Counts, MESSAGES_MAX, Message, Outcome};
use super::PATH;
use super::html::{apart, escaped, moment};

/// The longest beginning of a message in the list, in characters.
const BEGINNING: usize = 100;

/// One page of the list.
pub(super) struct Shown<'a> {
    pub(super) messages: &'a [Message],
    pub(super) has_older: bool,
    /// Whether it begins with the newest.
    pub(super) is_newest: bool,
    pub(super) address: &'a str,
    pub(super) tag: &'a str,
    pub(super) counts: Counts,
}

impl Shown<'_> {
    /// The body of the page, as HTML.
    pub(super) fn page(&self) -> String {
        let mut out = format!("<h1>Sent messages</h1>\n{}{}", self.told(), self.form());
        if self.messages.is_empty() {
            out.push_str(if self.is_filtered() {
                "<p>None is like that.</p>\n"
            } else {
                "<p>Nothing was sent yet.</p>\n"
            });
            return out;
        }
        out.push_str(
            "<table><thead><tr><th>When</th><th>Channel</th><th>To</th><th>Message</th>\
             <th>Receipt</th></tr></thead><tbody>\n",
        );
        self.messages.iter().for_each(|message| row(&mut out, message));
        out.push_str("</tbody></table>\n");
        out + &self.turns()
    }

    const fn is_filtered(&self) -> bool {
        !self.address.is_empty() || !self.tag.is_empty()
    }

    /// That nothing went out, how many there are, and what is no more.
    fn told(&self) -> String {
        let Counts { kept, dropped, receipts } = self.counts;
        let mut out = format!(
            "<p class=\"quiet\">Nothing of this left the machine. {kept} kept; {receipts} receipts not \
             taken yet."
        );
        if dropped > 0 {
            let _ =
                write!(out, " <strong>The {dropped} oldest were dropped</strong>: {MESSAGES_MAX} are kept.");
        }
        out + "</p>\n"
    }

    fn form(&self) -> String {
        format!(
            "<form action=\"{PATH}\"><p><label>Address <input name=\"address\" value=\"{}\"></label> \
             <label>Message <input name=\"message\" value=\"{}\" \
             title=\"An id, or a part of a tag\"></label> <button>Find</button></p></form>\n",
            escaped(self.address),
            escaped(self.tag)
        )
    }

    /// Links to the pages beside this one.
    fn turns(&self) -> String {
        let mut links = Vec::new();
        if !self.is_newest {
            links.push(format!("<a href=\"{}\">Newest</a>", self.link(None)));
        }
        if let Some(last) = self.messages.last().filter(|_| self.has_older) {
            links.push(format!("<a href=\"{}\">Older</a>", self.link(Some(&last.id.0))));
        }
        format!("<p>{}</p>\n", links.join(" · "))
    }

    fn link(&self, before: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let values =
            [("address", self.address), ("message", self.tag), ("before", before.unwrap_or_default())];
        query.extend_pairs(values.into_iter().filter(|(_, value)| !value.is_empty()));
        escaped(&format!("{PATH}?{}", query.finish()))
    }
}

fn row(out: &mut String, message: &Message) {
    let (id, content) = (&message.id.0, &message.content);
    let outcome = Outcome::of(content).name();
    // Writing into a text never fails.
    let _ = writeln!(
        out,
        "<tr><td class=\"when\">{}</td><td>{}</td><td>{}</td><td><a href=\"{PATH}/{id}\">{}</a></td>\
         <td class=\"{outcome}\">{outcome}</td></tr>",
        moment(message.at),
        content.channel().name(),
        apart(content.to()),
        apart(&beginning(content)),
    );
}

/// By what a message is known in the list.
fn beginning(content: &Content) -> String {
    let text = match content {
        Content::Letter(letter) => &letter.subject,
        Content::Text(text) => &text.body,
    };
    if text.trim().is_empty() {
        return "(empty)".to_owned();
    }
    let mut start: String = text.chars().take(BEGINNING).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}
