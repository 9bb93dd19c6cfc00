use super::*;
use crate::key::{DeliveryId, EventName};
use crate::messaging::address::{Delivery, State};
use crate::messaging::consent::{About, Said};
use crate::messaging::outreach::MessageId;
use crate::messaging::quiet::Minute;

const HOUR: i64 = Timestamp::HOUR;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-24T12:00:00Z").unwrap()
}

fn news() -> TopicId {
    TopicId::parse("news").unwrap()
}

/// A world in which everything may go, for a test to close one door of.
struct World {
    terms: Terms,
    policy: Policy,
    channel: Channel,
    has_next: bool,
    address: Address,
    is_erased: bool,
    zones: Zones,
    is_in_budget: bool,
    pace: Timestamp,
    at: Timestamp,
}

impl World {
    fn new() -> Self {
        let mut address = Address::default();
        for channel in Channel::ALL {
            let about = About { channel, topic: Some(news()) };
            address.hear(about, Said::Subscribed, now().plus(-HOUR), EventName(1));
        }
        let expires = now().plus(48 * HOUR);
        Self {
            terms: Terms {
                kind: Kind::Promotional,
                topic: Some(news()),
                priority: Priority::Normal,
                expires,
            },
            policy: Policy::default(),
            channel: Channel::Email,
            has_next: false,
            address,
            is_erased: false,
            zones: Zones::of(["Europe/Kyiv"]),
            is_in_budget: true,
            pace: now(),
            at: now(),
        }
    }

    fn sent(&mut self, ago: i64) {
        let number = u8::try_from(self.address.deliveries().len()).unwrap();
        let delivery = Delivery {
            id: DeliveryId::from_bytes([number; 16]),
            at: self.at.plus(-ago),
            channel: self.channel,
            kind: Kind::Promotional,
            topic: Some(news()),
            message: MessageId::parse("win-back").unwrap(),
            variant: 0,
            state: State::Accepted,
        };
        self.address.claim(delivery, self.at);
    }

    fn said(&mut self, said: Said) {
        let about = About { channel: self.channel, topic: Some(news()) };
        self.address.hear(about, said, self.at, EventName(2));
    }

    fn decide(&self) -> Decision {
        let Self { terms, policy, channel, has_next, address, is_erased, zones, is_in_budget, pace, at } =
            self;
        let (channel, has_next, is_erased) = (*channel, *has_next, *is_erased);
        let (is_in_budget, pace) = (*is_in_budget, *pace);
        gate(&Ask { terms, policy, channel, has_next, address, is_erased, zones, is_in_budget, pace }, *at)
    }
}

fn check(change: impl FnOnce(&mut World), expected: Decision) {
    let mut world = World::new();
    change(&mut world);
    assert_eq!(world.decide(), expected);
}

fn later(hours: i64, why: Why) -> Decision {
    Decision::Defer { until: now().plus(hours * HOUR), why }
}

fn cap(most: usize, per: Period) -> Cap {
    Cap { channel: None, topic: None, most, per, reserved: 0 }
}

fn siesta() -> Quiet {
    Quiet { from: Minute::parse("13:00").unwrap(), to: Minute::parse("17:00").unwrap() }
}

#[test]
fn what_nothing_speaks_against_goes() {
    check(|_| (), Decision::Send);
}

#[test]
fn nobody_who_said_no_or_nothing_is_written_to() {
    check(|world| world.said(Said::Unsubscribed), Decision::Skip(Why::Unsubscribed));
    check(|world| world.address = Address::default(), Decision::Skip(Why::NoConsent));
    check(|world| world.terms.topic = None, Decision::Skip(Why::NoConsent));
    check(
        |world| {
            world.address = Address::default();
            world.said(Said::Asked);
        },
        Decision::Skip(Why::Unconfirmed),
    );
    check(
        |world| {
            let everything = About { channel: Channel::Email, topic: None };
            world.address.hear(everything, Said::Unsubscribed, now(), EventName(2));
        },
        Decision::Skip(Why::Unsubscribed),
    );
    check(
        |world| {
            world.address.suppress(Some(Reason::Complained), now(), EventName(2));
        },
        Decision::Skip(Why::Suppressed(Reason::Complained)),
    );
    check(|world| world.is_erased = true, Decision::Skip(Why::Erased));
}

#[test]
fn what_is_ordered_needs_no_consent_and_knows_no_caps_or_hours() {
    check(
        |world| {
            world.said(Said::Unsubscribed);
            world.terms.kind = Kind::Transactional;
            world.terms.topic = None;
            world.policy = Policy { caps: vec![cap(0, Period::Day)], quiet: Some(siesta()) };
        },
        Decision::Send,
    );
    check(
        |world| {
            world.terms.kind = Kind::Transactional;
            world.address.suppress(Some(Reason::Bounced), now(), EventName(2));
        },
        Decision::Skip(Why::Suppressed(Reason::Bounced)),
    );
}

#[test]
fn a_closed_channel_opens_the_next_one_and_erasure_opens_none() {
    check(
        |world| {
            world.said(Said::Unsubscribed);
            world.has_next = true;
        },
        Decision::NextChannel(Why::Unsubscribed),
    );
    check(
        |world| {
            world.is_in_budget = false;
            world.has_next = true;
        },
        Decision::NextChannel(Why::Budget),
    );
    check(
        |world| {
            world.is_erased = true;
            world.has_next = true;
        },
        Decision::Skip(Why::Erased),
    );
}

#[test]
fn caps_put_off_until_there_is_room() {
    let sent = |world: &mut World| {
        world.sent(20 * HOUR);
        world.sent(5 * HOUR);
    };
    let with = |caps: Vec<Cap>| {
        move |world: &mut World| {
            sent(world);
            world.policy.caps = caps;
        }
    };
    check(with(vec![cap(3, Period::Day)]), Decision::Send);
    check(with(vec![cap(2, Period::Day)]), later(4, Why::Capped));
    check(with(vec![cap(1, Period::Day)]), later(19, Why::Capped));
    check(with(vec![cap(1, Period::Week)]), Decision::Skip(Why::Capped));
    check(with(vec![cap(0, Period::Day)]), Decision::Skip(Why::Capped));
    let of_sms = Cap { channel: Some(Channel::Sms), ..cap(1, Period::Day) };
    check(with(vec![of_sms]), Decision::Send);
    let of_offers = Cap { topic: Some(TopicId::parse("offers").unwrap()), ..cap(1, Period::Day) };
    check(with(vec![of_offers]), Decision::Send);
    check(with(vec![cap(2, Period::Day), cap(1, Period::Day)]), later(19, Why::Capped));
}

#[test]
fn the_last_places_are_kept_for_what_matters_more() {
    let crowded = |priority| {
        move |world: &mut World| {
            world.sent(5 * HOUR);
            world.policy.caps = vec![Cap { reserved: 1, ..cap(2, Period::Day) }];
            world.terms.priority = priority;
        }
    };
    check(crowded(Priority::Normal), later(19, Why::Capped));
    check(crowded(Priority::High), Decision::Send);
}

#[test]
fn quiet_hours_put_off_and_what_expires_before_is_skipped() {
    check(|world| world.policy.quiet = Some(siesta()), later(3, Why::Quiet));
    check(
        |world| {
            world.policy.quiet = Some(siesta());
            world.terms.expires = now().plus(3 * HOUR);
        },
        Decision::Skip(Why::Quiet),
    );
    check(|world| world.terms.expires = now(), Decision::Skip(Why::Expired));
}

#[test]
fn the_pace_of_the_provider_is_kept() {
    check(|world| world.pace = now().plus(HOUR), later(1, Why::Pace));
}

#[test]
fn the_gravest_reason_is_told_first() {
    check(
        |world| {
            world.is_erased = true;
            world.address.suppress(Some(Reason::Bounced), now(), EventName(2));
            world.said(Said::Unsubscribed);
        },
        Decision::Skip(Why::Erased),
    );
    check(
        |world| {
            world.address.suppress(Some(Reason::Bounced), now(), EventName(2));
            world.said(Said::Unsubscribed);
        },
        Decision::Skip(Why::Suppressed(Reason::Bounced)),
    );
    check(
        |world| {
            world.sent(5 * HOUR);
            world.policy = Policy { caps: vec![cap(1, Period::Day)], quiet: Some(siesta()) };
        },
        later(19, Why::Capped),
    );
}
