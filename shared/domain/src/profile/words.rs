//! Texts of a page, without what the page says anyway.
//!
//! An event's payload repeats its time and its message id, and a UUID takes 36
//! letters for 16 bytes. In a *short* text a control character stands for each
//! of them. JSON has no such characters unescaped; a text that does have some
//! is kept as it is.

use std::collections::BTreeMap;

use super::dictionary::UNPACKED_MAX;
use super::packed::Corrupt;
use crate::time::Timestamp;

/// Stands in front of a text that is kept as it is.
const KEPT: char = '\0';
const MESSAGE_ID: char = '\u{1}';
/// The client's time, as RFC 3339 and in milliseconds.
const TIME: char = '\u{2}';
const MILLIS: char = '\u{3}';
/// The page's next UUID, in small letters or in capitals.
const NEXT_LOWER: char = '\u{4}';
const NEXT_UPPER: char = '\u{5}';
/// A UUID that came before; its place follows, as a character.
const AGAIN_LOWER: char = '\u{6}';
const AGAIN_UPPER: char = '\u{7}';
const LAST_SIGN: char = AGAIN_UPPER;
/// Shorter words are not worth a sign.
const WORD_MIN: usize = 10;

pub(super) type Uuid = u128;

/// What an event's texts are likely to repeat, each with its sign.
pub(super) struct Words {
    words: Vec<(char, String)>,
    /// Whether a word or a UUID can be found at a byte: hardly ever.
    telling: [bool; 256],
}

impl Words {
    pub(super) fn of(client_at: Timestamp) -> Self {
        let mut words = Self { words: Vec::new(), telling: [false; 256] };
        words.tell(b'-');
        words.add(TIME, client_at.rfc3339());
        words.add(MILLIS, client_at.millis().to_string());
        words
    }

    pub(super) fn add_message_id(&mut self, message_id: &str) {
        self.add(MESSAGE_ID, message_id.to_owned());
    }

    fn add(&mut self, sign: char, word: String) {
        if word.len() >= WORD_MIN && first_sign(&word).is_none() {
            word.bytes().take(1).for_each(|byte| self.tell(byte));
            self.words.push((sign, word));
        }
    }

    fn tell(&mut self, byte: u8) {
        self.telling.iter_mut().skip(byte.into()).take(1).for_each(|telling| *telling = true);
    }

    /// How far it is from a place of a text to the next telling byte.
    fn ahead(&self, text: &str, place: usize) -> Option<usize> {
        let is_telling = |byte: &u8| self.telling.get(usize::from(*byte)).copied().unwrap_or_default();
        text.as_bytes().get(place..)?.iter().position(is_telling)
    }

    /// The longest with which a text begins.
    fn at(&self, text: &str) -> Option<(char, usize)> {
        let stands = self.words.iter().filter(|(_, word)| text.starts_with(word.as_str()));
        stands.map(|(sign, word)| (*sign, word.len())).max_by_key(|(_, length)| *length)
    }

    fn word(&self, sign: char) -> Result<&str, Corrupt> {
        let word = self.words.iter().find(|(of, _)| *of == sign);
        word.map(|(_, word)| word.as_str()).ok_or(Corrupt::Bytes)
    }
}

/// Shortens the texts of one page, one after another.
#[derive(Default)]
pub(super) struct Shortener {
    uuids: Vec<Uuid>,
    places: BTreeMap<Uuid, u32>,
}

impl Shortener {
    pub(super) fn shorten(&mut self, words: &Words, text: &str) -> String {
        if first_sign(text).is_some() {
            return format!("{KEPT}{text}");
        }
        let mut short = String::with_capacity(text.len());
        let (mut written, mut place) = (0, 0);
        while let Some(ahead) = words.ahead(text, place) {
            place += ahead;
            let found = match text.get(place..) {
                Some(rest) if rest.starts_with('-') => self.uuid(text, written, place),
                Some(rest) => words.at(rest).map(|(sign, length)| (place, length, (sign, None))),
                None => None,
            };
            place += 1;
            let Some((begin, length, (sign, again))) = found else { continue };
            short.push_str(text.get(written..begin).unwrap_or_default());
            short.push(sign);
            short.extend(again);
            written = begin + length;
            place = written;
        }
        short.push_str(text.get(written..).unwrap_or_default());
        short
    }

    /// The UUIDs that were taken out, in the order in which they came.
    pub(super) fn uuids(self) -> Vec<Uuid> {
        self.uuids
    }

    /// The UUID behind `written` whose first dash is here: where it begins, its
    /// length, and what stands for it.
    fn uuid(&mut self, text: &str, written: usize, dash: usize) -> Option<(usize, usize, Signs)> {
        let begin = dash.checked_sub(DASHES[0]).filter(|begin| *begin >= written)?;
        let (uuid, is_upper) = read(text.get(begin..)?)?;
        let (next, again) = if is_upper { (NEXT_UPPER, AGAIN_UPPER) } else { (NEXT_LOWER, AGAIN_LOWER) };
        let signs = if let Some(place) = self.places.get(&uuid) {
            (again, Some(char::from_u32(*place)?))
        } else {
            self.places.insert(uuid, u32::try_from(self.uuids.len()).ok()?);
            self.uuids.push(uuid);
            (next, None)
        };
        Some((begin, UUID_LENGTH, signs))
    }
}

/// A sign, and the place that follows it.
type Signs = (char, Option<char>);

/// Writes out what [`Shortener`] shortened, in the same order.
pub(super) struct Expander {
    uuids: Vec<Uuid>,
    next: usize,
    /// Bytes that may still be written: a small page must not become gigabytes.
    left: usize,
}

impl Expander {
    pub(super) fn new(uuids: Vec<Uuid>) -> Self {
        Self { uuids, next: 0, left: UNPACKED_MAX }
    }

    pub(super) fn expand(&mut self, words: &Words, short: &str) -> Result<String, Corrupt> {
        if let Some(kept) = short.strip_prefix(KEPT) {
            return Ok(kept.to_owned());
        }
        let mut text = String::new();
        let mut rest = short;
        while let Some(place) = first_sign(rest) {
            let (plain, signs) = rest.split_at(place);
            self.append(&mut text, plain)?;
            let mut signs = signs.chars();
            let sign = signs.next().unwrap_or_default();
            match sign {
                NEXT_LOWER | NEXT_UPPER => {
                    self.append(&mut text, &self.written(self.next, sign == NEXT_UPPER)?)?;
                    self.next += 1;
                }
                AGAIN_LOWER | AGAIN_UPPER => {
                    let place = signs.next().ok_or(Corrupt::Bytes)?;
                    self.append(&mut text, &self.written(place as usize, sign == AGAIN_UPPER)?)?;
                }
                _ => self.append(&mut text, words.word(sign)?)?,
            }
            rest = signs.as_str();
        }
        self.append(&mut text, rest)?;
        Ok(text)
    }

    fn append(&mut self, text: &mut String, part: &str) -> Result<(), Corrupt> {
        self.left = self.left.checked_sub(part.len()).ok_or(Corrupt::Bytes)?;
        text.push_str(part);
        Ok(())
    }

    fn written(&self, place: usize, is_upper: bool) -> Result<String, Corrupt> {
        self.uuids.get(place).map(|uuid| write(*uuid, is_upper)).ok_or(Corrupt::Bytes)
    }
}

fn first_sign(text: &str) -> Option<usize> {
    text.bytes().position(|byte| char::from(byte) <= LAST_SIGN)
}

const UUID_LENGTH: usize = 36;
/// Where its dashes stand.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The UUID with which a text begins, and whether it is in capitals; one that
/// mixes them is text like any other.
fn read(text: &str) -> Option<(Uuid, bool)> {
    let text = text.as_bytes().get(..UUID_LENGTH)?;
    if DASHES.iter().any(|place| text.get(*place) != Some(&b'-')) {
        return None;
    }
    let digits =
        || text.iter().enumerate().filter(|(place, _)| !DASHES.contains(place)).map(|(_, byte)| *byte);
    let is_upper = digits().any(|byte| byte.is_ascii_uppercase());
    if is_upper && digits().any(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let add = |uuid, byte| Some(uuid << 4 | Uuid::from(char::from(byte).to_digit(16)?));
    digits().try_fold(0, add).map(|uuid| (uuid, is_upper))
}

fn write(uuid: Uuid, is_upper: bool) -> String {
    let mut text = String::with_capacity(UUID_LENGTH);
    for byte in uuid.to_be_bytes() {
        if DASHES.contains(&text.len()) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            let digit = char::from_digit(digit.into(), 16).unwrap_or_default();
            text.push(if is_upper { digit.to_ascii_uppercase() } else { digit });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);
    const ID: &str = "0e7a9e3c-0000-4000-8000-00000000000a";

    fn message_id() -> String {
        format!("ajs-next-{}-{ID}", AT.millis())
    }

    fn words() -> Words {
        let mut words = Words::of(AT);
        words.add_message_id(&message_id());
        words
    }

    fn short(texts: &[String]) -> (Vec<Uuid>, Vec<String>) {
        let mut shortener = Shortener::default();
        let short = texts.iter().map(|text| shortener.shorten(&words(), text)).collect();
        (shortener.uuids(), short)
    }

    fn expanded(uuids: Vec<Uuid>, short: &[String]) -> Result<Vec<String>, Corrupt> {
        let mut expander = Expander::new(uuids);
        short.iter().map(|short| expander.expand(&words(), short)).collect()
    }

    #[test]
    fn what_a_page_says_anyway_takes_one_character() {
        let texts = [format!("{{{ID}}}"), message_id(), AT.rfc3339(), ID.to_uppercase()];
        let (uuids, short) = short(&texts);
        assert_eq!(uuids.len(), 1);
        assert_eq!(short, ["{\u{4}}", "\u{1}", "\u{2}", "\u{7}\0"]);
    }

    #[test]
    fn an_uuid_in_mixed_letters_is_text() {
        let mixed = ID.replace('e', "E");
        assert_eq!(short(std::slice::from_ref(&mixed)), (Vec::new(), vec![mixed]));
    }

    #[test]
    fn a_sign_for_nothing_is_refused() {
        for sign in ["\u{4}", "\u{6}", "\u{6}\u{5}", "a\0"] {
            assert_eq!(expanded(Vec::new(), &[sign.to_owned()]), Err(Corrupt::Bytes), "{sign:?}");
        }
    }

    #[test]
    fn a_few_signs_do_not_become_gigabytes() {
        let many = "\u{1}".repeat(UNPACKED_MAX / message_id().len() + 1);
        assert_eq!(expanded(Vec::new(), &[many]), Err(Corrupt::Bytes));
    }

    proptest! {
        #[test]
        fn a_short_text_is_written_out_as_it_was(
            parts in prop::collection::vec(
                prop_oneof![
                    "\\PC{0,8}",
                    "[\0-\u{9}a]{0,3}",
                    Just(ID.to_owned()),
                    Just(ID.to_uppercase()),
                    Just(AT.rfc3339()),
                    Just(message_id()),
                    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-fA]{4}-[0-9a-f]{4}-[0-9a-fё]{12}",
                ],
                0..8,
            ),
        ) {
            let texts = [parts.concat(), parts.concat(), parts.join("x")];
            let (uuids, short) = short(&texts);
            prop_assert_eq!(expanded(uuids, &short).unwrap(), texts);
        }

        #[test]
        fn no_short_text_makes_it_panic(uuids in prop::collection::vec(any::<u128>(), 0..3), short in "[\0-\u{9}aё]{0,9}") {
            let _ = expanded(uuids, &[short]);
        }
    }
}
