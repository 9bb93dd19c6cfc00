//! GSM's alphabet: 3GPP TS 23.038, sections 6.2.1 and 6.2.1.1.
//!
//! Crates for it pack septets into bytes, which a provider does for us; what is
//! asked here is only what a character takes. National shift tables are left
//! out: providers do not send them unless asked.

/// The default alphabet in the order of its codes. 0x1B is the escape and no
/// character; 0x09 is the capital Ç, as the standard has it.
const DEFAULT: &str = concat!(
    "@£$¥èéùìòÇ\nØø\rÅå",
    "Δ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ",
    " !\"#¤%&'()*+,-./",
    "0123456789:;<=>?",
    "¡ABCDEFGHIJKLMNO",
    "PQRSTUVWXYZÄÖÑÜ§",
    "¿abcdefghijklmno",
    "pqrstuvwxyzäöñüà",
);

/// What stands behind the escape.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

const ESCAPE: char = '\u{1b}';

/// Septets of a character, if the alphabet has it.
pub(super) fn septets(character: char) -> Option<usize> {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' => Some(1),
        ESCAPE => None,
        _ if DEFAULT.contains(character) => Some(1),
        _ if EXTENSION.contains(character) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_alphabet_stands_in_the_order_of_its_codes() {
        let codes: Vec<char> = DEFAULT.chars().collect();
        assert_eq!(codes.len(), 128);
        let check = |code: usize, character: char| assert_eq!(codes[code], character, "{code:#04x}");
        let samples = [
            (0x00, '@'),
            (0x01, '\u{a3}'),
            (0x02, '$'),
            (0x03, '\u{a5}'),
            (0x04, '\u{e8}'),
            (0x05, '\u{e9}'),
            (0x06, '\u{f9}'),
            (0x07, '\u{ec}'),
            (0x08, '\u{f2}'),
            (0x09, '\u{c7}'),
            (0x0a, '\n'),
            (0x0b, '\u{d8}'),
            (0x0c, '\u{f8}'),
            (0x0d, '\r'),
            (0x0e, '\u{c5}'),
            (0x0f, '\u{e5}'),
            (0x10, '\u{394}'),
            (0x11, '_'),
            (0x12, '\u{3a6}'),
            (0x13, '\u{393}'),
            (0x14, '\u{39b}'),
            (0x15, '\u{3a9}'),
            (0x16, '\u{3a0}'),
            (0x17, '\u{3a8}'),
            (0x18, '\u{3a3}'),
            (0x19, '\u{398}'),
            (0x1a, '\u{39e}'),
            (0x1c, '\u{c6}'),
            (0x1d, '\u{e6}'),
            (0x1e, '\u{df}'),
            (0x1f, '\u{c9}'),
            (0x24, '\u{a4}'),
            (0x40, '\u{a1}'),
            (0x5b, '\u{c4}'),
            (0x5c, '\u{d6}'),
            (0x5d, '\u{d1}'),
            (0x5e, '\u{dc}'),
            (0x5f, '\u{a7}'),
            (0x60, '\u{bf}'),
            (0x7b, '\u{e4}'),
            (0x7c, '\u{f6}'),
            (0x7d, '\u{f1}'),
            (0x7e, '\u{fc}'),
            (0x7f, '\u{e0}'),
        ];
        for (code, character) in samples {
            check(code, character);
        }
        // Everywhere else the code is that of ASCII.
        let named: Vec<usize> = samples.iter().map(|(code, _)| *code).chain([0x1b]).collect();
        for code in (0..128_u8).filter(|code| !named.contains(&usize::from(*code))) {
            check(usize::from(code), char::from(code));
        }
    }

    #[test]
    fn the_alphabet_has_137_characters_and_ten_of_them_take_two_septets() {
        let all = |septets_of: usize| {
            ('\0'..=char::MAX).filter(|character| septets(*character) == Some(septets_of)).count()
        };
        assert_eq!((all(1), all(2)), (127, 10));
        for absent in ['ç', 'á', '`', '\t', '\u{1b}', '\u{a0}', 'Α', 'α', 'А', '’', '₴', '₽'] {
            assert_eq!(septets(absent), None, "{absent:?}");
        }
    }
}
