//! What people do with the links of their messages: leave, choose, confirm,
//! open, follow.
//!
//! **Invariants:** GET and HEAD change nothing of what somebody said; a link
//! that is not ours opens nothing and says nothing; no token, address or
//! header reaches a log line.

mod answer;
mod ask;
mod language;
mod words;
mod page;
mod leave;
mod choose;
mod confirm;
mod hit;

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use domain::key::IdKey;
use domain::messaging::consent::{About, TopicId};
use domain::messaging::link::{Link, Purpose, Token};
use domain::messaging::outreach::Settings;
use domain::signing::SigningKeys;
use ports::{Clock, Definitions, Entropy, People, Queue, Timer, Unavailable};
use runtime::definitions::Cached;
use runtime::failure::{chain, guard};

use crate::after::After;
use crate::consent::Unheard;
use crate::store::{self, Seen};
use answer::Answer;
use ask::{Ask, Method};
pub use confirm::{ASKED_MAX, ASKED_WITHIN, Asked, Wish, wish};
use language::Language;
use page::Page;

/// The pages behind links, over their ports.
#[derive(Debug)]
pub struct Web<P, D, Q, C, E, T> {
    pub people: P,
    pub definitions: Cached<D>,
    /// The profile queue.
    pub queue: Q,
    pub clock: C,
    pub entropy: E,
    pub timer: T,
    pub key: IdKey,
    /// Those that sign links.
    pub keys: SigningKeys,
}

/// Why a link was not followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Damaged, made up, expired, or of no path of ours: nobody is told which.
    #[error("there is nothing at this address")]
    Nowhere,
    #[error("the address does not take this method")]
    Method { allowed: &'static str },
    #[error(transparent)]
    Unheard(#[from] Unheard),
}

impl From<Unavailable> for Refusal {
    fn from(cause: Unavailable) -> Self {
        Self::Unheard(cause.into())
    }
}

/// What a page says of whoever sent the message.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) language: Language,
    pub(crate) settings: Settings,
}

impl Scene {
    fn of(ask: &Ask, settings: Settings) -> Self {
        let theirs = settings.language.as_deref().and_then(Language::of);
        Self { language: ask.reads().or(theirs).unwrap_or_default(), settings }
    }

    /// A topic's name, as people read it.
    pub(crate) fn topic(&self, topic: &TopicId) -> String {
        let names = self.settings.topics.get(topic.as_str()).map(|topic| &topic.name);
        let wanted = [Some(self.language.code()), self.settings.language.as_deref(), Some("en")];
        let found = names.and_then(|names| {
            let wanted = wanted.iter().flatten().find_map(|language| names.get(*language));
            wanted.or_else(|| names.values().next())
        });
        found.cloned().unwrap_or_else(|| topic.as_str().to_owned())
    }

    pub(crate) fn named(&self, about: &About) -> Option<String> {
        about.topic.as_ref().map(|topic| self.topic(topic))
    }
}

impl<P, D, Q, C, E, T> Web<P, D, Q, C, E, T>
where
    P: People,
    D: Definitions,
    Q: Queue,
    C: Clock,
    E: Entropy,
    T: Timer,
{
    /// Answers one request; whatever happens, the answer is a page that says so.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let ask = Ask::from(request);
        // Boxed, because the SDK's futures within are deep and large.
        let answered = guard(Box::pin(async { Ok(self.answer(&ask).await) })).await;
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(Refusal::Nowhere)) => Answer::page(404, &Page::nowhere(ask.language())),
            Ok(Err(Refusal::Method { allowed })) => {
                Answer::page(405, &Page::nowhere(ask.language())).allowing(allowed)
            }
            Ok(Err(Refusal::Unheard(cause))) => {
                let cause = chain(&cause);
                tracing::error!(cause, "Could not do what a link asks for: {cause}");
                Answer::later(&Page::trouble(ask.language()))
            }
            Err(broken) => {
                let cause = chain(&broken);
                tracing::error!(cause, "A link hit a bug: {cause}");
                Answer::later(&Page::trouble(ask.language()))
            }
        };
        answer.finish(ask.method == Method::Head)
    }

    async fn answer(&self, ask: &Ask) -> Result<Answer, Refusal> {
        let steps: Vec<&str> = ask.path.split('/').filter(|step| !step.is_empty()).collect();
        match steps.as_slice() {
            ["u", token] => self.leave(ask, token).await,
            ["p", token] => self.choose(ask, token).await,
            ["confirm", token] => self.confirm(ask, token).await,
            ["o", token] => self.opened(ask, token).await,
            ["c", token] => self.clicked(ask, token).await,
            _ => Err(Refusal::Nowhere),
        }
    }

    /// A token that was sealed here for this purpose.
    fn open(&self, purpose: Purpose, token: &str) -> Result<Token, Refusal> {
        Token::open(&self.keys, purpose, token, self.clock.now()).map_err(|_| Refusal::Nowhere)
    }

    /// In which words a page speaks. Without definitions it speaks in general
    /// ones: nobody is kept from leaving because they cannot be read.
    async fn scene(&self, ask: &Ask, token: &Token) -> Scene {
        Scene::of(ask, self.settings(token).await.unwrap_or_default())
    }

    async fn settings(&self, token: &Token) -> Result<Settings, Unavailable> {
        let known = self.definitions.workspace(&token.workspace, self.clock.now()).await?;
        let version = known.map_or(0, |known| known.outreach);
        Ok(self.definitions.outreach(&token.workspace, version).await?.settings.clone())
    }

    fn after(&self) -> After<'_, P, D, Q> {
        let Self { people, definitions, queue, key, .. } = self;
        After { people, definitions, queue, key }
    }

    async fn seen(&self, token: &Token) -> Result<Seen, Refusal> {
        Ok(store::address(&self.people, &token.workspace, token.address).await?)
    }
}

/// What an unsubscribe or a confirm link is about.
fn about(token: &Token) -> Result<&About, Refusal> {
    match &token.link {
        Link::Unsubscribe { about } | Link::Confirm { about } => Ok(about),
        Link::Open | Link::Click { .. } | Link::Preferences => Err(Refusal::Nowhere),
    }
}

#[cfg(test)]
mod tests;
