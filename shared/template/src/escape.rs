//! Writes a value so that it cannot leave its place.

use crate::context::Context;
use crate::meter::Refusal;

/// The text of a value as it stands in `context`.
pub(crate) fn escaped(text: &str, context: Context) -> Result<String, Refusal> {
    match context {
        Context::Plain => Ok(text.chars().filter(|char| is_kept(*char)).collect()),
        Context::Html => Ok(html(text)),
        Context::Component => Ok(component(text)),
        Context::Link => address(text, &["http", "https", "mailto", "tel"]).map(|address| html(&address)),
        Context::Source => address(text, &["http", "https"]).map(|address| html(&address)),
        Context::Style => style(text),
    }
}

/// No letter needs control characters; some programs stumble over them.
fn is_kept(char: char) -> bool {
    !char.is_control() || matches!(char, '\n' | '\r' | '\t')
}

fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for char in text.chars().filter(|char| is_kept(*char)) {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Old programs took it for a quote.
            '`' => escaped.push_str("&#96;"),
            char => escaped.push(char),
        }
    }
    escaped
}

/// Everything but what RFC 3986 calls unreserved becomes `%XX`.
pub(crate) fn component(text: &str) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    encoded
}

/// An address that may be followed: browsers drop line ends and tabs, so `java\nscript:` is refused.
fn address(text: &str, schemes: &[&str]) -> Result<String, Refusal> {
    let text = text.trim();
    let (scheme, rest) = text.split_once(':').ok_or(Refusal::NotALink)?;
    let scheme = scheme.to_ascii_lowercase();
    let hostless = matches!(scheme.as_str(), "mailto" | "tel");
    let host = rest
        .strip_prefix("//")
        .is_some_and(|host| host.starts_with(|char: char| char.is_alphanumeric() || char == '['));
    let sound = !text.contains(|char: char| char.is_control() || matches!(char, '\\' | '<' | '>' | '"'));
    let leads = host || hostless && !rest.is_empty();
    if schemes.contains(&scheme.as_str()) && sound && leads {
        Ok(text.replace(' ', "%20"))
    } else {
        Err(Refusal::NotALink)
    }
}

/// Colours and sizes; no `url(..)`, no end of the declaration.
fn style(text: &str) -> Result<String, Refusal> {
    let sound =
        |char: char| char.is_ascii_alphanumeric() || matches!(char, '#' | '%' | '.' | ',' | '-' | ' ');
    if text.chars().all(sound) { Ok(text.to_owned()) } else { Err(Refusal::NotAStyle) }
}

/// A header's line: line ends, and all other control characters, become single spaces.
pub(crate) fn line(text: &str) -> String {
    text.split(|char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}'))
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
