//! What a person wants to be written about: a page of all topics.
//!
//! A form says what it showed, so that only what somebody changed is said: a
//! page that stood open for a day brings nothing back that was left meanwhile.

use domain::messaging::Channel;
use domain::messaging::address::Address;
use domain::messaging::consent::{About, Said, Status, TopicId};
use domain::messaging::link::{Purpose, Token};
use domain::messaging::mark::Fact;
use domain::messaging::outreach::{Settings, TOPICS_MAX};
use ports::{Clock, Definitions, Entropy, People, Queue, Timer};

use super::answer::Answer;
use super::ask::{Ask, Method};
use super::leave::how;
use super::page::{Choice, DO, HAD, NOTHING, Page, SAVE, TOPIC};
use super::{Refusal, Scene, Web};

const METHOD: &str = "preferences";

/// What somebody changed on the page.
struct Changed {
    taken: Vec<TopicId>,
    left: Vec<TopicId>,
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
    /// `GET` shows what stands; `POST` of the page's form changes it.
    pub(super) async fn choose(&self, ask: &Ask, token: &str) -> Result<Answer, Refusal> {
        let token = self.open(Purpose::Preferences, token)?;
        let scene = Scene::of(ask, self.settings(&token).await?);
        let address = self.seen(&token).await?.address;
        let channel = channel(&address).ok_or(Refusal::Nowhere)?;
        let is_saved = match ask.method {
            Method::Post if ask.has(DO, NOTHING) => {
                let everything = About { channel, topic: None };
                let text = Page::nothing(&scene).to_owned();
                self.withdraw(&token, &everything, how(ask, METHOD, Some(text))).await?;
                self.note(&token, |at| Fact::Unsubscribed { at }).await;
                true
            }
            Method::Post if ask.has(DO, SAVE) => {
                self.change(ask, &token, (&scene, channel)).await?;
                true
            }
            // Who only looks says nothing, and neither does a form that is not ours.
            Method::Get | Method::Head | Method::Post => false,
            Method::Other => return Err(Refusal::Method { allowed: "GET, HEAD, POST" }),
        };
        let address = if is_saved { self.seen(&token).await?.address } else { address };
        let choices = choices(&scene, &address, channel);
        Ok(Answer::page(200, &Page::choose(&scene, channel, &choices, is_saved)))
    }

    async fn change(
        &self,
        ask: &Ask,
        token: &Token,
        (scene, channel): (&Scene, Channel),
    ) -> Result<(), Refusal> {
        let Changed { taken, left } = changed(ask, &scene.settings);
        for topic in &left {
            let how = how(ask, METHOD, Some(scene.topic(topic)));
            self.withdraw(token, &About { channel, topic: Some(topic.clone()) }, how).await?;
        }
        for topic in &taken {
            let seen = self.seen(token).await?;
            if matches!(seen.address.status(channel, topic), Status::Subscribed { .. }) {
                continue;
            }
            let about = About { channel, topic: Some(topic.clone()) };
            let how = how(ask, METHOD, Some(scene.topic(topic)));
            let word = (&about, Said::Subscribed, self.clock.now());
            self.say(token, seen.address.of(), word, how).await?;
        }
        if !left.is_empty() {
            self.note(token, |at| Fact::Unsubscribed { at }).await;
        }
        Ok(())
    }
}

fn changed(ask: &Ask, settings: &Settings) -> Changed {
    let form = ask.form();
    let named = |field: &str| -> Vec<TopicId> {
        let values = form.iter().filter(|(name, _)| name == field).take(TOPICS_MAX);
        let known = values.filter(|(_, id)| settings.topics.contains_key(id));
        known.filter_map(|(_, id)| TopicId::parse(id).ok()).collect()
    };
    let (checked, had) = (named(TOPIC), named(HAD));
    Changed {
        taken: checked.iter().filter(|id| !had.contains(id)).cloned().collect(),
        left: had.iter().filter(|id| !checked.contains(id)).cloned().collect(),
    }
}

/// All topics of the workspace, and whether each is wanted.
fn choices(scene: &Scene, address: &Address, channel: Channel) -> Vec<Choice> {
    let topics = scene.settings.topics.keys().filter_map(|id| TopicId::parse(id).ok());
    let choice = |id: TopicId| Choice {
        name: scene.topic(&id),
        is_wanted: matches!(address.status(channel, &id), Status::Subscribed { .. }),
        id,
    };
    topics.map(choice).collect()
}

/// The channel that an address belongs to.
fn channel(address: &Address) -> Option<Channel> {
    let of = address.of()?;
    Channel::ALL.into_iter().find(|channel| channel.kind() == of.kind())
}
