//! What a workspace defines of its messages: who writes, about what, to whom,
//! and when.
//!
//! Three kinds of documents, each under a version of them all: the *settings*
//! of everything that is sent, *templates* (what a message says) and *messages*
//! (which template goes to whom).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::consent::TopicId;
use super::gate::{Cap, Policy, Priority};
use super::parcel::{Parcel, Recipient};
use super::quiet::{Minute, Quiet};
use super::{Channel, Kind};
use crate::identifier::{EMAIL, Identifier, PHONE};
use crate::rules::document::Mistake;
use crate::segment::span::Span;
use crate::segment::stored::SegmentId;
use crate::time::Timestamp;
use crate::workspace::{WorkspaceId, name};

/// A template's name among those of its workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateId(String);

/// A message's name among those of its workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(String);

name!(TemplateId);
name!(MessageId);

/// Bytes of settings or of a message; a template has its own limit.
pub const LENGTH_MAX: usize = 64 * 1024;
/// Topics of a workspace: people choose among them on one page.
pub const TOPICS_MAX: usize = 50;
/// Messages and templates of a workspace, each.
pub const DOCUMENTS_MAX: usize = 500;
/// Variants of one message.
pub const VARIANTS_MAX: usize = 10;
/// A message that nothing else ends is of no use after so long.
pub const EXPIRES_DEFAULT: &str = "7d";

/// What holds for all that a workspace sends.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    pub sender: Sender,
    /// What people can be written about, and take or leave.
    #[serde(default)]
    pub topics: BTreeMap<String, Topic>,
    #[serde(default)]
    pub caps: Vec<CapDocument>,
    /// Hours in which nobody gets anything promotional.
    #[serde(default)]
    pub quiet: Option<QuietDocument>,
    /// The language of whoever has none of those that a template has.
    #[serde(default)]
    pub language: Option<String>,
}

/// In whose name messages go out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    pub name: Option<String>,
    pub email: Option<String>,
    pub reply_to: Option<String>,
    /// Where the sender is found, which the law asks of advertising.
    pub postal_address: Option<String>,
    /// What an SMS comes from: a number, or a registered name.
    pub sms: Option<String>,
}

/// Something that people are written about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// What people read, by language.
    pub name: BTreeMap<String, String>,
}

/// A [`Cap`], as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapDocument {
    pub most: usize,
    pub per: crate::rules::Period,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Of these, how many are kept for messages of high priority.
    #[serde(default)]
    pub reserved: usize,
}

/// A [`Quiet`], as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietDocument {
    pub from: String,
    pub to: String,
}

/// A message as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageDocument {
    pub name: String,
    /// A broadcast: to whoever is in this segment when it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A trigger: to each person who enters this segment, from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entering: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Several templates instead of one, each with its share of the people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantDocument>,
    /// Of a hundred people so many get nothing, to compare with.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hold_out: u8,
    /// From the one that is tried first.
    pub channels: Vec<Channel>,
    #[serde(default)]
    pub priority: Priority,
    /// It is of no use so long after it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantDocument {
    pub template: String,
    /// Of a hundred people.
    pub share: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(value: &u8) -> bool {
    *value == 0
}

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub name: String,
    pub audience: Audience,
    /// Templates with the end of their share; shares begin where the one before ends.
    pub variants: Vec<Variant>,
    pub channels: Vec<Channel>,
    pub priority: Priority,
    pub expires_after: Span,
}

/// Whom a message goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who is in, once an operator starts it.
    Broadcast(SegmentId),
    /// Each person who enters.
    Entering(SegmentId),
}

impl Audience {
    pub const fn segment(&self) -> &SegmentId {
        match self {
            Self::Broadcast(segment) | Self::Entering(segment) => segment,
        }
    }
}

/// What one share of the people gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    pub template: TemplateId,
    /// Hundredths of the people at which the share ends.
    pub up_to: u8,
}

/// What a template is for; what it says is not this module's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Purpose {
    pub kind: Kind,
    #[serde(default)]
    pub topic: Option<TopicId>,
}

/// All that a workspace defined of its messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outreach {
    /// Counts the changes; 0 if there never was any.
    pub version: u64,
    pub settings: Settings,
    /// Documents, as their authors wrote them.
    pub templates: BTreeMap<TemplateId, String>,
    pub messages: BTreeMap<MessageId, MessageDocument>,
}

/// A change of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    Settings(Settings),
    Template(TemplateId, String),
    Message(MessageId, MessageDocument),
}

impl Settings {
    pub fn read(json: &str) -> Result<Self, Vec<Mistake>> {
        let settings: Self = document(json)?;
        let mut mistakes = Mistakes::default();
        mistakes.sender(&settings.sender);
        mistakes.topics(&settings.topics);
        for (at, cap) in settings.caps.iter().enumerate() {
            mistakes.cap(&format!("caps[{at}]"), cap, &settings.topics);
        }
        if let Some(quiet) = &settings.quiet {
            mistakes.minute("quiet.from", &quiet.from);
            mistakes.minute("quiet.to", &quiet.to);
        }
        mistakes.none(settings)
    }

    /// What the gate asks; of a document that was read nothing is left out.
    pub fn policy(&self) -> Policy {
        let cap = |cap: &CapDocument| Cap {
            channel: cap.channel,
            topic: cap.topic.as_deref().and_then(|topic| TopicId::parse(topic).ok()),
            most: cap.most,
            per: cap.per,
            reserved: cap.reserved,
        };
        let quiet = self.quiet.as_ref().and_then(|quiet| {
            Some(Quiet { from: Minute::parse(&quiet.from).ok()?, to: Minute::parse(&quiet.to).ok()? })
        });
        Policy { caps: self.caps.iter().map(cap).collect(), quiet }
    }
}

impl MessageDocument {
    pub fn read(json: &str) -> Result<Self, Vec<Mistake>> {
        document(json)
    }

    /// The message, or every mistake of its document.
    pub fn message(&self) -> Result<Message, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        let audience = mistakes.audience(self);
        let variants = mistakes.variants(self);
        if self.channels.is_empty() {
            mistakes
                .add("channels", "are none; name `email`, `sms` or both, the one that is tried first first");
        }
        if self.channels.iter().collect::<BTreeSet<_>>().len() < self.channels.len() {
            mistakes.add("channels", "name one twice");
        }
        let expires = self.expires_after.as_deref().unwrap_or(EXPIRES_DEFAULT);
        let expires_after = Span::parse(expires).map_err(|reason| mistakes.add("expires_after", reason)).ok();
        let (Some(audience), Some(expires_after), true) = (audience, expires_after, mistakes.0.is_empty())
        else {
            return Err(mistakes.0);
        };
        let (name, channels, priority) = (self.name.clone(), self.channels.clone(), self.priority);
        Ok(Message { name, audience, variants, channels, priority, expires_after })
    }
}

impl Message {
    /// The variant of a person who drew this lot (0 to 99); `None` gets nothing,
    /// to compare with.
    pub fn variant(&self, lot: u8) -> Option<&Variant> {
        self.variants.iter().find(|variant| lot < variant.up_to)
    }
}

impl Outreach {
    /// Whether a document can stand beside the others; every reason why not.
    /// What a template says is its author's tool's to check.
    pub fn check(
        &self,
        written: &Written,
        is_segment: impl Fn(&SegmentId) -> bool,
    ) -> Result<(), Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        match written {
            Written::Settings(settings) => self.check_settings(settings, &mut mistakes),
            Written::Template(id, document) => {
                mistakes.room(self.templates.contains_key(id), self.templates.len(), "templates");
                self.check_template(id, document, &mut mistakes);
            }
            Written::Message(id, document) => {
                mistakes.room(self.messages.contains_key(id), self.messages.len(), "messages");
                match document.message() {
                    Err(found) => mistakes.0.extend(found),
                    Ok(message) => self.check_message(id, &message, is_segment, &mut mistakes),
                }
            }
        }
        mistakes.none(())
    }

    fn check_settings(&self, settings: &Settings, mistakes: &mut Mistakes) {
        for (id, document) in &self.templates {
            let topic = purpose(document).ok().and_then(|purpose| purpose.topic);
            if let Some(topic) = topic.filter(|topic| !settings.topics.contains_key(topic.as_str())) {
                mistakes.add("topics", format!("have no `{topic}` any more, which template `{id}` is about"));
            }
        }
    }

    fn check_template(&self, id: &TemplateId, document: &str, mistakes: &mut Mistakes) {
        let purpose = match purpose(document) {
            Ok(purpose) => purpose,
            Err(mistake) => return mistakes.0.push(mistake),
        };
        match (&purpose.topic, purpose.kind) {
            (None, Kind::Promotional) => {
                mistakes
                    .add("topic", "is missing; what is promotional is about something that people can leave");
            }
            (Some(topic), _) if !self.settings.topics.contains_key(topic.as_str()) => {
                mistakes
                    .add("topic", format!("`{topic}` is none of the settings' topics: {}", self.topics()));
            }
            (Some(_), Kind::Transactional) => {
                mistakes
                    .add("topic", "is for promotional templates; what somebody asked for needs no consent");
            }
            (None, Kind::Transactional) | (Some(_), Kind::Promotional) => (),
        }
        for (message, document) in &self.messages {
            let Ok(other) = document.message() else { continue };
            let beside = other.variants.iter().map(|variant| &variant.template).filter(|other| *other != id);
            let is_used = other.variants.iter().any(|variant| variant.template == *id);
            if is_used && beside.filter_map(|other| self.purpose(other)).any(|other| other != purpose) {
                mistakes.add(
                    "kind",
                    format!("and `topic` have to be those of the other variants of `{message}`"),
                );
            }
        }
    }

    fn check_message(
        &self,
        id: &MessageId,
        message: &Message,
        is_segment: impl Fn(&SegmentId) -> bool,
        mistakes: &mut Mistakes,
    ) {
        let segment = message.audience.segment();
        let place = if matches!(message.audience, Audience::Broadcast(_)) { "to" } else { "entering" };
        if !is_segment(segment) {
            mistakes.add(
                place,
                format!("names `{segment}`, which is no segment; `tributary segments list` names those"),
            );
        }
        let known = self.messages.get(id).and_then(|known| known.message().ok());
        if let Some(known) = known.filter(|known| known.audience != message.audience) {
            let segment = known.audience.segment();
            mistakes.add(
                place,
                format!("cannot change from `{segment}`: who got it is kept by this id; take another"),
            );
        }
        let mut purposes = Vec::new();
        for Variant { template, .. } in &message.variants {
            match self.purpose(template) {
                Some(purpose) => purposes.push(purpose),
                None => mistakes.add("template", format!("`{template}` does not exist; set it first")),
            }
        }
        purposes.dedup();
        if purposes.len() > 1 {
            mistakes.add("variants", "differ in kind or topic: each person has to be asked the same");
        }
        let Sender { email, sms, .. } = &self.settings.sender;
        let lacks = |channel, has: bool| message.channels.contains(&channel) && !has;
        if lacks(Channel::Email, email.is_some()) {
            mistakes.add("channels", "name email, and the settings name no `sender.email` to write from");
        }
        if lacks(Channel::Sms, sms.is_some()) {
            mistakes.add("channels", "name sms, and the settings name no `sender.sms` to write from");
        }
    }

    /// All of it with one document changed, under the next version.
    #[must_use]
    pub fn with(&self, written: Written) -> Self {
        let mut next = Self { version: self.version.saturating_add(1), ..self.clone() };
        match written {
            Written::Settings(settings) => next.settings = settings,
            Written::Template(id, document) => drop(next.templates.insert(id, document)),
            Written::Message(id, document) => drop(next.messages.insert(id, document)),
        }
        next
    }

    /// What has to be sent because somebody entered a segment.
    pub fn entered(&self, workspace: &WorkspaceId, segment: &SegmentId, to: Recipient) -> Vec<Parcel> {
        let waits = |document: &MessageDocument| document.entering.as_deref() == Some(segment.as_str());
        let waiting = self.messages.iter().filter(|(_, document)| waits(document));
        let parcel = |id: &MessageId| Parcel {
            workspace: workspace.clone(),
            message: id.clone(),
            version: self.version,
            to: vec![to],
        };
        waiting.map(|(id, _)| parcel(id)).collect()
    }

    /// What a template is for, if there is one of this name.
    pub fn purpose(&self, template: &TemplateId) -> Option<Purpose> {
        purpose(self.templates.get(template)?).ok()
    }

    fn topics(&self) -> String {
        self.settings.topics.keys().map(|topic| format!("`{topic}`")).collect::<Vec<_>>().join(", ")
    }
}

fn purpose(document: &str) -> Result<Purpose, Mistake> {
    serde_json::from_str(document).map_err(|error| Mistake {
        place: "the document".to_owned(),
        reason: format!("does not say what the template is for (`kind`, `topic`): {error}"),
    })
}

/// Reads a document; what is no document is one mistake, with its place.
fn document<T: DeserializeOwned>(json: &str) -> Result<T, Vec<Mistake>> {
    let mistake = |place: &str, reason| vec![Mistake { place: place.to_owned(), reason }];
    if json.len() > LENGTH_MAX {
        return Err(mistake("the document", format!("has {} bytes, of {LENGTH_MAX}", json.len())));
    }
    let reader = &mut serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." { "the document" } else { place.as_str() };
        mistake(place, format!("cannot be read: {}", error.inner()))
    })
}

/// All that is wrong, so that an author mends it at once.
#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        self.0.push(Mistake { place: place.into(), reason: reason.into() });
    }

    fn none<T>(self, value: T) -> Result<T, Vec<Mistake>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    fn room(&mut self, is_known: bool, count: usize, what: &str) {
        if !is_known && count >= DOCUMENTS_MAX {
            self.add("the document", format!("would be one of more than {DOCUMENTS_MAX} {what}"));
        }
    }

    fn sender(&mut self, sender: &Sender) {
        let addresses = [("sender.email", &sender.email), ("sender.reply_to", &sender.reply_to)];
        for (place, address) in addresses {
            if address.as_deref().is_some_and(|address| Identifier::parse(EMAIL, address, None).is_err()) {
                self.add(place, "is no e-mail address");
            }
        }
        if sender.sms.as_deref().is_some_and(|origin| !is_origination(origin)) {
            self.add(
                "sender.sms",
                "is neither a number such as +4712345678 nor a name of up to 11 letters and digits",
            );
        }
        for (place, text) in
            [("sender.name", &sender.name), ("sender.postal_address", &sender.postal_address)]
        {
            if text.as_deref().is_some_and(|text| text.trim().is_empty() || text.contains(['\r', '\n'])) {
                self.add(place, "is empty, or has more than one line");
            }
        }
    }

    fn topics(&mut self, topics: &BTreeMap<String, Topic>) {
        if topics.len() > TOPICS_MAX {
            self.add("topics", format!("are {}, of {TOPICS_MAX}", topics.len()));
        }
        for (id, topic) in topics {
            if let Err(reason) = TopicId::parse(id) {
                self.add(format!("topics.{id}"), format!("is no name: {reason}"));
            }
            if topic.name.is_empty() {
                self.add(
                    format!("topics.{id}.name"),
                    "is missing: people read it on the page on which they choose",
                );
            }
        }
    }

    fn cap(&mut self, place: &str, cap: &CapDocument, topics: &BTreeMap<String, Topic>) {
        if cap.most == 0 || cap.most > 100 {
            self.add(format!("{place}.most"), "is from 1 to 100");
        }
        if cap.reserved >= cap.most {
            self.add(format!("{place}.reserved"), "leaves nothing for messages of normal priority");
        }
        if let Some(topic) = cap.topic.as_ref().filter(|topic| !topics.contains_key(*topic)) {
            self.add(format!("{place}.topic"), format!("`{topic}` is none of the topics"));
        }
    }

    fn minute(&mut self, place: &str, text: &str) -> Option<Minute> {
        Minute::parse(text).map_err(|reason| self.add(place, reason.to_string())).ok()
    }

    fn audience(&mut self, document: &MessageDocument) -> Option<Audience> {
        let (place, id, audience): (_, _, fn(SegmentId) -> Audience) =
            match (&document.to, &document.entering) {
                (Some(id), None) => ("to", id, Audience::Broadcast),
                (None, Some(id)) => ("entering", id, Audience::Entering),
                (None, None) | (Some(_), Some(_)) => {
                    self.add("to", "and `entering` are two ways to name a segment; take one of them");
                    return None;
                }
            };
        SegmentId::parse(id)
            .map_err(|reason| self.add(place, format!("is no name: {reason}")))
            .ok()
            .map(audience)
    }

    fn variants(&mut self, document: &MessageDocument) -> Vec<Variant> {
        let whole = 100_u8.saturating_sub(document.hold_out);
        if document.hold_out > 90 {
            self.add("hold_out", "is from 0 to 90 of a hundred people");
        }
        let mut named: Vec<(String, &str, u8)> = Vec::new();
        match (&document.template, document.variants.as_slice()) {
            (Some(template), []) => named.push(("template".to_owned(), template, whole)),
            (None, variants) if !variants.is_empty() => {
                let variants = variants.iter().enumerate();
                named.extend(
                    variants.map(|(at, of)| (format!("variants[{at}]"), of.template.as_str(), of.share)),
                );
            }
            _ => self.add("template", "and `variants` are two ways to say what is sent; take one of them"),
        }
        if named.len() > VARIANTS_MAX {
            self.add("variants", format!("are {}, of {VARIANTS_MAX}", named.len()));
        }
        let shares: u32 = named.iter().map(|(_, _, share)| u32::from(*share)).sum();
        if !named.is_empty() && shares != u32::from(whole) {
            self.add(
                "variants",
                format!("have {shares} of a hundred people together, and have to have {whole}"),
            );
        }
        let mut up_to = 0_u8;
        let mut variants = Vec::new();
        for (place, template, share) in named {
            up_to = up_to.saturating_add(share);
            match TemplateId::parse(template) {
                Ok(template) => variants.push(Variant { template, up_to }),
                Err(reason) => self.add(place, format!("is no name of a template: {reason}")),
            }
        }
        variants
    }
}

/// A phone number, or a name that phones show in its place.
fn is_origination(origin: &str) -> bool {
    let is_name = (1..=11).contains(&origin.len())
        && origin.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && origin.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_name || Identifier::parse(PHONE, origin, None).is_ok_and(|parsed| parsed.value() == origin)
}

/// Until when a message is of use that was due at a moment.
pub fn expires(message: &Message, due: Timestamp) -> Timestamp {
    message.expires_after.after(due)
}

#[cfg(test)]
mod tests;
