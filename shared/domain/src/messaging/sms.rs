//! What a text costs as an SMS: its alphabet, its length, its segments.
//!
//! A text goes in the alphabet of GSM, seven bits a character, if that has all
//! of its characters, and otherwise in UCS-2, sixteen bits: one wrong quotation
//! mark halves what fits. So the author is told which characters do that, and
//! [`latin`] offers a text without them.

mod gsm;
pub mod latin;

use rust_decimal::Decimal;

/// The alphabet in which a whole text travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM's default alphabet and its extension; units are septets.
    Gsm7,
    /// Units are those of UTF-16.
    Ucs2,
}

/// What a text comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    pub alphabet: Alphabet,
    pub units: usize,
    /// What is paid for; none for an empty text.
    pub segments: usize,
    /// Units that the last segment still takes.
    pub room: usize,
    /// The characters that GSM's alphabet has not, each once, as they first appear.
    pub foreign: Vec<char>,
}

impl Alphabet {
    /// The alphabet that a text takes.
    pub fn of(text: &str) -> Self {
        let has_all = text.chars().all(|character| gsm::septets(character).is_some());
        if has_all { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// Units of a text that is one segment.
    pub const fn alone(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// Units of each segment of a longer text: six bytes of it say which one it is.
    pub const fn together(self) -> usize {
        match self {
            Self::Gsm7 => 153,
            Self::Ucs2 => 67,
        }
    }

    /// Units of a character; two of them are never parted.
    fn units(self, character: char) -> usize {
        match self {
            Self::Gsm7 => gsm::septets(character).unwrap_or(2),
            Self::Ucs2 => character.len_utf16(),
        }
    }

    fn length(self, text: &str) -> usize {
        text.chars().map(|character| self.units(character)).sum()
    }
}

impl Measure {
    pub fn of(text: &str) -> Self {
        let alphabet = Alphabet::of(text);
        let parts = parts(text);
        let most = if parts.len() > 1 { alphabet.together() } else { alphabet.alone() };
        let used = parts.last().map_or(0, |last| alphabet.length(last));
        Self {
            alphabet,
            units: alphabet.length(text),
            segments: parts.len(),
            room: most - used,
            foreign: foreign(text),
        }
    }

    /// What it costs to send, at a price for each segment.
    pub fn cost(&self, price: Decimal) -> Decimal {
        price.saturating_mul(Decimal::from(self.segments))
    }
}

/// A text as its segments carry it.
pub fn parts(text: &str) -> Vec<&str> {
    let alphabet = Alphabet::of(text);
    if alphabet.length(text) <= alphabet.alone() {
        return if text.is_empty() { Vec::new() } else { vec![text] };
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(fitting(rest, alphabet));
        parts.push(part);
        rest = after;
    }
    parts
}

/// Bytes of what one of several segments takes of a text.
fn fitting(text: &str, alphabet: Alphabet) -> usize {
    let mut used = 0;
    let is_over = |(_, character): &(usize, char)| {
        used += alphabet.units(*character);
        used > alphabet.together()
    };
    text.char_indices().find(is_over).map_or(text.len(), |(place, _)| place)
}

fn foreign(text: &str) -> Vec<char> {
    let mut foreign = Vec::new();
    for character in text.chars().filter(|character| gsm::septets(*character).is_none()) {
        if !foreign.contains(&character) {
            foreign.push(character);
        }
    }
    foreign
}

#[cfg(test)]
mod tests;
