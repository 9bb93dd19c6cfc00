//! `tributary identity`: why somebody is who they are, and orders that change it.

pub(crate) mod arguments;
mod graph;
mod who;

use serde_json::{Value, json};

use crate::client::Client;
use crate::output::{self, Failed};
use arguments::{IdentityCommand, Part};
pub(crate) use who::Who;

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
    }
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
