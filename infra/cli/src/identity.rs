//! `tributary identity`: why somebody is who they are, and orders that change it.

pub(crate) mod arguments;
pub(crate) mod census;
mod graph;
mod shown;
mod who;

use domain::workspace::WorkspaceId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::deployed::Stack;
use crate::operate;
use crate::operate::arguments::Place;
use crate::output::{self, Failed};
use arguments::{IdentityCommand, Part};
use census::{Census, Ground};
pub(crate) use who::{Named, Who};

/// The stage whose tables hold people.
const STAGE: &str = "profile";
/// Items between two words on how far a census is.
const TOLD_EACH: u64 = 50_000;

#[derive(Debug, thiserror::Error)]
enum Unsaid {
    #[error("the platform's answer names no `{0}`: is it of another version?")]
    Missing(&'static str),
}

pub(crate) async fn run(command: IdentityCommand) -> Result<(), Failed> {
    match command {
        IdentityCommand::Why { who, target, json } => {
            let client = Client::of(&target)?;
            let lineage = client.get(&format!("/v1/profiles/{}/lineage", id(&client, &who).await?)).await?;
            if json {
                output::line(&lineage.to_string());
            } else {
                output::lines(&graph::lines(&lineage));
            }
            Ok(())
        }
        IdentityCommand::Merge { who, with, target } => {
            let client = Client::of(&target)?;
            let order = json!({ "identifier": with.identifier() });
            let ordered = order_of(&client, &who, "merge", &order).await?;
            said(&ordered, "The rules are asked first; a refusal stands with both.", &who);
            Ok(())
        }
        IdentityCommand::TakeOut { who, part, why, target } => {
            let client = Client::of(&target)?;
            let mut order = match part {
                Part { profile: Some(id), .. } => json!({ "absorbed": id }),
                Part { identifier, .. } => json!({ "identifier": identifier.map(|one| one.identifier()) }),
            };
            if let (Some(why), Some(order)) = (why, order.as_object_mut()) {
                order.insert("why".to_owned(), why.into());
            }
            let ordered = order_of(&client, &who, "take-out", &order).await?;
            said(&ordered, "Both sides are made anew from their own events.", &who);
            Ok(())
        }
        IdentityCommand::Allow { who, with, target } => {
            let client = Client::of(&target)?;
            let ordered = order_of(&client, &who, "allow", &json!({ "with": with })).await?;
            said(&ordered, "The next event that ties the two makes them one.", &who);
            Ok(())
        }
        IdentityCommand::Suspects { top, owner, place } => {
            take(&place, &Asked { workspace: owner.workspace, census: Census::Suspects { top } }).await
        }
        IdentityCommand::DryRun { rules, owner, place } => {
            let census = Census::DryRun { rules: operate::arguments::whole(&rules)? };
            take(&place, &Asked { workspace: owner.workspace, census }).await
        }
        IdentityCommand::Adopt { owner, place } => {
            take(&place, &Asked { workspace: owner.workspace, census: Census::Adopt }).await
        }
        IdentityCommand::Block { values, owner, place } => {
            operate::run(&place, operate::Order::Block { workspace: owner.workspace, values }).await
        }
    }
}

/// A census, and of whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) census: Census,
}

/// Takes a census where `place` says. Of a stack it is taken here, and says on
/// the way how far it is; a platform on this machine logs that.
async fn take(place: &Place, asked: &Asked) -> Result<(), Failed> {
    let answer = if let Some(name) = &place.stack {
        let stack = Stack::open(name, place.region.as_deref()).await?;
        stack.explained(of_stack(&stack, asked).await)?
    } else {
        let path = format!("/_local/{}", census::TOOL);
        Client::of(&place.target)?.post(&path, &serde_json::to_value(asked)?).await?
    };
    if place.json {
        output::line(&answer.to_string());
    } else {
        let workspace = asked.workspace.as_ref().map(|id| format!(" --workspace {id}"));
        let place = place.options() + &workspace.unwrap_or_default();
        output::lines(&shown::lines(&asked.census, &answer, &place));
    }
    Ok(())
}

async fn of_stack(stack: &Stack, asked: &Asked) -> Result<Value, Failed> {
    let store = stack.dynamodb();
    let people_table = stack.table(STAGE, "people")?;
    let size = dynamodb::size::of(&store, people_table).await?;
    let ground = Ground {
        store: &store,
        people_table,
        workspace: operate::workspace(&stack.definitions(), asked.workspace.as_ref()).await?,
        key: stack.id_key().await?,
        identity: stack.queue("identity")?,
    };
    let items = size.table.items * asked.census.passes();
    let mut said = 0;
    let progress = |read: u64| {
        if read >= said + TOLD_EACH {
            said = read;
            output::progress(&format!("{read} items of about {items} were read"));
        }
    };
    ground.take(&asked.census, progress).await
}

/// The profile that somebody is now.
async fn id(client: &Client, who: &Who) -> Result<String, Failed> {
    let profile = who.find(client).await?;
    Ok(text(&profile, "id")?.to_owned())
}

async fn order_of(client: &Client, who: &Who, verb: &str, order: &Value) -> Result<String, Failed> {
    let path = format!("/v1/profiles/{}/{verb}", id(client, who).await?);
    Ok(text(&client.post(&path, order).await?, "order")?.to_owned())
}

fn said(order: &str, what: &str, who: &Who) {
    output::line(&format!(
        "Order {order} waits for the identity stage, which carries it out within seconds."
    ));
    output::line(&format!("{what} See what came of it: tributary identity why {who}"));
}

fn text<'a>(of: &'a Value, name: &'static str) -> Result<&'a str, Unsaid> {
    of.get(name).and_then(Value::as_str).ok_or(Unsaid::Missing(name))
}

#[cfg(test)]
mod tests;
