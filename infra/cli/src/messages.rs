//! `tributary messages`: what is written to people, to whom, and what became of it.

mod arguments;
mod shown;

use std::collections::BTreeMap;

use domain::key::{IdKey, ProfileId};
use domain::messaging::outreach::{
    Audience, Message, MessageDocument, MessageId, Outreach, Settings, TemplateId, Written,
};
use domain::messaging::quiet::WallTime;
use domain::messaging::report::{Seen, Sums};
use domain::messaging::run::{Outcome, Pause, Row, Run, Status};
use domain::rules::document::Mistake;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use dynamodb::Definitions;
use messaging::steer::{self, Started, Steer};
use ports::{Clock, Definitions as _, People};
use runtime::SystemClock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::deployed::Stack;
use crate::operate;
use crate::operate::arguments::{Place, whole};
use crate::output::{self, Failed};
pub(crate) use arguments::MessagesCommand;

/// The tool of a running platform that keeps messages.
pub(crate) const TOOL: &str = "messages";

/// What is to be done with messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    workspace: Option<WorkspaceId>,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// A document of the settings, as written, in JSON.
    Settings(String),
    ShowSettings,
    Template(TemplateId, String),
    Set(MessageId, String),
    List,
    Start(MessageId, Start),
    Pause(MessageId),
    Resume(MessageId),
    Cancel(MessageId),
    Report(MessageId),
    Why(MessageId, Whom),
}

/// When a broadcast begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Start {
    Now,
    At(Timestamp),
    /// When each person's own clock shows it.
    Local(WallTime),
}

/// About whom it is asked why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whom {
    Profile(String),
    /// The id of a delivery, as receipts and letters have it.
    Delivery(String),
}

/// An order that cannot be carried out as it stands.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the document has mistakes:\n  {}", told(.0))]
    Mistakes(Vec<Mistake>),
    #[error("the template has mistakes:\n  {}", .0.join("\n  "))]
    Template(Vec<String>),
    #[error("there is no message `{0}`; `tributary messages list` names those that are there")]
    Unknown(MessageId),
    #[error("`{0}` is no id: give the 32 digits of a delivery or a profile")]
    NoId(String),
    #[error("message `{0}` cannot be done so: {1}")]
    Unsteered(MessageId, #[source] steer::Unsteered),
}

fn told(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the document is neither YAML nor JSON: {0}")]
    Document(#[source] serde_yaml_ng::Error),
    #[error("the platform's answer names no `{0}`: is it of another version?")]
    Missing(&'static str),
}

pub(crate) async fn run(command: MessagesCommand) -> Result<(), Failed> {
    let (owner, place, what) = command.asked(document).await?;
    let asked = Asked { workspace: owner.workspace, what };
    let answer = ask(&place, &asked).await?;
    if place.json {
        output::line(&answer.to_string());
    } else {
        output::lines(&shown::lines(&asked.what, &answer));
    }
    Ok(())
}

/// A document as JSON, which is YAML, so that one reader takes both.
fn document(file: &std::path::Path) -> Result<String, Failed> {
    let value: Value = serde_yaml_ng::from_str(&whole(file)?).map_err(Unusable::Document)?;
    Ok(value.to_string())
}

async fn ask(place: &Place, asked: &Asked) -> Result<Value, Failed> {
    if let Some(name) = &place.stack {
        let stack = Stack::open(name, place.region.as_deref()).await?;
        return stack.explained(of_stack(&stack, asked).await);
    }
    Client::of(&place.target)?
        .post(&format!("/_local/{TOOL}"), &serde_json::to_value(asked)?)
        .await
        .map_err(Into::into)
}

async fn of_stack(stack: &Stack, asked: &Asked) -> Result<Value, Failed> {
    let table = |holds| stack.table("profile", holds);
    let people = dynamodb::People::new(stack.dynamodb(), table("people")?, table("identities")?);
    let key = stack.id_key().await?;
    carry_out(&stack.definitions(), &people, &key, asked, &SystemClock).await
}

pub(crate) async fn carry_out<C: Clock, P: People, K: Clock>(
    definitions: &Definitions<C>,
    people: &P,
    key: &IdKey,
    Asked { workspace, what }: &Asked,
    clock: &K,
) -> Result<Value, Failed> {
    let workspace = operate::workspace(definitions, workspace.as_ref()).await?.id;
    let outreach = definitions.outreach(&workspace).await?;
    let desk =
        Desk { definitions, people, key, workspace: &workspace, outreach: &outreach, now: clock.now() };
    match what {
        What::Settings(json) => {
            let settings = Settings::read(json).map_err(Refused::Mistakes)?;
            desk.write(Written::Settings(settings)).await
        }
        What::ShowSettings => Ok(json!({ "settings": outreach.settings })),
        What::Template(id, json) => {
            check_template(json)?;
            desk.write(Written::Template(id.clone(), json.clone())).await
        }
        What::Set(id, json) => {
            let document = MessageDocument::read(json).map_err(Refused::Mistakes)?;
            desk.write(Written::Message(id.clone(), document)).await
        }
        What::List => desk.list().await,
        What::Start(id, start) => desk.start(id, *start).await,
        What::Pause(id) => desk.steer(id, Steer::Pause(Pause::Operator)).await,
        What::Resume(id) => desk.steer(id, Steer::Resume).await,
        What::Cancel(id) => desk.steer(id, Steer::Cancel).await,
        What::Report(id) => desk.report(id).await,
        What::Why(id, whom) => desk.why(id, whom).await,
    }
}

/// A template is compiled as the sender will compile it.
fn check_template(json: &str) -> Result<(), Refused> {
    let draft =
        template::Draft::read(json).map_err(|mistake| Refused::Template(vec![mistake.to_string()]))?;
    let compiled = template::Template::compile(&draft, &template::Partials::default());
    compiled
        .map(drop)
        .map_err(|mistakes| Refused::Template(mistakes.iter().map(ToString::to_string).collect()))
}

/// One order's place.
struct Desk<'a, C, P> {
    definitions: &'a Definitions<C>,
    people: &'a P,
    key: &'a IdKey,
    workspace: &'a WorkspaceId,
    outreach: &'a Outreach,
    now: Timestamp,
}

impl<C: Clock, P: People> Desk<'_, C, P> {
    async fn write(&self, written: Written) -> Result<Value, Failed> {
        let segments = self.definitions.segments(self.workspace).await?;
        let is_segment = |id: &domain::segment::stored::SegmentId| {
            segments.find(id).is_some_and(|found| !found.ended && found.is_segment())
        };
        self.outreach.check(&written, is_segment).map_err(Refused::Mistakes)?;
        self.definitions.publish_outreach(self.workspace, self.outreach.version, &written).await?;
        Ok(json!({ "version": self.outreach.version + 1 }))
    }

    fn message(&self, id: &MessageId) -> Result<Message, Refused> {
        let document = self.outreach.messages.get(id).ok_or_else(|| Refused::Unknown(id.clone()))?;
        document.message().map_err(Refused::Mistakes)
    }

    const fn at(&self) -> (&IdKey, &WorkspaceId) {
        (self.key, self.workspace)
    }

    async fn list(&self) -> Result<Value, Failed> {
        let mut messages = Vec::new();
        for (id, document) in &self.outreach.messages {
            let run = steer::run(self.people, self.at(), id).await?;
            messages.push(json!({
                "message": id, "name": document.name, "to": document.to, "entering": document.entering,
                "run": run.as_ref().map(of_run),
            }));
        }
        let templates: Vec<&TemplateId> = self.outreach.templates.keys().collect();
        Ok(json!({ "messages": messages, "templates": templates }))
    }

    async fn start(&self, id: &MessageId, start: Start) -> Result<Value, Failed> {
        let message = self.message(id)?;
        let run = match start {
            Start::Now => Run::new(self.now),
            Start::At(at) => Run::new(at),
            Start::Local(local) => Run::at_local(local),
        };
        let started = steer::start(self.people, self.at(), (id, &message), &run).await;
        match started.map_err(|cause| Refused::Unsteered(id.clone(), cause))? {
            Started::Now => Ok(json!({ "message": id, "started": true, "run": of_run(&run) })),
            Started::Already(run) => Ok(json!({ "message": id, "started": false, "run": of_run(&run) })),
        }
    }

    async fn steer(&self, id: &MessageId, to: Steer) -> Result<Value, Failed> {
        let message = self.message(id)?;
        let run = steer::steer(self.people, self.at(), (id, &message), to, self.now).await;
        let run = run.map_err(|cause| Refused::Unsteered(id.clone(), cause))?;
        Ok(json!({ "message": id, "run": of_run(&run) }))
    }

    async fn report(&self, id: &MessageId) -> Result<Value, Failed> {
        let message = self.message(id)?;
        let run = steer::run(self.people, self.at(), id).await?;
        let outcomes = steer::outcomes(self.people, self.at(), id).await?;
        let mut counts: BTreeMap<u8, BTreeMap<String, u64>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (_, row) in outcomes.rows() {
            *counts.entry(row.variant).or_default().entry(named(row.outcome)).or_default() += 1;
            if let Outcome::Unknown(_, delivery) = row.outcome {
                unknown.push(delivery.to_string());
            }
        }
        let sums = messaging::report::report(self.people, self.at(), (id, &message)).await?;
        // The only variant of a message has no name in its report.
        let name = |template: &TemplateId| {
            if message.variants.len() < 2 { String::new() } else { template.to_string() }
        };
        let variants = message.variants.iter().zip(0_u8..).map(|(variant, place)| {
            let of = sums.variants.get(&name(&variant.template));
            json!({
                "template": variant.template, "outcomes": counts.get(&place), "after": of.map(after),
            })
        });
        let (variants, run) = (variants.collect::<Vec<_>>(), run.as_ref().map(of_run));
        let is_broadcast = matches!(message.audience, Audience::Broadcast(_));
        Ok(json!({
            "message": id, "is_broadcast": is_broadcast, "run": run, "variants": variants, "unknown": unknown,
        }))
    }

    async fn why(&self, id: &MessageId, whom: &Whom) -> Result<Value, Failed> {
        self.message(id)?;
        let (Whom::Profile(text) | Whom::Delivery(text)) = whom;
        let parsed = ProfileId::parse(text).ok_or_else(|| Refused::NoId(text.clone()))?;
        let is_theirs = |row: &Row| match whom {
            Whom::Profile(_) => row.profile == parsed,
            Whom::Delivery(_) => delivery(row.outcome).is_some_and(|id| id.as_bytes() == parsed.as_bytes()),
        };
        let rows = steer::why(self.people, self.at(), id, is_theirs).await?;
        let row = |(at, row): &(Timestamp, Row)| {
            json!({
                "at": at.rfc3339(), "profile": row.profile.to_string(), "turn": row.turn,
                "variant": row.variant, "outcome": row.outcome, "is": named(row.outcome),
                "delivery": delivery(row.outcome).map(|id| id.to_string()),
            })
        };
        Ok(json!({ "message": id, "rows": rows.iter().map(row).collect::<Vec<_>>() }))
    }
}

/// What happened to letters after they were sent.
fn after(sums: &Sums) -> Value {
    let seen = |seen: &Seen| {
        json!({
            "letters": seen.letters, "hits": seen.hits, "people": seen.people, "hits_by_people": seen.hits_by_people,
        })
    };
    json!({
        "sent": sums.sent,
        "delivered": sums.delivered,
        "bounced": { "hard": sums.bounced.hard, "transient": sums.bounced.transient },
        "complained": sums.complained,
        "unsubscribed": sums.unsubscribed,
        "opened": seen(&sums.opened),
        "clicked": seen(&sums.clicked),
        "read_seconds": sums.read_seconds,
    })
}

const fn delivery(outcome: Outcome) -> Option<domain::key::DeliveryId> {
    match outcome {
        Outcome::Sent(_, id) | Outcome::Unknown(_, id) | Outcome::Refused(_, id) => Some(id),
        Outcome::Skipped(_)
        | Outcome::Waits { .. }
        | Outcome::Unrendered
        | Outcome::HeldOut
        | Outcome::Left
        | Outcome::Cancelled => None,
    }
}

/// An outcome in a word or two: what is counted together has one name.
fn named(outcome: Outcome) -> String {
    let reason = |why| match serde_json::to_value(why) {
        Ok(Value::String(name)) => name,
        Ok(Value::Object(of)) => of
            .into_iter()
            .next()
            .map_or_else(String::new, |(name, why)| format!("{name} ({})", why.as_str().unwrap_or_default())),
        _ => String::new(),
    };
    match outcome {
        Outcome::Sent(channel, _) => format!("sent by {}", channel.name()),
        Outcome::Unknown(channel, _) => format!("unknown by {}", channel.name()),
        Outcome::Refused(channel, _) => format!("refused by {}", channel.name()),
        Outcome::Skipped(why) => format!("not sent: {}", reason(why)),
        Outcome::Waits { why, .. } => format!("waits: {}", reason(why)),
        Outcome::Unrendered => "not sent: the template lacks something".to_owned(),
        Outcome::HeldOut => "held out".to_owned(),
        Outcome::Left => "not sent: left the segment".to_owned(),
        Outcome::Cancelled => "not sent: cancelled".to_owned(),
    }
}

fn of_run(run: &Run) -> Value {
    let status = match run.status {
        Status::Running if run.is_through() => "handed out",
        Status::Running => "running",
        Status::Paused(Pause::Operator) => "paused",
        Status::Paused(Pause::Complaints) => "paused: too many complaints",
        Status::Paused(Pause::Bounces) => "paused: too many bounces",
        Status::Cancelled => "cancelled",
    };
    json!({ "status": status, "start": run.start.rfc3339(), "local": run.local, "handed": run.handed })
}
