//! To be written to no more: the button of a page, and the one click of RFC 8058.

use domain::identifier::Identifier;
use domain::messaging::consent::{About, Said, TopicId};
use domain::messaging::link::{Purpose, Token};
use domain::messaging::mark::Fact;
use domain::messaging::record::{How, Record};
use domain::time::Timestamp;
use domain::workspace::SourceId;
use ports::{Clock, Definitions, Entropy, People, Queue, Timer, Unavailable};

use super::answer::Answer;
use super::ask::{Ask, Method};
use super::page::{BUTTON, Page};
use super::{Refusal, Web, about};
use crate::consent::{Unheard, hear_at};
use crate::store;

/// The source that words said by links name.
pub(crate) const SOURCE: &str = "link";
/// How often it is looked whether a call is over: most are before the first wait ends.
const STEP: i64 = 50;
/// Who is not done by then is told to come again, before the front door gives up.
const PATIENCE: i64 = 15 * Timestamp::SECOND;

impl<P, D, Q, C, E, T> Web<P, D, Q, C, E, T>
where
    P: People,
    D: Definitions,
    Q: Queue,
    C: Clock,
    E: Entropy,
    T: Timer,
{
    /// `GET` shows a page with one button; `POST`, whatever its body, leaves.
    pub(super) async fn leave(&self, ask: &Ask, token: &str) -> Result<Answer, Refusal> {
        let token = self.open(Purpose::Unsubscribe, token)?;
        let about = about(&token)?;
        let scene = self.scene(ask, &token).await;
        match ask.method {
            Method::Get | Method::Head => Ok(Answer::page(200, &Page::leave(&scene, about))),
            Method::Post => {
                let is_page = ask.has(BUTTON.0, BUTTON.1);
                let text = is_page.then(|| Page::leave(&scene, about).said());
                let how = how(ask, if is_page { "page" } else { "one-click" }, text);
                self.withdraw(&token, about, how).await?;
                self.note(&token, |at| Fact::Unsubscribed { at }).await;
                Ok(Answer::page(200, &Page::left(&scene, about)))
            }
            Method::Other => Err(Refusal::Method { allowed: "GET, HEAD, POST" }),
        }
    }

    /// Takes back what stands, and comes back once no call that this forbids can
    /// begin any more; `true` if anything stood.
    pub(super) async fn withdraw(&self, token: &Token, about: &About, how: How) -> Result<bool, Unheard> {
        let end = self.clock.now().plus(PATIENCE);
        let mut is_new = false;
        loop {
            let now = self.clock.now();
            let seen = store::address(&self.people, &token.workspace, token.address).await?;
            if let Some(since) = seen.address.open(about) {
                // A clock that is ahead may have said something later than now.
                let (said, at) = (Said::Unsubscribed, now.max(since));
                let of = seen.address.of();
                self.say(token, of, (about, said, at), how.clone()).await?;
                is_new = true;
            } else if let Some(until) = seen.address.under_way(about, now) {
                self.timer.until(until.min(now.plus(STEP))).await;
            } else {
                return Ok(is_new);
            }
            if self.clock.now() > end {
                return Err(Unheard::Busy);
            }
        }
    }

    /// Keeps a word that a link said.
    pub(super) async fn say(
        &self,
        token: &Token,
        of: Option<&Identifier>,
        (about, said, at): (&About, Said, Timestamp),
        how: How,
    ) -> Result<(), Unheard> {
        let (workspace, collection) = (&token.workspace, token.address);
        let topic = about.topic.as_ref().map_or("*", TopicId::as_str);
        let said_of = format!("{}/{topic}/{said:?}/{}", about.channel.name(), at.millis());
        let source = SourceId::parse(SOURCE).map_err(|cause| Unavailable::new("naming a word", cause))?;
        let name = self.key.event(&source, &said_of, &collection.to_string());
        let word = Record { about: about.clone(), said, at, name, how };
        hear_at(&self.people, (workspace, collection), of, &word, self.clock.now()).await.map(drop)
    }
}

/// How it is known that a link said something.
pub(super) fn how(ask: &Ask, method: &str, text: Option<String>) -> How {
    How {
        source: SOURCE.to_owned(),
        method: Some(method.to_owned()),
        text,
        origin: ask.origin.clone(),
        proof: None,
    }
}
