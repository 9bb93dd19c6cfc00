//! `tributary consent`: what people said about being written to, and what stands of it.

mod file;

use std::collections::BTreeMap;

use clap::Subcommand;
use domain::identifier::Identifier;
use domain::key::IdKey;
use domain::messaging::Channel;
use domain::messaging::address::Address;
use domain::messaging::consent::{About, Said, Status};
use domain::messaging::record::{How, Record};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use futures_util::{StreamExt as _, TryStreamExt as _};
use messaging::consent::{hear, look};
use ports::{Clock as _, People};
use runtime::SystemClock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::deployed::Stack;
use crate::identity::Named;
use crate::operate;
use crate::operate::arguments::{Owner, Place};
use crate::output::{self, Failed};

/// The tool of a running platform that keeps consents.
pub(crate) const TOOL: &str = "consent";
/// Words of one request to a platform on this machine, which takes a few megabytes.
const SENT_AT_ONCE: usize = 100;
/// Words that are written side by side.
const AT_ONCE: usize = 16;

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentCommand {
    /// Takes over what people said elsewhere: a table (CSV) of addresses.
    ///
    /// Its first line names the columns: `email` or `phone`, `topic` (`*` is
    /// everything on the channel, which can only be withdrawn), `status`
    /// (subscribed, unsubscribed or asked), `at` (when it was said, in RFC 3339),
    /// and, as far as you have it, `method`, `text` (what was shown), `origin` and
    /// `proof`. Nothing is taken over unless every line can be read; a file that
    /// is read again changes nothing.
    Import {
        /// The table: a file, or `-` for the standard input.
        file: std::path::PathBuf,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Says what stands of an address, and every word that was said of it.
    Show {
        /// An e-mail address, or `phone:+4712345678`.
        address: Named,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
}

/// What is to be done with consents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    workspace: Option<WorkspaceId>,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Import(Vec<Word>),
    Show(Identifier),
}

/// What somebody said, as a line of a file tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Word {
    address: Identifier,
    about: About,
    said: Said,
    at: Timestamp,
    how: How,
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("this is no address: {0}")]
    Address(#[source] domain::identifier::InvalidIdentifier),
    #[error("`{0}` are not written to: name an e-mail address, or a phone number as `phone:+4712345678`")]
    Kind(String),
    #[error("the platform's answer names no `{0}`: is it of another version?")]
    Missing(&'static str),
}

pub(crate) async fn run(command: ConsentCommand) -> Result<(), Failed> {
    match command {
        ConsentCommand::Import { file, owner, place } => {
            let words = file::read(&operate::arguments::whole(&file)?)?;
            let (mut kept, mut new) = (0, 0);
            // A stack is written to from here, and opened once.
            let at_once = if place.stack.is_some() { words.len() } else { SENT_AT_ONCE };
            for some in words.chunks(at_once) {
                let asked = Asked { workspace: owner.workspace.clone(), what: What::Import(some.to_vec()) };
                let answer = ask(&place, &asked).await?;
                let count = |name| answer.get(name).and_then(Value::as_u64).ok_or(Unusable::Missing(name));
                kept += count("kept")?;
                new += count("new")?;
            }
            if place.json {
                output::line(&json!({ "kept": kept, "new": new }).to_string());
            } else {
                output::line(&format!("{kept} words are kept; {new} of them changed what stands."));
            }
            Ok(())
        }
        ConsentCommand::Show { address, owner, place } => {
            let (kind, value) = address.parts();
            if !Channel::ALL.iter().any(|channel| channel.kind() == kind) {
                return Err(Unusable::Kind(kind.to_owned()).into());
            }
            let address = Identifier::parse(kind, value, None).map_err(Unusable::Address)?;
            let asked = Asked { workspace: owner.workspace, what: What::Show(address) };
            let answer = ask(&place, &asked).await?;
            if place.json {
                output::line(&answer.to_string());
            } else {
                output::lines(&shown(&answer));
            }
            Ok(())
        }
    }
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
    let workspace = operate::workspace(&stack.definitions(), asked.workspace.as_ref()).await?;
    carry_out(&people, (&stack.id_key().await?, &workspace.id), asked, SystemClock.now()).await
}

impl Asked {
    pub(crate) const fn workspace(&self) -> Option<&WorkspaceId> {
        self.workspace.as_ref()
    }
}

pub(crate) async fn carry_out<P: People>(
    people: &P,
    at: (&IdKey, &WorkspaceId),
    asked: &Asked,
    now: Timestamp,
) -> Result<Value, Failed> {
    match &asked.what {
        What::Import(words) => import(people, at, words, now).await,
        What::Show(address) => {
            let (standing, words) = look(people, at, address).await?;
            Ok(shape(address, &standing, &words))
        }
    }
}

/// Words of one address come one after the other, so that they do not wait for
/// each other; addresses side by side.
async fn import<P: People>(
    people: &P,
    (key, workspace): (&IdKey, &WorkspaceId),
    words: &[Word],
    now: Timestamp,
) -> Result<Value, Failed> {
    let mut by_address: BTreeMap<&Identifier, Vec<&Word>> = BTreeMap::new();
    for word in words {
        by_address.entry(&word.address).or_default().push(word);
    }
    let source = &SourceId::parse(file::SOURCE)?;
    let one = |(address, words): (&Identifier, Vec<&Word>)| {
        let (address, words): (Identifier, Vec<Word>) =
            (address.clone(), words.into_iter().cloned().collect());
        async move {
            let mut new = 0_u64;
            for Word { about, said, at, how, .. } in words {
                let name = Record::name(key, source, &address, (&about, said, at));
                let record = Record { about, said, at, name, how };
                let heard = hear(people, (key, workspace), &address, &record, now).await?;
                new += u64::from(heard.is_new);
            }
            Ok::<_, Failed>(new)
        }
    };
    let all: Vec<_> = by_address.into_iter().map(one).collect();
    let new: u64 = futures_util::stream::iter(all)
        .buffer_unordered(AT_ONCE)
        .try_fold(0, |sum, new| async move { Ok(sum + new) })
        .await?;
    Ok(json!({ "kept": words.len(), "new": new }))
}

fn shape(address: &Identifier, standing: &Address, words: &[Record]) -> Value {
    let about = |about: &About| about.topic.as_ref().map_or("*", |topic| topic.as_str()).to_owned();
    let everything = |channel| {
        let wanted = About { channel, topic: None };
        standing
            .consents()
            .find(|(about, _)| **about == wanted)
            .map(|(_, consent)| consent)
            .unwrap_or_default()
    };
    let consents = standing.consents().map(|(of, consent)| {
        let status = consent.status(everything(of.channel));
        let (status, since) = match status {
            Status::Never => ("never", None),
            Status::Pending { since } => ("pending", Some(since)),
            Status::Subscribed { since } => ("subscribed", Some(since)),
            Status::Unsubscribed { since } => ("unsubscribed", Some(since)),
        };
        json!({
            "channel": of.channel.name(), "topic": about(of), "status": status,
            "since": since.map(Timestamp::rfc3339),
        })
    });
    let words = words.iter().map(|Record { about: of, said, at, how, .. }| {
        json!({
            "channel": of.channel.name(), "topic": about(of), "status": said, "at": at.rfc3339(), "how": how,
        })
    });
    json!({
        "address": address,
        "suppressed": standing.suppressed(),
        "consents": consents.collect::<Vec<_>>(),
        "words": words.collect::<Vec<_>>(),
    })
}

fn shown(answer: &Value) -> Vec<String> {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut lines = Vec::new();
    if let Some(reason) = answer.get("suppressed").and_then(Value::as_str) {
        lines.push(format!("Nothing is sent to it: {reason}."));
    }
    for consent in list("consents") {
        let (channel, topic) = (text(&consent, "channel"), text(&consent, "topic"));
        lines.push(format!(
            "{channel} {topic}: {} since {}",
            text(&consent, "status"),
            text(&consent, "since")
        ));
    }
    if lines.is_empty() {
        lines.push("Nobody said anything about writing to it.".to_owned());
    }
    let words = list("words");
    if !words.is_empty() {
        lines.push(String::new());
        lines.push("What was said:".to_owned());
    }
    for word in words {
        let how = word.get("how").cloned().unwrap_or_default();
        let more: Vec<String> = ["source", "method", "text", "origin", "proof"]
            .into_iter()
            .filter_map(|name| Some(format!("{name} {}", how.get(name)?.as_str()?)))
            .collect();
        let (channel, topic) = (text(&word, "channel"), text(&word, "topic"));
        let (at, status) = (text(&word, "at"), text(&word, "status"));
        lines.push(format!("  {at}  {channel} {topic}: {status}; {}", more.join(", ")));
    }
    lines
}
