//! Canaries: values that look personal, each of which tells where it was put.

use std::collections::BTreeSet;

/// The places from which something leaked.
pub(crate) type Leaks = BTreeSet<String>;

/// What every word and address has in common.
const WORD: &str = "canary";
/// The same in base64, wherever in a text it stands.
const IN_BASE64: [&str; 3] = ["Y2FuYXJ5", "NhbmFye", "jYW5hcn"];
const IN_HEX: &str = "63616e617279";
/// Norwegian numbers of one exchange; three digits tell them apart.
const PHONES: &str = "+4790017";
const PHONES_MAX: usize = 999;
const COMMON: &str = "the phone of a good event";

const PLANTED: &str = "the planted leak";
const KNOWN: &str = "a person's address";

#[derive(Debug, Default)]
pub(crate) struct Canaries {
    /// Where each was put; a canary holds its place in this list.
    places: Vec<String>,
    phones: Vec<String>,
}

impl Canaries {
    fn next(&mut self, place: impl Into<String>) -> usize {
        self.places.push(place.into());
        self.places.len() - 1
    }

    /// Of small letters and digits alone, so that it can stand anywhere.
    pub(crate) fn word(&mut self, place: impl Into<String>) -> String {
        format!("{WORD}{}x", self.next(place))
    }

    pub(crate) fn mail(&mut self, place: impl Into<String>) -> String {
        format!("{WORD}{}x@leak.example", self.next(place))
    }

    /// A name as people write theirs.
    pub(crate) fn name(&mut self, place: impl Into<String>) -> String {
        format!("Ann Canary{}x O'Leak", self.next(place))
    }

    pub(crate) fn phone(&mut self, place: impl Into<String>) -> String {
        let number = self.phones.len();
        assert!(number < PHONES_MAX);
        self.phones.push(place.into());
        format!("{PHONES}{number:03}")
    }

    /// The one number of all good events.
    pub(crate) fn common_phone() -> String {
        format!("{PHONES}{PHONES_MAX:03}")
    }

    /// The name of the source that is logged on purpose.
    pub(crate) fn planted(&mut self) -> String {
        self.word(PLANTED)
    }

    pub(crate) fn only_planted() -> Leaks {
        Leaks::from([PLANTED.to_owned()])
    }

    /// The address of one person who is really there.
    pub(crate) fn known(&mut self) -> String {
        match self.places.iter().position(|place| place == KNOWN) {
            Some(number) => format!("{WORD}{number}x@leak.example"),
            None => self.mail(KNOWN),
        }
    }

    /// Where the canaries in a text were put.
    pub(crate) fn leaks(&self, text: &str, secrets: &[String]) -> Leaks {
        let small = text.to_ascii_lowercase();
        let mut leaks = Leaks::new();
        for (place, _) in small.match_indices(WORD) {
            leaks.insert(self.place(&small[place + WORD.len()..]));
        }
        let digits = Digits::of(&small);
        let common = (PHONES_MAX, COMMON.to_owned());
        for (number, place) in self.phones.iter().cloned().enumerate().chain([common]) {
            if digits.has(&format!("{}{number:03}", &PHONES[1..]))
                || digits.has_national(&PHONES[3..], number)
            {
                leaks.insert(place);
            }
        }
        let mut search = |found: bool, what: &str| {
            if found {
                leaks.insert(what.to_owned());
            }
        };
        search(IN_BASE64.iter().any(|word| text.contains(word)), "something in base64");
        search(small.contains(IN_HEX), "something in hex");
        search(secrets.iter().any(|secret| small.contains(&secret.to_ascii_lowercase())), "a secret");
        leaks
    }

    fn place(&self, behind: &str) -> String {
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        let place = digits.parse::<usize>().ok().and_then(|number| self.places.get(number));
        place.cloned().unwrap_or_else(|| format!("{WORD}{behind:.20}"))
    }
}

/// A text's numbers, as they stand and without what may stand between digits.
struct Digits<'a> {
    text: &'a str,
    joined: String,
}

impl<'a> Digits<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, joined: text.replace([' ', '-', '(', ')', '.'], "") }
    }

    fn has(&self, digits: &str) -> bool {
        self.joined.contains(digits)
    }

    /// Eight digits can stand in an id by chance: letters of hex must not stand beside them.
    fn has_national(&self, exchange: &str, number: usize) -> bool {
        let digits = format!("{exchange}{number:03}");
        self.text.match_indices(&digits).any(|(place, _)| {
            let before = self.text[..place].chars().next_back();
            let behind = self.text[place + digits.len()..].chars().next();
            ![before, behind].into_iter().flatten().any(|beside| beside.is_ascii_alphanumeric())
        })
    }
}
