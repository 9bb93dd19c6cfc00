//! The year, day by day: who comes, and when what they did arrives.

use std::collections::BTreeMap;

use domain::time::Timestamp;

use crate::chance::Chance;
use crate::made::Made;
use crate::parcel::{Request, Source};
use crate::person::Person;
use crate::truth::Truth;
use crate::{app, crm, pos, web};

/// People of a shop of ordinary size.
pub const PEOPLE_DEFAULT: u32 = 2_000;
/// Days of the year that is told.
pub const DAYS: i64 = 365;
/// Where the year of [`events`] ends: 2026-01-01T00:00:00Z.
pub const YEAR_END: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// How often, of a thousand requests, the answer is lost and the SDK repeats.
const REPEATED_PERMILLE: u32 = 25;
/// How often, of a hundred uses, the app is offline for days.
const OFFLINE_PERCENT: u32 = 6;
/// How often, of a hundred days, a store cannot upload.
const STORE_OFFLINE_PERCENT: u32 = 3;
/// One customer without a card in as many days of one person.
const WALK_IN_ONE_IN: u64 = 14_000;

/// A year of a shop, ending at [`YEAR_END`].
pub fn events(seed: u64, people: u32) -> Events {
    events_until(seed, people, YEAR_END)
}

/// A year of a shop that ends at the midnight before `end`.
pub fn events_until(seed: u64, people: u32, end: Timestamp) -> Events {
    let end = end.millis().div_euclid(Timestamp::DAY) * Timestamp::DAY;
    let start = Timestamp::from_millis(end).plus(-DAYS * Timestamp::DAY);
    Events { seed, people, start, day: 0, numbered: 0, waiting: BTreeMap::new(), truth: Truth::default() }
}

/// The requests of a year in the order in which they arrive.
///
/// It holds a day's requests and those that are late, never the year.
#[derive(Debug)]
pub struct Events {
    seed: u64,
    people: u32,
    start: Timestamp,
    /// The next day to be told.
    day: i64,
    numbered: u64,
    /// By arrival, then by the order of sending.
    waiting: BTreeMap<(Timestamp, u64), Request>,
    truth: Truth,
}

impl Iterator for Events {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        // What arrives before the next day dawns cannot be overtaken any more.
        while self.day < DAYS
            && self.waiting.first_key_value().is_none_or(|((at, _), _)| *at >= self.dawn(self.day))
        {
            self.tell_day();
            self.day += 1;
        }
        let (_, request) = self.waiting.pop_first()?;
        self.truth.add(&request);
        Some(request)
    }
}

impl Events {
    /// What is true of the requests handed out so far.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    fn dawn(&self, day: i64) -> Timestamp {
        self.start.plus(day * Timestamp::DAY)
    }

    fn tell_day(&mut self) {
        let mut records = Vec::new();
        let mut sales: Vec<Vec<Made>> = vec![Vec::new(); pos::STORES.len()];
        for number in 0..self.people {
            let person = Person::of(self.seed, number);
            let chance = &mut Chance::of(self.seed, "day", &[number.into(), self.day.unsigned_abs()]);
            self.record(&person, chance, &mut records);
            if person.comes(self.day, chance) {
                self.come(&person, chance, &mut sales);
            }
        }
        self.walk_ins(&mut sales);
        self.upload(records, sales);
    }

    /// What the clerks have on a person this night.
    fn record(&self, person: &Person, chance: &mut Chance, records: &mut Vec<Made>) {
        let Some(joins) = person.joins else { return };
        let told = (joins + 1).max(0);
        if self.day == told {
            let made_at = self.dawn(joins).plus(chance.between(8 * Timestamp::HOUR, 20 * Timestamp::HOUR));
            records.push(crm::record(person, made_at, chance));
        } else if self.day > told && chance.permille(4) {
            let at = self.dawn(self.day - 1).plus(chance.between(9 * Timestamp::HOUR, 17 * Timestamp::HOUR));
            records.push(crm::change(person, at, chance));
        }
    }

    fn come(&mut self, person: &Person, chance: &mut Chance, sales: &mut [Vec<Made>]) {
        let start = self.dawn(self.day).plus(time_of_day(chance));
        let way = chance.under(100);
        match (&person.phone_app, &person.card) {
            (Some(install), _) if way < 35 => {
                let used = app::visit(person, install, self.day, start, chance);
                let offline = chance.percent(OFFLINE_PERCENT);
                let delay = if offline { chance.between(Timestamp::DAY, 6 * Timestamp::DAY) } else { 0 };
                self.send(Source::App, used, delay, chance);
            }
            (_, Some(card)) if way >= 75 && person.joined_before(self.day) => {
                let store = person.number as usize % sales.len().max(1);
                if let (Some(till), Some(name)) = (sales.get_mut(store), pos::STORES.get(store)) {
                    till.push(pos::sale(person, card, name, start, chance));
                }
            }
            _ => {
                let visit = web::visit(person, self.day, start, chance);
                self.send(Source::Web, visit, 0, chance);
            }
        }
    }

    fn walk_ins(&self, sales: &mut [Vec<Made>]) {
        let chance = &mut Chance::of(self.seed, "walk-ins", &[self.day.unsigned_abs()]);
        for (till, name) in sales.iter_mut().zip(pos::STORES) {
            let one_in =
                u32::try_from(WALK_IN_ONE_IN * 3 / u64::from(self.people.max(1))).unwrap_or(u32::MAX);
            if chance.under(one_in) == 0 {
                till.push(pos::walk_in(name, self.dawn(self.day).plus(time_of_day(chance)), chance));
            }
        }
    }

    /// The CRM's job runs at two in the morning, the stores upload at closing.
    fn upload(&mut self, records: Vec<Made>, sales: Vec<Vec<Made>>) {
        let chance = &mut Chance::of(self.seed, "uploads", &[self.day.unsigned_abs()]);
        let dawn = self.dawn(self.day);
        self.send_from(Source::Crm, records, dawn.plus(2 * Timestamp::HOUR), 0, chance);
        for mut till in sales {
            till.sort_by_key(|sale| sale.at);
            let offline = chance.percent(STORE_OFFLINE_PERCENT);
            let delay = if offline { chance.between(1, 5) * Timestamp::DAY } else { 0 };
            self.send_from(Source::Pos, till, dawn.plus(23 * Timestamp::HOUR), delay, chance);
        }
    }

    fn send(&mut self, source: Source, events: Vec<Made>, delay: i64, chance: &mut Chance) {
        self.send_from(source, events, self.start, delay, chance);
    }

    /// Sends events in batches as they happen, but not before `earliest`.
    ///
    /// Now and then the answer to a batch is lost; the SDK then sends some of
    /// its events again, with the next batch or in one of their own.
    fn send_from(
        &mut self,
        source: Source,
        events: Vec<Made>,
        earliest: Timestamp,
        delay: i64,
        chance: &mut Chance,
    ) {
        let mut at = earliest;
        let mut again: Vec<Made> = Vec::new();
        let mut left = events.into_iter().peekable();
        while left.peek().is_some() {
            let fresh: Vec<Made> = left.by_ref().take(source.batch_max()).collect();
            let last = fresh.last().map_or(at, |event| event.at);
            at = at.max(last).plus(chance.between(200, 2_500));
            let is_lost = chance.permille(REPEATED_PERMILLE);
            let unheard = if is_lost { repeats(&fresh, chance) } else { Vec::new() };
            let batch = again.drain(..).chain(fresh).collect();
            self.push(Request::new(source, batch, at.plus(delay)));
            if left.peek().is_some() && chance.percent(50) {
                again = unheard;
            } else if !unheard.is_empty() {
                self.push(Request::new(source, unheard, at.plus(delay).plus(patience(chance))));
            }
        }
    }

    /// Nothing arrives after the year: the platform's clock may be no further.
    fn push(&mut self, mut request: Request) {
        request.at = request.at.min(self.dawn(DAYS).plus(-1));
        self.numbered += 1;
        self.waiting.insert((request.at, self.numbered), request);
    }
}

/// Some of the events of a batch, those at its end, marked as sent again.
fn repeats(batch: &[Made], chance: &mut Chance) -> Vec<Made> {
    let count = 1 + chance.under(u32::try_from(batch.len()).unwrap_or(1)) as usize;
    let accepted = batch.iter().rev().take(count).filter(|event| event.verdict.accepted().is_some());
    accepted.map(|event| Made { again: true, ..event.clone() }).collect()
}

/// How long an SDK waits before it sends again; browsers wait for the next visit.
fn patience(chance: &mut Chance) -> i64 {
    match chance.under(4) {
        0 => chance.between(Timestamp::SECOND, Timestamp::MINUTE),
        1 => chance.between(Timestamp::MINUTE, Timestamp::HOUR),
        2 => chance.between(Timestamp::HOUR, Timestamp::DAY),
        _ => chance.between(Timestamp::DAY, 12 * Timestamp::DAY),
    }
}

/// A moment from seven in the morning to ten in the evening, so that a visit ends before midnight.
fn time_of_day(chance: &mut Chance) -> i64 {
    let hour =
        chance.pick(&[7, 8, 9, 10, 11, 12, 12, 13, 14, 15, 16, 17, 18, 18, 19, 19, 20, 20, 20, 21, 21]);
    hour * Timestamp::HOUR + chance.between(0, Timestamp::HOUR - 1)
}
