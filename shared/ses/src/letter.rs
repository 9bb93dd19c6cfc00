//! A letter in the words of SES, or why SES could not take it.

use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ports::channel::{Letter, SendError};

const UTF_8: &str = "UTF-8";
/// What SES takes of a header: bytes of its name, and of name and value together.
const HEADER_NAME_MAX: usize = 126;
const HEADER_MAX: usize = 996;
/// What SES takes of a tag's name and of its value.
const TAG_MAX: usize = 256;
/// An encoded word has 75 characters at most (RFC 2047): 45 bytes become 60.
const WORD_BYTES_MAX: usize = 45;

/// Refuses what would be read as something else than it says, such as a line
/// break in a header, and what SES would refuse anyway.
pub(crate) fn check(letter: &Letter) -> Result<(), SendError> {
    let addresses = [Some(&letter.from), Some(&letter.to), letter.reply_to.as_ref()];
    let names = [Some(&letter.subject), letter.from_name.as_ref()];
    let code = if !addresses.into_iter().flatten().all(|address| is_address(address)) {
        "InvalidAddress"
    } else if names.into_iter().flatten().any(|text| text.contains(char::is_control)) {
        "InvalidSubject"
    } else if !letter.headers.iter().all(|(name, value)| is_header(name, value)) {
        "InvalidHeader"
    } else if !letter.tags.iter().all(|(name, value)| is_tag(name) && is_tag(value)) {
        "InvalidTag"
    } else {
        return Ok(());
    };
    Err(SendError::Refused { code })
}

/// Whether it names one mailbox; nothing else is checked of it here.
fn is_address(address: &str) -> bool {
    let splits = |letter: char| {
        letter.is_control() || letter.is_whitespace() || matches!(letter, ',' | ';' | '<' | '>')
    };
    !address.is_empty() && !address.contains(splits)
}

fn is_header(name: &str, value: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    let is_value = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    (1..=HEADER_NAME_MAX).contains(&name.len())
        && name.len() + value.len() <= HEADER_MAX
        && name.bytes().all(is_name)
        && value.bytes().all(is_value)
}

fn is_tag(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=TAG_MAX).contains(&text.len()) && text.bytes().all(safe)
}

/// The sender as a header says it; a name beyond ASCII in encoded words.
pub(crate) fn sender(letter: &Letter) -> String {
    let Some(name) = letter.from_name.as_deref().filter(|name| !name.is_empty()) else {
        return letter.from.clone();
    };
    let name =
        if name.is_ascii() { format!("\"{}\"", name.replace(['\\', '"'], "'")) } else { encoded(name) };
    format!("{name} <{}>", letter.from)
}

/// Encoded words, none of which ends within a character.
fn encoded(name: &str) -> String {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if word.len() + letter.len_utf8() <= WORD_BYTES_MAX => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    let words: Vec<_> =
        words.iter().map(|word| format!("=?{UTF_8}?B?{}?=", BASE64_STANDARD.encode(word))).collect();
    words.join(" ")
}

pub(crate) fn destination(letter: &Letter) -> Destination {
    Destination::builder().to_addresses(&letter.to).build()
}

pub(crate) fn content(letter: &Letter) -> Result<EmailContent, BuildError> {
    let part = |text: &str| (!text.is_empty()).then(|| utf_8(text)).transpose();
    let body = Body::builder().set_html(part(&letter.html)?).set_text(part(&letter.text)?).build();
    let mut message = Message::builder().subject(utf_8(&letter.subject)?).body(body);
    for (name, value) in &letter.headers {
        message = message.headers(MessageHeader::builder().name(name).value(value).build()?);
    }
    Ok(EmailContent::builder().simple(message.build()).build())
}

pub(crate) fn tags(letter: &Letter) -> Result<Vec<MessageTag>, BuildError> {
    letter.tags.iter().map(|(name, value)| MessageTag::builder().name(name).value(value).build()).collect()
}

fn utf_8(text: &str) -> Result<Content, BuildError> {
    Content::builder().data(text).charset(UTF_8).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        let (from, to) = ("shop@example.com".to_owned(), "ann@example.com".to_owned());
        Letter { from, to, subject: "Привет".to_owned(), text: "x".to_owned(), ..Letter::default() }
    }

    fn refused(change: impl FnOnce(&mut Letter), expected: &str) {
        let mut letter = letter();
        change(&mut letter);
        match check(&letter) {
            Err(SendError::Refused { code }) => assert_eq!(code, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }

    #[test]
    fn what_would_be_read_as_something_else_is_refused() {
        check(&letter()).unwrap();
        for address in ["", "a@b.c, d@e.f", "a@b.c\r\nBcc: d@e.f", "<a@b.c>", "a @b.c"] {
            refused(|letter| address.clone_into(&mut letter.to), "InvalidAddress");
            refused(|letter| letter.reply_to = Some(address.to_owned()), "InvalidAddress");
        }
        for text in ["a\r\nBcc: d@e.f", "a\nb", "a\rb", "a\0"] {
            refused(|letter| text.clone_into(&mut letter.subject), "InvalidSubject");
            refused(|letter| letter.from_name = Some(text.to_owned()), "InvalidSubject");
            refused(|letter| letter.headers = vec![("X-A".to_owned(), text.to_owned())], "InvalidHeader");
        }
        for name in ["", "X:A", "X A", "X-Ä", "X\r\n"] {
            refused(|letter| letter.headers = vec![(name.to_owned(), "1".to_owned())], "InvalidHeader");
        }
        refused(|letter| letter.headers = vec![("X-A".to_owned(), "ä".to_owned())], "InvalidHeader");
        refused(|letter| letter.headers = vec![("X-A".to_owned(), "a".repeat(994))], "InvalidHeader");
    }

    #[test]
    fn a_tag_has_letters_digits_and_two_signs() {
        for (name, value) in
            [("t-delivery", ""), ("", "a"), ("t", "a b"), ("t", "a@b"), ("t", "ä"), ("t.x", "a")]
        {
            refused(|letter| letter.tags = vec![(name.to_owned(), value.to_owned())], "InvalidTag");
        }
        refused(|letter| letter.tags = vec![("t".to_owned(), "a".repeat(257))], "InvalidTag");
        let mut longest = letter();
        longest.tags = vec![("t-delivery_1".to_owned(), "A".repeat(256))];
        check(&longest).unwrap();
    }

    #[test]
    fn a_sender_is_named_in_quotes_or_in_encoded_words() {
        let check = |name: Option<&str>, expected: &str| {
            let letter = Letter { from_name: name.map(str::to_owned), ..letter() };
            assert_eq!(sender(&letter), expected);
        };
        check(None, "shop@example.com");
        check(Some(""), "shop@example.com");
        check(Some("A \"good\" shop, Ltd."), "\"A 'good' shop, Ltd.\" <shop@example.com>");
        check(Some("Лавка"), "=?UTF-8?B?0JvQsNCy0LrQsA==?= <shop@example.com>");
        let long = encoded(&"я".repeat(30));
        assert!(long.split(' ').count() == 2 && long.split(' ').all(|word| word.len() <= 75), "{long}");
    }
}
