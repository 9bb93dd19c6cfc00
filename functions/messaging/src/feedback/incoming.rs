//! What people answer to a text: stop, start, help.

use domain::identifier::{Identifier, PHONE};
use domain::messaging::Channel;
use domain::messaging::address::Address;
use domain::messaging::consent::{About, Consent, Said, Status, TopicId};
use domain::messaging::mark::Fact;
use domain::messaging::receipt::Incoming;
use domain::messaging::record::{How, Record};
use domain::messaging::words::{self, Word};
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::{Clock, Definitions, People, Queue};

use super::{Feedback, Outcome, source};
use crate::consent::{Unheard, hear, look};

/// The source that words of texts name.
const SOURCE: &str = "sms";
const STOP: &str = "stop";
const START: &str = "start";
const ABOUT_ALL: About = About { channel: Channel::Sms, topic: None };

impl<P, D, Q, C> Feedback<P, D, Q, C>
where
    P: People,
    D: Definitions,
    Q: Queue,
    C: Clock,
{
    pub(super) async fn incoming(&self, incoming: &Incoming) -> Result<Outcome, Unheard> {
        let Some(word) = words::said(&incoming.text) else { return Ok(Outcome::Ignored) };
        // A short code is nobody's phone.
        let Ok(of) = Identifier::parse(PHONE, &incoming.from, None) else { return Ok(Outcome::Ignored) };
        let workspaces = self.workspaces(&incoming.to).await?;
        if workspaces.is_empty() {
            return Ok(Outcome::Foreign);
        }
        match word {
            Word::Stop => {
                for workspace in &workspaces {
                    self.stop(incoming, workspace, &of).await?;
                }
                Ok(Outcome::Stopped { workspaces: workspaces.len() })
            }
            Word::Start => match workspaces.as_slice() {
                [workspace] => self.start(incoming, workspace, &of).await,
                // Which of them is meant nobody can tell: who wants it asks for it there.
                _ => Ok(Outcome::Ignored),
            },
            Word::Help => Ok(Outcome::HelpDue),
        }
    }

    /// The workspaces that write from a number.
    async fn workspaces(&self, number: &str) -> Result<Vec<WorkspaceId>, Unheard> {
        let (number, now) = (digits(number), self.clock.now());
        let mut found = Vec::new();
        for workspace in self.definitions.store().senders().await? {
            let known = self.definitions.workspace(&workspace, now).await?;
            let version = known.map_or(0, |known| known.outreach);
            let outreach = self.definitions.outreach(&workspace, version).await?;
            let theirs = outreach.settings.sender.sms.as_deref().map(digits);
            if !number.is_empty() && theirs.as_ref() == Some(&number) {
                found.push(workspace);
            }
        }
        Ok(found)
    }

    async fn stop(
        &self,
        incoming: &Incoming,
        workspace: &WorkspaceId,
        of: &Identifier,
    ) -> Result<(), Unheard> {
        self.word(incoming, workspace, of, (ABOUT_ALL, Said::Unsubscribed, STOP)).await?;
        let (address, _) = look(&self.people, (&self.key, workspace), of).await?;
        // It is put down to the last text that had come by then.
        let before = address
            .deliveries()
            .iter()
            .filter(|known| known.channel == Channel::Sms && known.at <= incoming.at);
        if let Some(last) = before.max_by_key(|known| (known.at, known.id)) {
            let fact = Fact::Unsubscribed { at: incoming.at };
            self.after().note(workspace, (last, Some(of)), &fact, self.clock.now()).await?;
        }
        Ok(())
    }

    async fn start(
        &self,
        incoming: &Incoming,
        workspace: &WorkspaceId,
        of: &Identifier,
    ) -> Result<Outcome, Unheard> {
        let (address, words) = look(&self.people, (&self.key, workspace), of).await?;
        let topics = left(&address, &words, incoming.at);
        for topic in &topics {
            let about = About { channel: Channel::Sms, topic: Some(topic.clone()) };
            self.word(incoming, workspace, of, (about, Said::Subscribed, START)).await?;
        }
        Ok(Outcome::Started { topics: topics.len() })
    }

    async fn word(
        &self,
        incoming: &Incoming,
        workspace: &WorkspaceId,
        of: &Identifier,
        (about, said, method): (About, Said, &str),
    ) -> Result<(), Unheard> {
        let topic = about.topic.as_ref().map_or("*", TopicId::as_str);
        let name = self.key.event(&source(SOURCE)?, &incoming.id, &format!("{}/{topic}", of.value()));
        let how = How {
            source: SOURCE.to_owned(),
            method: Some(method.to_owned()),
            text: Some(incoming.text.chars().take(domain::messaging::record::TEXT_MAX).collect()),
            origin: None,
            proof: Some(incoming.id.clone()),
        };
        let word = Record { about, said, at: incoming.at, name, how };
        hear(&self.people, (&self.key, workspace), of, &word, self.clock.now()).await.map(drop)
    }
}

/// What START brings back: topics that the person had taken before and did not
/// leave by themselves. If what ended them was no STOP, but a page or a
/// complaint, it brings back nothing.
fn left(address: &Address, words: &[Record], at: Timestamp) -> Vec<TopicId> {
    let ended = words.iter().filter(|word| word.about == ABOUT_ALL && word.at <= at);
    let ended = ended.filter(|word| word.said == Said::Unsubscribed);
    let last = ended.max_by_key(|word| (word.at, word.name));
    let is_stop = |word: &Record| word.how.source == SOURCE && word.how.method.as_deref() == Some(STOP);
    if last.is_some_and(|word| !is_stop(word)) {
        return Vec::new();
    }
    let taken = |(about, consent): (&About, Consent)| {
        let own = consent.status(Consent::default());
        let is_taken = matches!(own, Status::Subscribed { since } if since <= at);
        about.topic.clone().filter(|_| is_taken && about.channel == Channel::Sms)
    };
    address.consents().filter_map(taken).collect()
}

/// A number as it is dialled; of a name that stands for one, its letters.
fn digits(number: &str) -> String {
    let kept = |character: &char| character.is_ascii_alphanumeric();
    number.chars().filter(kept).map(|character| character.to_ascii_lowercase()).collect()
}
