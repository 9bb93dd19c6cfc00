//! Openings and clicks: they are noted, and nobody waits for more than that.

use std::net::{IpAddr, Ipv4Addr};

use domain::key::halves;
use domain::messaging::hits::{self, Hit, Language, What};
use domain::messaging::link::{Link, Purpose, Token};
use domain::messaging::mark::Fact;
use domain::time::Timestamp;
use http::header;
use ports::{Clock, Definitions, Entropy, People, Queue, Timer, Unavailable};
use runtime::failure::{Failure, chain, guard};

use super::answer::Answer;
use super::ask::{Ask, Method};
use super::{Refusal, Web};
use crate::after::find;
use crate::store;

const ALLOWED: &str = "GET, HEAD";

impl<P, D, Q, C, E, T> Web<P, D, Q, C, E, T>
where
    P: People,
    D: Definitions,
    Q: Queue,
    C: Clock,
    E: Entropy,
    T: Timer,
{
    /// A picture that nobody sees; the same for links that are not ours.
    pub(super) async fn opened(&self, ask: &Ask, token: &str) -> Result<Answer, Refusal> {
        looking(ask)?;
        if let Ok(token) = self.open(Purpose::Open, token) {
            self.hit(ask, &token, What::Open).await;
        }
        Ok(Answer::gif())
    }

    /// To where the token says, which is signed, and nowhere else.
    pub(super) async fn clicked(&self, ask: &Ask, token: &str) -> Result<Answer, Refusal> {
        looking(ask)?;
        let token = self.open(Purpose::Click, token)?;
        let Link::Click { index, target } = &token.link else { return Err(Refusal::Nowhere) };
        self.hit(ask, &token, What::Click { index: *index }).await;
        Answer::to(target.as_str()).ok_or(Refusal::Nowhere)
    }

    async fn hit(&self, ask: &Ask, token: &Token, what: What) {
        let [name, _] = halves(self.entropy.bytes());
        let said = ask.header(header::ACCEPT_LANGUAGE).filter(|said| !said.trim().is_empty());
        let origin = ask.origin.as_deref().and_then(|origin| origin.parse().ok());
        let hit = |at| Hit {
            at,
            what,
            method: if ask.method == Method::Get { hits::Method::Get } else { hits::Method::Other },
            user_agent: ask.header(header::USER_AGENT).unwrap_or_default(),
            address: origin.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            language: said.as_ref().map_or(Language::Missing, |_| Language::Said),
        };
        self.note(token, |at| Fact::Hit { name, hit: hit(at) }).await;
    }

    /// Notes what somebody did with a message. Whatever fails of that keeps
    /// nobody from what they came for.
    pub(super) async fn note(&self, token: &Token, fact: impl Fn(Timestamp) -> Fact + Send + Sync) {
        let noting = async { self.noted(token, &fact(self.clock.now())).await.map_err(Failure::retry) };
        if let Err(cause) = guard(Box::pin(noting)).await {
            let cause = chain(&cause);
            let id = token.delivery;
            tracing::warn!(delivery.id = %id, cause, "Could not note a hit of delivery `{id}`: {cause}");
        }
    }

    async fn noted(&self, token: &Token, fact: &Fact) -> Result<(), Unavailable> {
        let Token { workspace, address, delivery, .. } = token;
        let seen = store::address(&self.people, workspace, *address).await?;
        let Some(delivery) = find(&self.people, workspace, &seen, *delivery).await? else { return Ok(()) };
        let to = (&delivery, seen.address.of());
        self.after().note(workspace, to, fact, self.clock.now()).await.map(drop)
    }
}

/// Pictures and links are looked at, by whatever method looks.
const fn looking(ask: &Ask) -> Result<(), Refusal> {
    match ask.method {
        Method::Get | Method::Head => Ok(()),
        Method::Post | Method::Other => Err(Refusal::Method { allowed: ALLOWED }),
    }
}
