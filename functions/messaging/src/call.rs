//! Claim, call, settle: one letter in its slot.

use domain::key::halves;
use domain::messaging::Channel;
use domain::messaging::address::{Address, Claimed, State};
use domain::messaging::gate::{Decision, Why};
use domain::messaging::pace::LATE_MAX;
use domain::messaging::run::Outcome;
use domain::time::Timestamp;
use ports::channel::{Email, SendError, Sms};
use ports::people::SaveError;
use ports::{Clock, Definitions, Entropy, People, Timer, Unavailable};

use crate::Stage;
use crate::press::Printed;
use crate::store::{self, ATTEMPTS_MAX};
use crate::weigh::{Errand, Ready, outcome_of};

/// A delivery is claimed so long before its slot, so that the call is not late.
pub(crate) const CLAIMED_BEFORE: i64 = 300;
/// After a provider could not be reached, or is closed to everybody.
const UNREACHED: i64 = Timestamp::MINUTE;
const CLOSED: i64 = 5 * Timestamp::MINUTE;
/// A day's quota slides: some of it is free again soon.
const DAY_USED: i64 = 15 * Timestamp::MINUTE;

/// What became of one letter in its slot.
pub(crate) enum Called {
    Done(Box<Ready>, Outcome),
    /// The slot was missed, or the provider was too fast asked: it takes another.
    Again(Box<Ready>),
}

/// Whether a delivery is this attempt's.
enum Taken {
    Ours,
    Not(Outcome),
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
    /// Sends one letter in its slot, if the gate still lets it through.
    pub(crate) async fn call(
        &self,
        errand: &Errand<'_>,
        mut ready: Box<Ready>,
        slot: Timestamp,
    ) -> Result<Called, Unavailable> {
        self.timer.until(slot.plus(-CLAIMED_BEFORE)).await;
        let [attempt, _] = halves(self.entropy.bytes()).map(u64::from_be_bytes);
        // No call begins later than a slot may be late, and a withdrawal waits no longer.
        let until = slot.plus(LATE_MAX + 1);
        if self.clock.now() >= until {
            return Ok(Called::Again(ready));
        }
        match self.take(errand, &mut ready, until, attempt).await? {
            Taken::Ours => (),
            Taken::Not(outcome) => return Ok(Called::Done(ready, outcome)),
        }
        self.timer.until(slot).await;
        if self.clock.now() >= until {
            self.release(errand, &mut ready, attempt).await?;
            return Ok(Called::Again(ready));
        }
        let sent = match &ready.printed {
            Printed::Letter(letter) => self.email.send(letter).await,
            Printed::Text(text) => self.sms.send(text).await,
        };
        self.end(errand, ready, attempt, sent.map(drop)).await
    }

    /// Claims a delivery under the very state of the address that the gate saw.
    async fn take(
        &self,
        errand: &Errand<'_>,
        ready: &mut Ready,
        until: Timestamp,
        attempt: u64,
    ) -> Result<Taken, Unavailable> {
        for _ in 0..ATTEMPTS_MAX {
            let now = self.clock.now();
            // If the answer to its write was lost, its own claim stands: that must
            // not count against it, and is given back if the gate says no.
            let mut next = ready.seen.address.clone();
            let is_ours = next.release(ready.id, attempt);
            let asked = next.clone();
            next.name(&ready.address);
            let page = if is_ours { None } else { next.page() };
            let claimed = next.claim(ready.delivery(errand.id, now, until, attempt), now);
            let taken = match claimed {
                Claimed::Busy { .. } | Claimed::Settled => {
                    let known = next.delivery(ready.id).map(outcome_of);
                    return Ok(Taken::Not(known.unwrap_or(Outcome::Cancelled)));
                }
                Claimed::Abandoned => Taken::Not(Outcome::Unknown(ready.channel, ready.id)),
                Claimed::Now | Claimed::Already => match (closed(errand.ask(ready, &asked, now)), is_ours) {
                    (None, true) => return Ok(Taken::Ours),
                    (None, false) => Taken::Ours,
                    (Some(outcome), false) => return Ok(Taken::Not(outcome)),
                    (Some(outcome), true) => {
                        next = asked;
                        Taken::Not(outcome)
                    }
                },
            };
            if let Some(page) = page {
                self.people.put(errand.workspace, ready.seen.collection, &[page]).await?;
            }
            if self.write(errand, ready, next).await? {
                return Ok(taken);
            }
            self.look_again(errand, ready).await?;
        }
        Err(Unavailable::new("claiming a delivery", store::Contended))
    }

    /// Settles how a call ended.
    async fn end(
        &self,
        errand: &Errand<'_>,
        mut ready: Box<Ready>,
        attempt: u64,
        sent: Result<(), SendError>,
    ) -> Result<Called, Unavailable> {
        let (channel, id) = (ready.channel, ready.id);
        let now = self.clock.now();
        let (state, outcome) = match sent {
            Ok(()) => (State::Accepted, Outcome::Sent(channel, id)),
            Err(SendError::Refused { .. }) => (State::Refused, Outcome::Refused(channel, id)),
            Err(SendError::Unknown(cause)) => {
                let cause = runtime::failure::chain(&cause);
                tracing::warn!(delivery.id = %id, cause, "Whether delivery `{id}` was sent is not known: {cause}");
                (State::Unknown, Outcome::Unknown(channel, id))
            }
            Err(failure) => {
                self.release(errand, &mut ready, attempt).await?;
                return self.unsent(ready, &failure, now).await;
            }
        };
        for _ in 0..ATTEMPTS_MAX {
            let mut next = ready.seen.address.clone();
            // A receipt may have come first, or somebody took it for unknown.
            let is_changed = next.settle(id, attempt, state) || state == State::Accepted && next.receipt(id);
            if !is_changed || self.write(errand, &mut ready, next).await? {
                return Ok(Called::Done(ready, outcome));
            }
            self.look_again(errand, &mut ready).await?;
        }
        Err(Unavailable::new("settling a delivery", store::Contended))
    }

    /// Surely nothing was sent: what follows is for the cause to say.
    async fn unsent(
        &self,
        ready: Box<Ready>,
        failure: &SendError,
        now: Timestamp,
    ) -> Result<Called, Unavailable> {
        let waits = |until, why| Outcome::Waits { until, why };
        let outcome = match failure {
            SendError::Throttled => {
                store::change_pace(&self.people, &self.key, ready.channel, |pace| pace.rest(now)).await?;
                return Ok(Called::Again(ready));
            }
            SendError::DailyQuota => waits(now.plus(DAY_USED), Why::Pace),
            SendError::Closed { code } => {
                tracing::error!(code, "The provider takes nothing from anybody: {code}");
                waits(now.plus(CLOSED), Why::Closed)
            }
            SendError::NotSent(cause) => {
                let cause = runtime::failure::chain(cause);
                tracing::warn!(cause, "A message was not sent and waits: {cause}");
                waits(now.plus(UNREACHED), Why::Closed)
            }
            SendError::Refused { .. } | SendError::Unknown(_) => return Ok(Called::Again(ready)),
        };
        Ok(Called::Done(ready, outcome))
    }

    /// Gives a claim back whose call was not begun, or surely sent nothing.
    async fn release(&self, errand: &Errand<'_>, ready: &mut Ready, attempt: u64) -> Result<(), Unavailable> {
        for _ in 0..ATTEMPTS_MAX {
            let mut next = ready.seen.address.clone();
            if !next.release(ready.id, attempt) || self.write(errand, ready, next).await? {
                return Ok(());
            }
            self.look_again(errand, ready).await?;
        }
        Err(Unavailable::new("giving a claim back", store::Contended))
    }

    /// Writes an address if nobody came between; it is then what was seen.
    async fn write(
        &self,
        errand: &Errand<'_>,
        ready: &mut Ready,
        next: Address,
    ) -> Result<bool, Unavailable> {
        let (item, seen) = (next.item(), &mut ready.seen);
        match self.people.replace(errand.workspace, seen.collection, seen.item.as_ref(), &item).await {
            Ok(()) => {
                seen.item = Some(item);
                seen.address = next;
                Ok(true)
            }
            Err(SaveError::Conflict) => Ok(false),
            Err(SaveError::Unavailable(cause)) => Err(cause),
        }
    }

    async fn look_again(&self, errand: &Errand<'_>, ready: &mut Ready) -> Result<(), Unavailable> {
        ready.seen = self.known(errand, &ready.address, ready.to.due, self.clock.now()).await?;
        Ok(())
    }
}

/// What becomes of a letter that the gate does not let through now.
const fn closed(decision: Decision) -> Option<Outcome> {
    match decision {
        Decision::Send => None,
        Decision::Skip(why) | Decision::NextChannel(why) => Some(Outcome::Skipped(why)),
        Decision::Defer { until, why } => Some(Outcome::Waits { until, why }),
    }
}

/// The channel that paces a message whose people are handed out.
pub(crate) fn paced(channels: &[Channel]) -> Channel {
    channels.first().copied().unwrap_or(Channel::Email)
}
