//! Makes JSON of what SDKs write where JSON has no word for it.

use std::fmt::Write as _;

/// Replaces bare `NaN` and infinities by `null`, and halves of surrogate pairs
/// and NUL by U+FFFD; escapes control characters. The rest stays as it is, and
/// what is broken stays broken.
pub(super) fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' => mend_string(rest, &mut mended),
            _ => mend_plain(rest, first, &mut mended),
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    mended
}

/// Words that JavaScript and Python have for numbers and JSON has not.
const NO_NUMBERS: [&str; 4] = ["NaN", "-NaN", "Infinity", "-Infinity"];

/// Takes what stands outside of strings, up to the next string or word.
fn mend_plain(rest: &str, first: char, mended: &mut String) -> usize {
    if let Some(word) = NO_NUMBERS.iter().find(|word| rest.starts_with(**word)) {
        mended.push_str("null");
        return word.len();
    }
    let start = first.len_utf8();
    let tail = rest.get(start..).unwrap_or_default();
    let taken = start + tail.find(['"', 'N', 'I', '-']).unwrap_or(tail.len());
    mended.push_str(rest.get(..taken).unwrap_or_default());
    taken
}

/// Takes a string with its quotes; one that never ends is taken whole.
fn mend_string(rest: &str, mended: &mut String) -> usize {
    mended.push('"');
    let mut at = 1;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        let plain = tail.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(tail.len());
        let (text, special) = tail.split_at(plain);
        mended.push_str(text);
        at += plain;
        match special.as_bytes().first() {
            None => break,
            Some(b'"') => {
                mended.push('"');
                return at + 1;
            }
            Some(b'\\') => at += mend_escape(special, mended),
            Some(0) => {
                mended.push('\u{fffd}');
                at += 1;
            }
            Some(control) => {
                let _ = write!(mended, "\\u{control:04x}"); // Writing to a string cannot fail.
                at += 1;
            }
        }
    }
    at
}

/// Takes one escape, or the two that make a surrogate pair.
fn mend_escape(rest: &str, mended: &mut String) -> usize {
    let taken = match (unit(rest), rest.get(6..).and_then(unit)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
        (Some(0 | 0xd800..=0xdfff), _) => {
            mended.push('\u{fffd}');
            return 6;
        }
        (Some(_), _) => 6,
        // Some other escape, or a broken one: its two characters, as they are.
        (None, _) => rest.chars().take(2).map(char::len_utf8).sum(),
    };
    mended.push_str(rest.get(..taken).unwrap_or_default());
    taken
}

/// The code unit of a `\uXXXX` at the front.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}
