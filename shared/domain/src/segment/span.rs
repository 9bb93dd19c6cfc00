//! Lengths of time, and the calendar of the person's own zone.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

use crate::time::Timestamp;

/// A length of time: months are the calendar's, all else is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    months: u16,
    millis: i64,
}

/// The longest length: what is asked over more is asked over a lifetime.
pub const YEARS_MAX: u16 = 20;

impl Span {
    pub const fn millis(millis: i64) -> Self {
        Self { months: 0, millis }
    }

    /// Reads `90d`, `2w`, `36h`, `15m`, `30s`, `6mo` or `2y`; the reason if it is none.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "is no length of time; write a number and a unit: `30s`, `15m`, `36h`, `90d`, `2w`, `6mo` or `2y`";
        let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
        let unit = text.get(digits.len()..).unwrap_or_default();
        let number: u32 = digits.parse().map_err(|_| FORM)?;
        let fixed = |unit: i64| Self { months: 0, millis: i64::from(number) * unit };
        let months = |each: u32| {
            let months = number.checked_mul(each).and_then(|months| u16::try_from(months).ok());
            Self { months: months.unwrap_or(u16::MAX), millis: 0 }
        };
        let span = match unit {
            "s" => fixed(Timestamp::SECOND),
            "m" => fixed(Timestamp::MINUTE),
            "h" => fixed(Timestamp::HOUR),
            "d" => fixed(Timestamp::DAY),
            "w" => fixed(7 * Timestamp::DAY),
            "mo" => months(1),
            "y" => months(12),
            _ => return Err(FORM),
        };
        if number == 0 {
            return Err("is no time at all; a length of time is at least `1s`");
        }
        if span.longest() > i64::from(YEARS_MAX) * 366 * Timestamp::DAY {
            return Err("is longer than 20 years; leave the window out to ask over a lifetime");
        }
        Ok(span)
    }

    /// The moment so much later: where a window that began at `at` ends. What
    /// happened later never leaves it earlier.
    pub fn after(self, at: Timestamp) -> Timestamp {
        months_after(at, self.months).plus(self.millis)
    }

    /// The moment so much earlier.
    pub fn before(self, at: Timestamp) -> Timestamp {
        at_months(at, -i32::from(self.months)).map_or(at, |moved| millis(&moved)).plus(-self.millis)
    }

    /// At most so many milliseconds, whatever the months are.
    pub fn longest(self) -> i64 {
        i64::from(self.months) * 31 * Timestamp::DAY + self.millis
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [(i64, &str); 5] = [
            (7 * Timestamp::DAY, "w"),
            (Timestamp::DAY, "d"),
            (Timestamp::HOUR, "h"),
            (Timestamp::MINUTE, "m"),
            (Timestamp::SECOND, "s"),
        ];
        if self.months > 0 {
            return write!(f, "{}mo", self.months);
        }
        let (unit, name) = UNITS.into_iter().find(|(unit, _)| self.millis % unit == 0).unwrap_or((1, "ms"));
        write!(f, "{}{name}", self.millis / unit)
    }
}

fn at_months(at: Timestamp, months: i32) -> Option<Zoned> {
    if months == 0 {
        return None;
    }
    let moment = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
    moment.to_zoned(TimeZone::UTC).checked_add(months.months()).ok()
}

/// So many months later. Where that month lacks the day it is the end of the
/// month: its last day at the same hour would come before what the 28th leads to.
fn months_after(at: Timestamp, months: u16) -> Timestamp {
    let Some(moved) = at_months(at, i32::from(months)) else { return at };
    let is_there = moved.day() == Calendar::UTC.date(at).day();
    let end = || moved.date().tomorrow().ok().map(|next| Calendar::UTC.start(next));
    if is_there { millis(&moved) } else { end().unwrap_or_else(|| millis(&moved)) }
}

fn millis(moment: &Zoned) -> Timestamp {
    Timestamp::from_millis(moment.timestamp().as_millisecond())
}

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    Day,
    /// From Monday, as ISO 8601 counts.
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Days of the longest period.
    pub const fn days_max(self) -> i64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 31,
            Self::Quarter => 92,
            Self::Year => 366,
        }
    }

    fn first(self, of: Date) -> Date {
        let month = |month: i8| Date::new(of.year(), month, 1).unwrap_or(of);
        match self {
            Self::Day => of,
            Self::Week => {
                let back = i64::from(of.weekday().to_monday_zero_offset());
                of.checked_sub(back.days()).unwrap_or(of)
            }
            Self::Month => month(of.month()),
            Self::Quarter => month((of.month() - 1) / 3 * 3 + 1),
            Self::Year => month(1),
        }
    }

    fn moved(self, of: Date, periods: i32) -> Date {
        let by = match self {
            Self::Day => periods.days(),
            Self::Week => periods.weeks(),
            Self::Month => periods.months(),
            Self::Quarter => (3 * periods).months(),
            Self::Year => periods.years(),
        };
        of.checked_add(by).unwrap_or(of)
    }
}

/// The calendar of one person.
#[derive(Debug, Clone)]
pub struct Calendar(TimeZone);

impl Calendar {
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The calendar of a zone by its IANA name, or of UTC.
    pub fn of(zone: Option<&str>) -> Self {
        Self(zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC))
    }

    fn zoned(&self, at: Timestamp) -> Zoned {
        jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default().to_zoned(self.0.clone())
    }

    pub fn date(&self, at: Timestamp) -> Date {
        self.zoned(at).date()
    }

    /// When a day begins; where the clock skips midnight, the first moment after it.
    pub fn start(&self, date: Date) -> Timestamp {
        let zoned = date.to_zoned(self.0.clone());
        Timestamp::from_millis(zoned.map_or(0, |zoned| zoned.timestamp().as_millisecond()))
    }

    /// When the period begins that lies so many periods from the one of `at`.
    pub fn period(&self, unit: Unit, at: Timestamp, periods: i32) -> Timestamp {
        self.start(unit.moved(unit.first(self.date(at)), periods))
    }

    /// The weekday and the minute of the day.
    pub fn time_of_week(&self, at: Timestamp) -> (Weekday, u16) {
        let zoned = self.zoned(at);
        let minute = u16::from(zoned.hour().unsigned_abs()) * 60 + u16::from(zoned.minute().unsigned_abs());
        (zoned.weekday(), minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_month_that_lacks_the_day_ends_the_window_with_itself() {
        for (span, from, to) in [
            ("1mo", "2027-01-28T22:00:00Z", "2027-02-28T22:00:00Z"),
            ("1mo", "2027-01-29T00:00:00Z", "2027-03-01T00:00:00Z"),
            ("1mo", "2027-01-31T10:00:00Z", "2027-03-01T00:00:00Z"),
            ("1mo", "2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z"),
            ("1mo", "2026-08-31T10:00:00Z", "2026-10-01T00:00:00Z"),
            ("1y", "2028-02-29T10:00:00Z", "2029-03-01T00:00:00Z"),
            ("2y", "2026-11-30T10:00:00Z", "2028-11-30T10:00:00Z"),
        ] {
            assert_eq!(Span::parse(span).unwrap().after(at(from)), at(to), "{span} from {from}");
        }
    }

    #[test]
    fn what_happened_later_never_leaves_a_window_earlier_nor_later_than_its_longest() {
        for span in ["1d", "1mo", "2mo", "1y", "13mo"].map(|span| Span::parse(span).unwrap()) {
            let hours = (0..5 * 366 * 24).map(|hour| at("2026-11-01T00:30:00Z").plus(hour * Timestamp::HOUR));
            let mut last = Timestamp::from_millis(0);
            for hour in hours {
                let ends = span.after(hour);
                assert!(ends >= last && ends.since(hour) <= span.longest(), "{span} from {}", hour.rfc3339());
                last = ends;
            }
        }
    }
}
