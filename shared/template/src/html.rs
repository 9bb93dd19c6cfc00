//! What is done to the HTML of a letter after it was rendered.
//!
//! `html5gum` reads it: a tokenizer by WHATWG's own rules, with no dependencies, that tells where in
//! the text an attribute's value stands. So a letter is changed at those places and nowhere else.

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

use crate::context::Context;
use crate::escape::escaped;

/// A link of a letter that clicks may be counted of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where the value of its `href` stands, in bytes.
    pub range: std::ops::Range<usize>,
    /// Where it leads, without HTML's escapes.
    pub url: String,
}

/// The mark of a link that is left alone; [`rewrite`] leaves it in.
const NO_TRACK: &str = "data-no-track";

fn tokens(html: &str) -> impl Iterator<Item = Token<usize>> {
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(html, emitter).filter_map(Result::ok)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn attribute(tag: &StartTag<usize>, name: &str) -> Option<String> {
    tag.attributes.get(name.as_bytes()).map(|value| text_of(value))
}

/// The links of `html` to the web, in order: those not marked `data-no-track`, and not those that
/// lead to one of `kept`, such as the link to unsubscribe.
pub fn links(html: &str, kept: &[&str]) -> Vec<Link> {
    tokens(html)
        .filter_map(|token| match token {
            Token::StartTag(tag) if matches!(text_of(&tag.name).as_str(), "a" | "area") => link(html, &tag),
            _ => None,
        })
        .filter(|link| !kept.contains(&link.url.as_str()))
        .collect()
}

fn link(html: &str, tag: &StartTag<usize>) -> Option<Link> {
    let href = tag.attributes.get("href".as_bytes())?;
    let url = text_of(href).trim().to_owned();
    let lower = url.to_ascii_lowercase();
    let web = lower.starts_with("http://") || lower.starts_with("https://");
    let tracked = !tag.attributes.contains_key(NO_TRACK.as_bytes());
    let range = quoted(html, href.span.start, href.span.end)?;
    (web && tracked).then_some(Link { range, url })
}

/// Where the value of an attribute stands within its quotes; `None` if it has none.
fn quoted(html: &str, start: usize, end: usize) -> Option<std::ops::Range<usize>> {
    let attribute = html.get(start..end)?;
    let (_, value) = attribute.split_once('=')?;
    let inner = value.trim_start();
    let begin = end - inner.len() + 1;
    let unquoted = inner.strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])?;
    Some(begin..begin + unquoted.len())
}

/// `html` with each of its [`links`] leading where `to` says, by its number and its address.
pub fn rewrite(html: &str, kept: &[&str], to: impl Fn(usize, &str) -> String) -> String {
    let mut rewritten = String::with_capacity(html.len() + html.len() / 4);
    let mut from = 0;
    for (at, Link { range, url }) in links(html, kept).into_iter().enumerate() {
        rewritten.push_str(html.get(from..range.start).unwrap_or_default());
        rewritten.push_str(&attribute_text(&to(at, &url)));
        from = range.end;
    }
    rewritten.push_str(html.get(from..).unwrap_or_default());
    rewritten
}

/// `html` with an invisible picture at its end, whose loading tells that it was opened.
pub fn with_pixel(html: &str, url: &str) -> String {
    let url = attribute_text(url);
    let pixel = format!(
        r#"<img src="{url}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">"#
    );
    let end = tokens(html).filter_map(|token| match token {
        Token::EndTag(tag) if &*tag.name == b"body" => Some(tag.span.start),
        _ => None,
    });
    inserted(html, end.last().unwrap_or(html.len()), &pixel)
}

/// `html` with the words that lists of letters show beside the subject.
pub(crate) fn with_preheader(html: &str, words: &str) -> String {
    let words = attribute_text(words);
    let hidden = format!(
        r#"<div style="display:none;max-height:0;max-width:0;overflow:hidden;opacity:0">{words}</div>"#
    );
    let body = tokens(html).find_map(|token| match token {
        Token::StartTag(tag) if &*tag.name == b"body" => Some(tag.span.end),
        _ => None,
    });
    inserted(html, body.unwrap_or(0), &hidden)
}

fn attribute_text(text: &str) -> String {
    escaped(text, Context::Html).unwrap_or_default()
}

fn inserted(html: &str, at: usize, what: &str) -> String {
    let (before, after) = html.split_at_checked(at).unwrap_or((html, ""));
    [before, what, after].concat()
}

/// The text of a piece of HTML, on one line.
pub(crate) fn plain(html: &str) -> String {
    let text = tokens(html).filter_map(|token| match token {
        Token::String(text) => Some(text_of(&text)),
        _ => None,
    });
    text.collect()
}

/// The text part that is made of a letter's HTML. A link is kept as `text (url)`.
pub(crate) fn to_text(html: &str) -> String {
    let mut writer = Writer::default();
    for token in tokens(html) {
        match token {
            Token::StartTag(tag) => writer.opened(&tag),
            Token::EndTag(tag) => writer.closed(&text_of(&tag.name)),
            Token::String(text) => writer.words(&text_of(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => (),
        }
    }
    writer.text.trim().to_owned()
}

#[derive(Default)]
struct Writer {
    text: String,
    /// The elements that hide what is in them, the outermost first.
    hidden: Vec<(String, usize)>,
    /// Where the open links lead, and where their words begin.
    links: Vec<(String, usize)>,
    space: bool,
}

const HIDDEN: [&str; 5] = ["head", "script", "style", "title", "template"];
const VOID: [&str; 8] = ["br", "hr", "img", "input", "link", "meta", "col", "wbr"];
const BLOCKS: [&str; 22] = [
    "p",
    "div",
    "table",
    "tr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "blockquote",
    "section",
    "article",
    "header",
    "footer",
    "center",
    "pre",
    "dl",
    "address",
];
const APART: [&str; 10] = ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote"];

impl Writer {
    fn opened(&mut self, tag: &StartTag<usize>) {
        let name = text_of(&tag.name);
        if let Some((hidden, depth)) = self.hidden.last_mut() {
            *depth += usize::from(*hidden == name && !VOID.contains(&name.as_str()));
            return;
        }
        let style = attribute(tag, "style").unwrap_or_default().replace(' ', "").to_ascii_lowercase();
        let unseen = style.contains("display:none");
        if (HIDDEN.contains(&name.as_str()) || unseen) && !VOID.contains(&name.as_str()) && !tag.self_closing
        {
            self.hidden.push((name, 1));
            return;
        }
        match name.as_str() {
            "br" => self.lines(1),
            "hr" => {
                self.lines(1);
                self.text.push_str("---");
                self.lines(1);
            }
            "img" => self.words(&attribute(tag, "alt").unwrap_or_default()),
            "a" => {
                let url = attribute(tag, "href").unwrap_or_default();
                self.links.push((url.trim().to_owned(), self.text.len()));
            }
            "td" | "th" => self.space = true,
            "li" => {
                self.lines(1);
                self.text.push_str("- ");
            }
            name => self.block(name),
        }
    }

    fn closed(&mut self, name: &str) {
        if let Some((hidden, depth)) = self.hidden.last_mut() {
            *depth -= usize::from(*hidden == name);
            if *depth == 0 {
                self.hidden.pop();
            }
            return;
        }
        match name {
            "a" => {
                if let Some((url, from)) = self.links.pop() {
                    self.link(&url, from);
                }
            }
            name => self.block(name),
        }
    }

    fn link(&mut self, url: &str, from: usize) {
        let shown = self.text.get(from..).unwrap_or_default().trim();
        let bare = url.strip_prefix("mailto:").or_else(|| url.strip_prefix("tel:")).unwrap_or(url);
        if url.is_empty() || url.starts_with('#') || shown == bare {
            return;
        }
        if shown.is_empty() {
            self.words(bare);
        } else {
            self.text.extend([" (", bare, ")"]);
        }
    }

    fn block(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            self.lines(if APART.contains(&name) { 2 } else { 1 });
        }
    }

    /// White space is one space, as browsers show it.
    fn words(&mut self, text: &str) {
        if !self.hidden.is_empty() {
            return;
        }
        let blank =
            |char: char| char.is_ascii_whitespace() || matches!(char, '\u{a0}' | '\u{200c}' | '\u{feff}');
        for char in text.chars() {
            if blank(char) {
                self.space = true;
                continue;
            }
            if self.space && !self.text.is_empty() && !self.text.ends_with(['\n', ' ']) {
                self.text.push(' ');
            }
            self.space = false;
            self.text.push(char);
        }
    }

    /// At least so many line ends, and never more than two.
    fn lines(&mut self, count: usize) {
        self.space = false;
        let ends = self.text.len() - self.text.trim_end_matches('\n').len();
        if !self.text.is_empty() {
            self.text.extend(std::iter::repeat_n('\n', count.saturating_sub(ends)));
        }
    }
}
