//! The people of the shop. Each is made anew from the seed whenever needed, so
//! that a shop of a million takes no more memory than one of ten.

use crate::chance::Chance;
use crate::names::{self, Name};
use crate::year::DAYS;

pub(crate) struct Person {
    pub(crate) number: u32,
    pub(crate) first: Name,
    pub(crate) last: Name,
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) phone: Option<Phone>,
    pub(crate) card: Option<String>,
    pub(crate) company: Option<u32>,
    pub(crate) currency: &'static str,
    pub(crate) locale: &'static str,
    pub(crate) browser: String,
    pub(crate) second_browser: Option<String>,
    /// The tablet that the family shares, and that never forgets its first id.
    pub(crate) tablet: Option<String>,
    pub(crate) phone_app: Option<String>,
    /// The day of the first visit in the year.
    pub(crate) first_day: i64,
    /// The day on which they tell who they are; before 0 it was before the
    /// year, and some never do.
    pub(crate) joins: Option<i64>,
    visits_a_year: u32,
}

/// A number of those that are kept for fiction: 555-0100 to 555-0199.
#[derive(Clone, Copy)]
pub(crate) struct Phone {
    area: u16,
    line: u32,
}

/// Area codes; with a hundred numbers in each, so many people have a phone.
const AREAS: [u16; 60] = [
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229,
    231, 234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304,
    305, 307, 308, 309, 310, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 323, 325, 330,
];

const DOMAINS: [&str; 5] =
    ["example.com", "example.org", "example.net", "mail.example.com", "post.example.org"];

/// Households, of a hundred, that share a tablet.
const TABLETS_PERCENT: u32 = 15;
const HOUSEHOLD: u32 = 3;

impl Person {
    pub(crate) fn of(seed: u64, number: u32) -> Self {
        let chance = &mut Chance::of(seed, "person", &[number.into()]);
        let (first, last) = names::full(chance);
        let (first_day, joins) = days(chance);
        let known = joins.is_some();
        Self {
            number,
            first,
            last,
            user_id: format!("cus-{:06}{:02}", number, chance.under(100)),
            email: email(first, last, number, chance),
            phone: Phone::of(number).filter(|_| chance.percent(70)),
            card: (known && chance.percent(45)).then(|| format!("2900{number:07}{}", chance.under(10))),
            company: (known && chance.percent(6)).then_some(number / 12),
            currency: chance.pick(&["USD", "USD", "USD", "USD", "EUR", "EUR", "GBP"]),
            locale: chance.pick(&["en-US", "en-US", "ru-RU", "en-GB", "de-DE", "sr-RS", "uk-UA"]),
            browser: chance.uuid(),
            second_browser: chance.percent(30).then(|| chance.uuid()),
            tablet: tablet(seed, number).filter(|_| known),
            phone_app: (known && chance.percent(40)).then(|| chance.uuid()),
            first_day,
            joins,
            visits_a_year: visits_a_year(chance),
        }
    }

    /// Whether they come on this day; on the first and on that of joining they do.
    pub(crate) fn comes(&self, day: i64, chance: &mut Chance) -> bool {
        let whim = chance.under(365) < self.visits_a_year;
        day == self.first_day || self.joins == Some(day) || (day > self.first_day && whim)
    }

    /// Whether the shop knows them by the morning of this day.
    pub(crate) fn joined_before(&self, day: i64) -> bool {
        self.joins.is_some_and(|joins| joins < day)
    }
}

/// The day of the first visit, and that of joining: half were customers before
/// the year, a quarter become customers, a quarter only look around.
fn days(chance: &mut Chance) -> (i64, Option<i64>) {
    let first = chance.between(0, DAYS - 1);
    match chance.under(4) {
        0 | 1 => (first, Some(chance.between(-1000, -1))),
        2 => (first, Some((first + chance.between(0, 20)).min(DAYS - 1))),
        _ => (first, None),
    }
}

/// Most come now and then; a few come all the time.
fn visits_a_year(chance: &mut Chance) -> u32 {
    match chance.under(10) {
        0..=3 => 1 + chance.under(3),
        4..=7 => 3 + chance.under(8),
        _ => 10 + chance.under(25),
    }
}

/// Unique by the person's number, in the ways in which people choose addresses.
fn email(first: Name, last: Name, number: u32, chance: &mut Chance) -> String {
    let (first, last) = (first.ascii, last.ascii);
    let domain = chance.pick(&DOMAINS);
    match chance.under(4) {
        0 => format!("{first}.{last}{number}@{domain}"),
        1 => format!("{last}.{first}.{number}@{domain}"),
        2 => format!("{first}{number}@{domain}"),
        _ => format!("{last}_{number}@{domain}"),
    }
}

/// Two or three neighbours in number share a tablet.
fn tablet(seed: u64, number: u32) -> Option<String> {
    let chance = &mut Chance::of(seed, "household", &[(number / HOUSEHOLD).into()]);
    let members = 2 + chance.under(2);
    let has = chance.percent(TABLETS_PERCENT);
    let id = chance.uuid();
    (has && number % HOUSEHOLD < members).then_some(id)
}

impl Phone {
    /// Everybody has another; when the numbers for fiction run out, none.
    fn of(number: u32) -> Option<Self> {
        let areas = u32::try_from(AREAS.len()).ok()?;
        let area = AREAS.get(usize::try_from(number % areas).ok()?)?;
        let line = number / areas;
        (line < 100).then_some(Self { area: *area, line: 100 + line })
    }

    pub(crate) fn international(self) -> String {
        format!("+1{}5550{}", self.area, self.line)
    }

    /// As clerks type it.
    pub(crate) fn typed(self, chance: &mut Chance) -> String {
        let Self { area, line } = self;
        match chance.under(5) {
            0 => format!("({area}) 555-0{line}"),
            1 => format!("{area}-555-0{line}"),
            2 => format!("{area}.555.0{line}"),
            3 => format!("1 {area} 555 0{line}"),
            _ => self.international(),
        }
    }
}
