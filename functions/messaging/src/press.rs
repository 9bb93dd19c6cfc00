//! From a template and a person to a letter or a text, with the links of both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::key::{DeliveryId, ProfileId};
use domain::messaging::consent::About;
use domain::messaging::link::{Link, Target, Token};
use domain::messaging::outreach::{Outreach, Sender, TemplateId};
use domain::messaging::{Channel, Kind};
use domain::profile::Profile;
use domain::segment::verdict::Person;
use domain::signing::SigningKeys;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use ports::channel::{Letter, Text};
use serde_json::{Map, Value, json};
use template::{Data, Draft, Fields, Mistake, Template};

use crate::weigh::Errand;

/// Tags by which a provider's receipts name what they are about.
pub(crate) const TAGS: [&str; 4] = ["t-workspace", "t-occasion", "t-delivery", "t-address"];
/// Templates that are kept ready.
const KEPT_MAX: usize = 200;
/// Who has told no language, and whose workspace has none.
const LANGUAGE: &str = "en";
/// Providers try an SMS no longer than this.
const SMS_TRIED_FOR: i64 = 72 * Timestamp::HOUR;

/// Makes letters of templates.
#[derive(Debug)]
pub struct Press {
    keys: SigningKeys,
    /// Where links lead, without a slash at its end.
    links: String,
    /// The providers' sets of settings, by which receipts come back.
    email_set: Option<String>,
    sms_set: Option<String>,
    ready: Mutex<HashMap<(WorkspaceId, TemplateId), Made>>,
}

/// A template made ready, and the document that it was made of.
type Made = (String, Arc<Template>);

/// What is ready to be given to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Printed {
    Letter(Letter),
    Text(Text),
}

/// What is said of one person.
#[derive(Debug)]
pub(crate) struct Words {
    profile: Value,
    computed: Value,
    language: Option<String>,
}

/// Why a template says nothing to somebody.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unprintable {
    #[error("the template is not one that this version can read: {}", first(.0))]
    Template(Vec<Mistake>),
    #[error(transparent)]
    Render(#[from] template::RenderError),
    #[error("what is known of the person is too much: {0}")]
    Data(template::Refusal),
    #[error("the settings name no `{0}`")]
    Sender(&'static str),
    #[error("the template is gone")]
    Gone,
}

fn first(mistakes: &[Mistake]) -> String {
    mistakes.first().map(ToString::to_string).unwrap_or_default()
}

impl Words {
    pub(crate) fn of(
        errand: &Errand<'_>,
        profile: &Profile,
        person: &Person<'_>,
        language: Option<String>,
    ) -> Self {
        let mut traits = profile.traits.value();
        traits.remove(domain::segment::list::RESERVED);
        let computed = errand.compiled.computed.iter().filter(|computed| !computed.is_silent);
        let computed: Map<String, Value> = computed
            .filter_map(|computed| {
                let (value, _) = person.value(&computed.ready.rule)?;
                Some((computed.id.as_str().to_owned(), value))
            })
            .collect();
        Self { profile: Value::Object(traits), computed: Value::Object(computed), language }
    }
}

impl Press {
    pub fn new(keys: SigningKeys, links: &str, [email_set, sms_set]: [Option<String>; 2]) -> Self {
        let links = links.trim_end_matches('/').to_owned();
        Self { keys, links, email_set, sms_set, ready: Mutex::default() }
    }

    /// Whether a template says anything on a channel; one that cannot be read
    /// says so of itself when it is printed.
    pub(crate) fn has(
        &self,
        workspace: &WorkspaceId,
        outreach: &Outreach,
        id: &TemplateId,
        channel: Channel,
    ) -> bool {
        self.template(workspace, outreach, id).map_or(true, |template| match channel {
            Channel::Email => template.has_email(),
            Channel::Sms => template.has_sms(),
        })
    }

    /// A template made ready; it is made anew when its document changed.
    fn template(
        &self,
        workspace: &WorkspaceId,
        outreach: &Outreach,
        id: &TemplateId,
    ) -> Result<Arc<Template>, Unprintable> {
        let document = outreach.templates.get(id).ok_or(Unprintable::Gone)?;
        let place = (workspace.clone(), id.clone());
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, template)) = ready.get(&place).filter(|(of, _)| of == document) {
            return Ok(Arc::clone(template));
        }
        let draft = Draft::read(document).map_err(|mistake| Unprintable::Template(vec![mistake]))?;
        let template =
            Template::compile(&draft, &template::Partials::default()).map_err(Unprintable::Template)?;
        let template = Arc::new(template);
        if ready.len() >= KEPT_MAX {
            ready.clear();
        }
        ready.insert(place, (document.clone(), Arc::clone(&template)));
        Ok(template)
    }

    /// What one person gets by one address.
    pub(crate) fn print(
        &self,
        errand: &Errand<'_>,
        id: &TemplateId,
        (channel, to, address, delivery): (Channel, &str, ProfileId, DeliveryId),
        words: &Words,
        now: Timestamp,
    ) -> Result<Printed, Unprintable> {
        let template = self.template(errand.workspace, errand.outreach, id)?;
        let purpose = errand.outreach.purpose(id).ok_or(Unprintable::Gone)?;
        let token =
            |link| Token { workspace: errand.workspace.clone(), address, delivery, issued: now, link };
        let about = About { channel, topic: purpose.topic.clone() };
        let links = Links {
            unsubscribe: self.url("u", &token(Link::Unsubscribe { about })),
            preferences: self.url("p", &token(Link::Preferences)),
        };
        let settings = &errand.outreach.settings;
        let sender = &settings.sender;
        let fields = Fields {
            profile: words.profile.clone(),
            computed: words.computed.clone(),
            event: Value::Null,
            message: json!({ "id": errand.id, "name": errand.message.name }),
            links: json!({ "unsubscribe": links.unsubscribe, "preferences": links.preferences }),
            sender: json!({
                "name": sender.name, "email": sender.email, "postal_address": sender.postal_address,
            }),
        };
        let data = Data::new(&fields).map_err(Unprintable::Data)?;
        let language = words.language.as_deref().or(settings.language.as_deref()).unwrap_or(LANGUAGE);
        let tags =
            [errand.workspace.as_str(), errand.id.as_str(), &delivery.to_string(), &address.to_string()];
        let tags: Vec<(String, String)> =
            TAGS.into_iter().zip(tags).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        match channel {
            Channel::Email => {
                let rendered = template.render_email(language, &data)?;
                let kept = [links.unsubscribe.as_str(), links.preferences.as_str()];
                let click = |index: usize, url: &str| {
                    let target = Target::parse(url).ok();
                    let link = target.zip(u16::try_from(index).ok());
                    let link = link.map(|(target, index)| Link::Click { index, target });
                    link.map_or_else(|| url.to_owned(), |link| self.url("c", &token(link)))
                };
                let html = template::rewrite(&rendered.html, &kept, click);
                let html = template::with_pixel(&html, &self.url("o", &token(Link::Open)));
                self.letter(sender, to, (rendered, html), (purpose.kind, &links), tags).map(Printed::Letter)
            }
            Channel::Sms => {
                let rendered = template.render_sms(language, &data)?;
                Ok(Printed::Text(Text {
                    to: to.to_owned(),
                    origination: Some(sender.sms.clone().ok_or(Unprintable::Sender("sender.sms"))?),
                    body: rendered.text,
                    is_promotional: purpose.kind == Kind::Promotional,
                    ttl_s: u32::try_from(SMS_TRIED_FOR / Timestamp::SECOND).ok(),
                    max_price: None,
                    context: tags,
                    configuration_set: self.sms_set.clone(),
                }))
            }
        }
    }

    fn letter(
        &self,
        sender: &Sender,
        to: &str,
        (rendered, html): (template::RenderedEmail, String),
        (kind, links): (Kind, &Links),
        tags: Vec<(String, String)>,
    ) -> Result<Letter, Unprintable> {
        let one_click = [
            ("List-Unsubscribe", format!("<{}>", links.unsubscribe)),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ];
        let headers = one_click.map(|(name, value)| (name.to_owned(), value));
        Ok(Letter {
            from: sender.email.clone().ok_or(Unprintable::Sender("sender.email"))?,
            from_name: rendered.from_name.or_else(|| sender.name.clone()),
            to: to.to_owned(),
            reply_to: sender.reply_to.clone(),
            subject: rendered.subject,
            html,
            text: rendered.text,
            headers: if kind == Kind::Promotional { headers.to_vec() } else { Vec::new() },
            configuration_set: self.email_set.clone(),
            tags,
        })
    }

    fn url(&self, kind: &str, token: &Token) -> String {
        format!("{}/{kind}/{}", self.links, token.seal(&self.keys))
    }
}

struct Links {
    unsubscribe: String,
    preferences: String,
}
