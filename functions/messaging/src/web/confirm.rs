//! Double opt-in: a wish that somebody typed, and its confirmation by whoever
//! reads the address.

use domain::identifier::Identifier;
use domain::key::IdKey;
use domain::messaging::consent::{About, Said, Status};
use domain::messaging::link::{CONFIRM_WITHIN, Link, Purpose, Token};
use domain::messaging::record::{How, Record};
use domain::signing::SigningKeys;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::{Clock, Definitions, Entropy, People, Queue, Timer};

use super::answer::Answer;
use super::ask::{Ask, Method};
use super::leave::how;
use super::page::Page;
use super::{Refusal, Web, about};
use crate::consent::{Unheard, hear, look};

/// Letters that ask one address for its word, within [`ASKED_WITHIN`]: who is
/// not the one that was meant gets no more of them.
pub const ASKED_MAX: usize = 3;
pub const ASKED_WITHIN: i64 = Timestamp::DAY;

/// A wish as it was typed.
#[derive(Debug)]
pub struct Wish<'a> {
    pub of: &'a Identifier,
    pub about: &'a About,
    /// Who tells of it, such as a form's source.
    pub source: &'a SourceId,
    pub how: How,
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The token of the link to confirm it, for a letter to this address.
    Token(String),
    /// It was confirmed long ago.
    Already,
    /// The address was asked too often; from then on it may be asked again.
    TooOften { until: Timestamp },
    /// Of everything on a channel nobody can wish for more.
    Nothing,
}

/// Keeps a wish, and gives the token by which it is confirmed.
pub async fn wish<P: People>(
    people: &P,
    (key, keys): (&IdKey, &SigningKeys),
    workspace: &WorkspaceId,
    wish: Wish<'_>,
    now: Timestamp,
) -> Result<Asked, Unheard> {
    let Wish { of, about, source, how } = wish;
    let Some(topic) = &about.topic else { return Ok(Asked::Nothing) };
    let (address, words) = look(people, (key, workspace), of).await?;
    if matches!(address.status(about.channel, topic), Status::Subscribed { .. }) {
        return Ok(Asked::Already);
    }
    let before = asked(&words, now);
    if let Some(until) = again(&before) {
        return Ok(Asked::TooOften { until });
    }
    let name = Record::name(key, source, of, (about, Said::Asked, now));
    let word = Record { about: about.clone(), said: Said::Asked, at: now, name, how };
    hear(people, (key, workspace), of, &word, now).await?;
    // Of those who ask at once each sees all others: the first ones are served.
    let (_, words) = look(people, (key, workspace), of).await?;
    let mut first = asked(&words, now);
    first.retain(|other| (other.at, other.name) < (now, name));
    if let Some(until) = again(&first) {
        return Ok(Asked::TooOften { until });
    }
    let occasion = format!("confirm#{topic}#{}", now.millis());
    let token = Token {
        workspace: workspace.clone(),
        address: key.address(workspace, of),
        delivery: key.delivery(workspace, &occasion, about.channel, of),
        issued: now,
        link: Link::Confirm { about: about.clone() },
    };
    Ok(Asked::Token(token.seal(keys)))
}

/// The wishes of an address that count, from the oldest.
fn asked(words: &[Record], now: Timestamp) -> Vec<&Record> {
    let counts = |word: &&Record| word.said == Said::Asked && now.since(word.at) < ASKED_WITHIN;
    words.iter().filter(counts).collect()
}

/// When an address may be asked again that was asked as often as it may be.
fn again(before: &[&Record]) -> Option<Timestamp> {
    let oldest = before.len().checked_sub(ASKED_MAX).and_then(|place| before.get(place))?;
    Some(oldest.at.plus(ASKED_WITHIN))
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
    /// `GET` shows a page with one button; `POST` confirms.
    pub(super) async fn confirm(&self, ask: &Ask, token: &str) -> Result<Answer, Refusal> {
        let token = self.open(Purpose::Confirm, token)?;
        let about = about(&token)?;
        let topic = about.topic.as_ref().ok_or(Refusal::Nowhere)?;
        let scene = self.scene(ask, &token).await;
        let address = self.seen(&token).await?.address;
        let is_confirmed = match address.status(about.channel, topic) {
            Status::Pending { .. } => false,
            Status::Subscribed { .. } => true,
            // Who has left since does not come back by an old link.
            Status::Never | Status::Unsubscribed { .. } => return Err(Refusal::Nowhere),
        };
        match ask.method {
            Method::Get | Method::Head => Ok(Answer::page(200, &Page::confirm(&scene, topic))),
            Method::Post => {
                if !is_confirmed {
                    let text = Page::confirm(&scene, topic).said();
                    let how = how(ask, "double-opt-in", Some(text));
                    let word = (about, Said::Subscribed, self.clock.now());
                    self.say(&token, address.of(), word, how).await?;
                }
                Ok(Answer::page(200, &Page::confirmed(&scene, topic)))
            }
            Method::Other => Err(Refusal::Method { allowed: "GET, HEAD, POST" }),
        }
    }
}

const _: () = assert!(ASKED_WITHIN < CONFIRM_WITHIN, "a wish may be asked for again before it is over");
