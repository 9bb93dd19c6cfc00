//! Looking at each person of a parcel: whether they still get it, by which
//! address, and what it says to them.

use domain::identifier::Identifier;
use domain::key::{DeliveryId, ProfileId};
use domain::messaging::Channel;
use domain::messaging::address::{Address, CALL_MAX, Delivery, State};
use domain::messaging::addressee::{addresses, language, lot, zones};
use domain::messaging::gate::{Ask, Decision, Policy, Terms, Why, gate};
use domain::messaging::outreach::{Message, MessageId, Outreach, Purpose, TemplateId, expires};
use domain::messaging::parcel::Recipient;
use domain::messaging::quiet::Zones;
use domain::messaging::run::{Outcome, Run};
use domain::profile::{Profile, Standing};
use domain::segment::compiled::Compiled;
use domain::segment::verdict::{Person, Truth};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::channel::{Email, Sms};
use ports::people::{Read, StoredProfile};
use ports::{Clock, Definitions, Entropy, People, Timer, Unavailable};
use runtime::failure::{Failure, chain};
use runtime::stored;

use crate::Stage;
use crate::press::{Printed, Words};
use crate::store::{self, Seen};

/// Profiles that were taken in by others which one look follows.
const HOPS_MAX: usize = 64;
/// The longest period of a cap: what was sent before matters to none.
const CAPPED_MAX: i64 = 366 * Timestamp::DAY;

/// What a parcel is about.
pub(crate) struct Errand<'a> {
    pub(crate) workspace: &'a WorkspaceId,
    pub(crate) id: &'a MessageId,
    pub(crate) message: &'a Message,
    pub(crate) outreach: &'a Outreach,
    pub(crate) policy: Policy,
    pub(crate) compiled: &'a Compiled,
    /// How far the message is; a trigger that nobody paused has none.
    pub(crate) run: Option<&'a Run>,
}

/// What a look at one person came to.
pub(crate) enum Weighed {
    Done(u8, Outcome),
    Ready(Box<Ready>),
}

/// A person of a parcel.
pub(crate) enum Found {
    Profile(Box<Profile>),
    Nobody,
    /// What is kept of them is no profile: that harms nobody else.
    Unreadable,
}

impl Found {
    fn read(id: ProfileId, read: Option<&StoredProfile>) -> Result<Self, Failure> {
        let Some(read) = read else { return Ok(Self::Nobody) };
        match stored::profile(id, read) {
            Ok(profile) => Ok(Self::Profile(Box::new(profile))),
            Err(newer @ Failure::Retry(_)) => Err(newer),
            Err(failure @ Failure::Reject(_)) => {
                let cause = chain(failure.cause());
                tracing::warn!(profile.id = %id, cause, "A message says nothing to one person: {cause}");
                Ok(Self::Unreadable)
            }
        }
    }

    /// Whom to go on to.
    fn root(&self) -> Option<ProfileId> {
        match self {
            Self::Profile(profile) => profile.family.absorbed_into,
            Self::Nobody | Self::Unreadable => None,
        }
    }
}

/// A letter that only waits for its slot.
pub(crate) struct Ready {
    pub(crate) to: Recipient,
    pub(crate) variant: u8,
    pub(crate) id: DeliveryId,
    pub(crate) channel: Channel,
    pub(crate) address: Identifier,
    pub(crate) seen: Seen,
    pub(crate) terms: Terms,
    pub(crate) zones: Zones,
    pub(crate) printed: Printed,
}

impl Ready {
    /// The delivery as an attempt claims it.
    pub(crate) fn delivery(
        &self,
        message: &MessageId,
        now: Timestamp,
        until: Timestamp,
        attempt: u64,
    ) -> Delivery {
        Delivery {
            id: self.id,
            at: now,
            channel: self.channel,
            kind: self.terms.kind,
            topic: self.terms.topic.clone(),
            message: message.clone(),
            variant: self.variant,
            state: State::Calling { until, attempt },
        }
    }
}

impl Errand<'_> {
    /// Asks the gate about one address as it was last seen.
    pub(crate) fn ask(&self, ready: &Ready, address: &Address, now: Timestamp) -> Decision {
        self.gate(ready.channel, address, &ready.terms, &ready.zones, false, now)
    }

    fn gate(
        &self,
        channel: Channel,
        address: &Address,
        terms: &Terms,
        zones: &Zones,
        has_next: bool,
        now: Timestamp,
    ) -> Decision {
        let ask = Ask {
            terms,
            policy: &self.policy,
            channel,
            has_next,
            address,
            is_erased: false,
            zones,
            is_in_budget: true,
            pace: now,
        };
        gate(&ask, now)
    }

    /// When a person is due, by their own clock if the message goes by that: from
    /// then on counts how long it is of use.
    fn due(&self, to: Recipient, zones: &Zones) -> Timestamp {
        let local = self.run.and_then(|run| run.local);
        local.map_or(to.due, |local| zones.reach(local).max(to.due))
    }

    fn terms(&self, template: &TemplateId, due: Timestamp) -> Option<Terms> {
        let Purpose { kind, topic } = self.outreach.purpose(template)?;
        let (priority, expires) = (self.message.priority, expires(self.message, due));
        Some(Terms { kind, topic, priority, expires })
    }

    /// Whether the person is in the segment at this very moment.
    fn is_in(&self, person: &Person<'_>, profile: &Profile) -> bool {
        let id = self.message.audience.segment();
        let known = || profile.segments.memberships.get(id).is_some_and(|membership| membership.holds);
        match self.compiled.segment(id).map(|segment| person.verdict(&segment.ready.rule).truth) {
            Some(Truth::Yes) => true,
            Some(Truth::No) | None => false,
            Some(Truth::Unknown) => known(),
        }
    }
}

impl<P, D, M, S, C, E, T> Stage<P, D, M, S, C, E, T>
where
    P: People,
    D: Definitions,
    M: Email,
    S: Sms,
    C: Clock,
    E: Entropy,
    T: Timer,
{
    /// The people of a parcel as they are now, each at the end of their way.
    pub(crate) async fn people_of(
        &self,
        workspace: &WorkspaceId,
        to: &[Recipient],
    ) -> Result<Vec<(Recipient, Found)>, Failure> {
        let mut ids: Vec<ProfileId> = to.iter().map(|to| to.profile).collect();
        let mut found: Vec<Found> = ids.iter().map(|_| Found::Nobody).collect();
        let mut open: Vec<usize> = (0..ids.len()).collect();
        for _ in 0..HOPS_MAX {
            if open.is_empty() {
                break;
            }
            let asked: Vec<ProfileId> = open.iter().filter_map(|place| ids.get(*place).copied()).collect();
            let read =
                self.people.profiles(workspace, &asked, Read::Consistent).await.map_err(Failure::retry)?;
            let mut next = Vec::new();
            for ((place, id), read) in open.into_iter().zip(asked).zip(read) {
                let one = Found::read(id, read.as_ref())?;
                if let (Some(root), Some(id)) = (one.root(), ids.get_mut(place)) {
                    *id = root;
                    next.push(place);
                }
                if let Some(found) = found.get_mut(place) {
                    *found = one;
                }
            }
            open = next;
        }
        Ok(to.iter().copied().zip(found).collect())
    }

    /// Looks at one person.
    pub(crate) async fn weigh(
        &self,
        errand: &Errand<'_>,
        to: Recipient,
        found: &Found,
        now: Timestamp,
    ) -> Result<Weighed, Unavailable> {
        let done = |outcome| Ok(Weighed::Done(0, outcome));
        let profile = match found {
            Found::Unreadable => return done(Outcome::Unrendered),
            Found::Profile(profile) if profile.standing == Standing::Live => profile.as_ref(),
            Found::Profile(_) | Found::Nobody => return done(Outcome::Skipped(Why::Erased)),
        };
        let drawn = errand.message.variants.iter().position({
            let lot = lot(profile, errand.id.as_str());
            move |variant| lot < variant.up_to
        });
        let Some((place, variant)) =
            drawn.and_then(|place| errand.message.variants.get(place).map(|variant| (place, variant)))
        else {
            return done(Outcome::HeldOut);
        };
        let place = u8::try_from(place).unwrap_or(u8::MAX);
        let done = |outcome| Ok(Weighed::Done(place, outcome));
        let zones = zones(profile);
        let due = errand.due(to, &zones);
        // A definition that is gone since the message was planned: nobody can be asked about it.
        let Some(terms) = errand.terms(&variant.template, due) else { return done(Outcome::Unrendered) };
        if due > now {
            return done(Outcome::Waits { until: due, why: Why::LocalTime });
        }
        let words = {
            let person = Person::new(errand.compiled, profile, &profile.segments.memberships, now);
            if !errand.is_in(&person, profile) {
                return done(Outcome::Left);
            }
            Words::of(errand, profile, &person, language(profile))
        };
        let addresses = addresses(profile, &errand.message.channels);
        self.choose(errand, to, (place, &variant.template), terms, zones, addresses, &words, now).await
    }

    /// Takes the first address that the gate lets through.
    #[expect(clippy::too_many_arguments, reason = "it is the second half of one look")]
    async fn choose(
        &self,
        errand: &Errand<'_>,
        to: Recipient,
        (variant, template): (u8, &TemplateId),
        terms: Terms,
        zones: Zones,
        addresses: Vec<(Channel, Identifier)>,
        words: &Words,
        now: Timestamp,
    ) -> Result<Weighed, Unavailable> {
        let mut closed = Why::NoAddress;
        let mut left = addresses.into_iter().peekable();
        while let Some((channel, address)) = left.next() {
            if !self.press.has(errand.workspace, errand.outreach, template, channel) {
                continue;
            }
            let seen = self.known(errand, &address, to.due, now).await?;
            let id = self.key.delivery(errand.workspace, &to.occasion(errand.id), channel, &address);
            if let Some(known) = seen.address.delivery(id).cloned() {
                let outcome = self.earlier(errand, &seen, &known, now).await?;
                return Ok(Weighed::Done(known.variant, outcome));
            }
            let has_next = left.peek().is_some();
            let outcome = match errand.gate(channel, &seen.address, &terms, &zones, has_next, now) {
                Decision::NextChannel(why) => {
                    closed = why;
                    continue;
                }
                Decision::Skip(why) => Outcome::Skipped(why),
                Decision::Defer { until, why } => Outcome::Waits { until, why },
                Decision::Send => {
                    let whereto = (channel, address.value(), seen.collection, id);
                    match self.press.print(errand, template, whereto, words, now) {
                        Ok(printed) => {
                            let ready =
                                Ready { to, variant, id, channel, address, seen, terms, zones, printed };
                            return Ok(Weighed::Ready(Box::new(ready)));
                        }
                        Err(cause) => {
                            tracing::warn!(
                                message = errand.id.as_str(), cause = %cause,
                                "Template `{template}` says nothing to one person: {cause}"
                            );
                            Outcome::Unrendered
                        }
                    }
                }
            };
            return Ok(Weighed::Done(variant, outcome));
        }
        Ok(Weighed::Done(variant, Outcome::Skipped(closed)))
    }

    /// What became of a delivery that an earlier attempt began.
    async fn earlier(
        &self,
        errand: &Errand<'_>,
        seen: &Seen,
        known: &Delivery,
        now: Timestamp,
    ) -> Result<Outcome, Unavailable> {
        let (workspace, id) = (errand.workspace, known.id);
        let is_abandoned = store::change_address(&self.people, workspace, seen.collection, |address| {
            let is_abandoned = address.abandon(id, now);
            (is_abandoned, is_abandoned)
        });
        let is_abandoned = matches!(known.state, State::Calling { .. }) && is_abandoned.await?;
        Ok(if is_abandoned { Outcome::Unknown(known.channel, id) } else { outcome_of(known) })
    }

    /// What is known of an address; of pages, as far as a question reaches back.
    pub(crate) async fn known(
        &self,
        errand: &Errand<'_>,
        address: &Identifier,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<Seen, Unavailable> {
        let collection = self.key.address(errand.workspace, address);
        let mut seen = store::address(&self.people, errand.workspace, collection).await?;
        let capped = errand.policy.caps.iter().map(|cap| cap.per.millis()).max().unwrap_or_default();
        let asked = due.min(now.plus(-capped.min(CAPPED_MAX)));
        if seen.address.is_paged(asked) {
            let paged = store::paged(&self.people, errand.workspace, collection).await?;
            seen.address.recall(paged);
        }
        Ok(seen)
    }
}

/// What a delivery has come to, whoever made it.
pub(crate) fn outcome_of(known: &Delivery) -> Outcome {
    match known.state {
        State::Accepted => Outcome::Sent(known.channel, known.id),
        State::Unknown => Outcome::Unknown(known.channel, known.id),
        State::Refused => Outcome::Refused(known.channel, known.id),
        State::Calling { until, .. } => Outcome::Waits { until: until.plus(CALL_MAX), why: Why::UnderWay },
    }
}
