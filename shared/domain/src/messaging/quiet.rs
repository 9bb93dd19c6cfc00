//! Hours in which nobody is disturbed, by the clock on the person's own wall.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Minutes of the day between which nothing is sent; `from` may lie behind `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    pub from: Minute,
    pub to: Minute,
}

/// A minute of the day: `08:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Minute(Time);

/// The text is no time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no time of day such as 08:30")]
pub struct InvalidMinute;

impl Minute {
    pub fn parse(text: &str) -> Result<Self, InvalidMinute> {
        let (hour, minute) = text.split_once(':').ok_or(InvalidMinute)?;
        let number = |text: &str| {
            let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            two.then(|| text.parse::<i8>().ok()).flatten().ok_or(InvalidMinute)
        };
        Time::new(number(hour)?, number(minute)?, 0, 0).map(Self).map_err(|_| InvalidMinute)
    }
}

impl TryFrom<String> for Minute {
    type Error = InvalidMinute;

    fn try_from(text: String) -> Result<Self, InvalidMinute> {
        Self::parse(&text)
    }
}

impl From<Minute> for String {
    fn from(Minute(time): Minute) -> Self {
        time.strftime("%H:%M").to_string()
    }
}

/// A date and time as a clock on a wall shows it: `2026-12-01T10:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WallTime(DateTime);

/// The text is no date and time without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no date and time such as 2026-12-01T10:00")]
pub struct InvalidWallTime;

/// No clock on earth is ahead of UTC by more.
const AHEAD_MAX: i64 = 14 * Timestamp::HOUR;

impl WallTime {
    pub fn parse(text: &str) -> Result<Self, InvalidWallTime> {
        // Whoever writes a zone means one moment, and not the time of each place.
        if text.ends_with(['Z', 'z']) || text.contains('+') {
            return Err(InvalidWallTime);
        }
        text.parse().map(Self).map_err(|_| InvalidWallTime)
    }

    /// When the first clock on earth shows it.
    pub fn earliest(self) -> Timestamp {
        Zones(vec![TimeZone::UTC]).reach(self).plus(-AHEAD_MAX)
    }
}

impl TryFrom<String> for WallTime {
    type Error = InvalidWallTime;

    fn try_from(text: String) -> Result<Self, InvalidWallTime> {
        Self::parse(&text)
    }
}

impl From<WallTime> for String {
    fn from(WallTime(wall): WallTime) -> Self {
        wall.to_string()
    }
}

/// Zones in which a person may live, when more than one is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zones(Vec<TimeZone>);

impl Zones {
    /// The one zone of this name, if there is such a one.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(|zone| Self(vec![zone]))
    }

    /// When all of the zones' clocks have shown this date and time.
    pub fn reach(&self, WallTime(wall): WallTime) -> Timestamp {
        let reached = self.0.iter().filter_map(|zone| zone.to_timestamp(wall).ok());
        reached.max().map_or(Timestamp::default(), |at| Timestamp::from_millis(at.as_millisecond()))
    }

    /// Zones by their IANA names; unknown names are left out, and UTC stands for none.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let zones: Vec<TimeZone> = names.into_iter().filter_map(|name| TimeZone::get(name).ok()).collect();
        Self(if zones.is_empty() { vec![TimeZone::UTC] } else { zones })
    }
}

/// Waiting from one zone's end to another's ends after so many steps: where it
/// is always night somewhere, there is no good time.
const STEPS_MAX: usize = 64;

impl Quiet {
    /// When it is quiet in none of the zones, from `at` on: `at` itself if that
    /// is now, `None` if there is no such moment.
    pub fn over(self, zones: &Zones, at: Timestamp) -> Option<Timestamp> {
        let mut at = at;
        for _ in 0..STEPS_MAX {
            match zones.0.iter().filter_map(|zone| self.ends(zone, at)).max() {
                None => return Some(at),
                Some(ends) => at = ends,
            }
        }
        None
    }

    /// When the quiet that is now ends in one zone; `None` if it is not quiet.
    fn ends(self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        let Self { from: Minute(from), to: Minute(to) } = self;
        let now = jiff::Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(zone.clone());
        let time = now.time();
        let is_over_midnight = from >= to;
        let is_evening = time >= from && (is_over_midnight || time < to);
        let is_morning = is_over_midnight && time < to;
        if from == to || !(is_evening || is_morning) {
            return None;
        }
        let day = if is_over_midnight && !is_morning { now.date().tomorrow().ok()? } else { now.date() };
        moment(zone, day, to, at)
    }
}

/// When a clock comes to a time of a day, behind `after`: where the hour comes
/// twice the second one may be meant, where it is left out the moment at which
/// the clock leaps over it.
fn moment(zone: &TimeZone, day: Date, time: Time, after: Timestamp) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(day.to_datetime(time));
    let found = [ambiguous.earlier().ok()?, ambiguous.later().ok()?];
    let found = match ambiguous.offset() {
        AmbiguousOffset::Gap { .. } => [zone.following(found[0]).next()?.timestamp(); 2],
        _ => found,
    };
    let mut found = found.into_iter().map(|moment| Timestamp::from_millis(moment.as_millisecond()));
    found.find(|moment| *moment > after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn quiet(from: &str, to: &str) -> Quiet {
        Quiet { from: Minute::parse(from).unwrap(), to: Minute::parse(to).unwrap() }
    }

    fn check(quiet: Quiet, zones: &[&str], now: &str, over: &str) {
        let found = quiet.over(&Zones::of(zones.iter().copied()), at(now)).map(Timestamp::rfc3339);
        assert_eq!(found, Some(at(over).rfc3339()), "{quiet:?} in {zones:?} at {now}");
    }

    #[test]
    fn nights_and_siestas_end_when_the_persons_own_clock_says_so() {
        let night = quiet("21:00", "08:00");
        check(night, &["Europe/Kyiv"], "2026-11-24T18:59:59Z", "2026-11-24T18:59:59Z");
        check(night, &["Europe/Kyiv"], "2026-11-24T19:00:00Z", "2026-11-25T06:00:00Z");
        check(night, &["Europe/Kyiv"], "2026-11-25T05:59:59Z", "2026-11-25T06:00:00Z");
        check(night, &["Europe/Kyiv"], "2026-11-25T06:00:00Z", "2026-11-25T06:00:00Z");
        check(night, &["Asia/Kathmandu"], "2026-11-24T16:00:00Z", "2026-11-25T02:15:00Z");
        let siesta = quiet("13:00", "15:30");
        check(siesta, &["Europe/Madrid"], "2026-11-24T12:30:00Z", "2026-11-24T14:30:00Z");
        check(siesta, &["Europe/Madrid"], "2026-11-24T14:30:00Z", "2026-11-24T14:30:00Z");
        check(quiet("08:00", "08:00"), &["Europe/Madrid"], "2026-11-24T12:30:00Z", "2026-11-24T12:30:00Z");
    }

    #[test]
    fn of_several_zones_all_have_to_be_awake() {
        let night = quiet("21:00", "08:00");
        // Nine in the evening in New York, six in Los Angeles; then eight in the morning in both.
        let states = ["America/New_York", "America/Los_Angeles"];
        check(night, &states, "2026-11-25T02:00:00Z", "2026-11-25T16:00:00Z");
        check(night, &states, "2026-11-25T01:59:00Z", "2026-11-25T01:59:00Z");
        let around = Zones::of(["Pacific/Auckland", "Europe/London", "America/Los_Angeles"]);
        assert_eq!(quiet("12:00", "11:00").over(&around, at("2026-11-25T02:00:00Z")), None);
    }

    #[test]
    fn each_place_comes_to_a_date_and_time_by_its_own_clock() {
        let ten = WallTime::parse("2026-12-01T10:00").unwrap();
        let reach = |zones: &[&str]| Zones::of(zones.iter().copied()).reach(ten);
        assert_eq!(reach(&["Asia/Tokyo"]), at("2026-12-01T01:00:00Z"));
        assert_eq!(reach(&["America/New_York", "America/Los_Angeles"]), at("2026-12-01T18:00:00Z"));
        assert_eq!(ten.earliest(), reach(&["Pacific/Kiritimati"]));
        let left_out = WallTime::parse("2026-03-29T02:30").unwrap();
        assert_eq!(Zones::of(["Europe/Berlin"]).reach(left_out), at("2026-03-29T01:30:00Z"));
        for wrong in ["2026-12-01T10:00Z", "2026-12-01T10:00+01:00", "10:00", "soon"] {
            assert_eq!(WallTime::parse(wrong), Err(InvalidWallTime), "{wrong}");
        }
    }

    #[test]
    fn the_days_on_which_clocks_change_are_days_too() {
        // Half past two is left out on 2026-03-29: at three the quiet is over.
        let early = quiet("23:00", "02:30");
        check(early, &["Europe/Berlin"], "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z");
        check(early, &["Europe/Berlin"], "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z");
        // It comes twice on 2026-10-25: what was over begins again for half an hour.
        check(early, &["Europe/Berlin"], "2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z");
        check(early, &["Europe/Berlin"], "2026-10-25T00:45:00Z", "2026-10-25T00:45:00Z");
        check(early, &["Europe/Berlin"], "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z");
    }

    /// All zones, about each change of their clocks and on ordinary days: nothing
    /// is sent within quiet hours, and no moment is passed over.
    #[test]
    fn in_every_zone_the_first_moment_that_is_not_quiet_is_found() {
        let night = quiet("21:00", "08:00");
        let (begin, end) = (at("2026-01-01T00:07:30Z"), at("2027-01-01T00:00:00Z"));
        let (mut checked, mut changes) = (0, 0);
        for name in jiff::tz::db().available() {
            let Ok(zone) = TimeZone::get(name.as_str()) else { continue };
            let local = |at: Timestamp| {
                jiff::Timestamp::from_millisecond(at.millis()).unwrap().to_zoned(zone.clone())
            };
            let is_quiet = |at: Timestamp| !(8..21).contains(&local(at).hour());
            let changed = zone.following(local(begin).timestamp());
            let changed = changed.map(|change| Timestamp::from_millis(change.timestamp().as_millisecond()));
            let changed: Vec<Timestamp> = changed.take_while(|at| *at < end).collect();
            changes += changed.len();
            let about =
                |change: Timestamp| (-14..14).map(move |hours| change.plus(hours * Timestamp::HOUR + 1));
            let ordinary = (0..24).map(|hours| begin.plus(hours * (14 * Timestamp::DAY + Timestamp::HOUR)));
            for now in changed.into_iter().flat_map(about).chain(ordinary) {
                let over = night.over(&Zones(vec![zone.clone()]), now).unwrap();
                assert!(!is_quiet(over), "{} at {}", name.as_str(), now.rfc3339());
                let quarters = (0..over.since(now))
                    .step_by(15 * 60_000)
                    .chain((over > now).then_some(over.since(now) - 1));
                for before in quarters.map(|millis| now.plus(millis)) {
                    assert!(is_quiet(before), "{} at {}", name.as_str(), before.rfc3339());
                }
                checked += 1;
            }
        }
        assert!(checked > 400 * 24 && changes > 200, "{checked} checked about {changes} changes");
    }
}
