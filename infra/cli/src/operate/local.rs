//! `/_local/operate` and `/_local/dlq`: what an operator may do to a platform
//! on this machine, with the admin key that its folder holds.
//!
//! They ask for the key, where other tools do not, because a page in a browser
//! on this machine reaches them too.

use std::path::PathBuf;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use domain::access::AccessKey;
use domain::cursor::SigningKeys;
use dynamodb::People;
use local::LocalQueue;
use ports::Clock as _;
use ports::definitions::Workspace;
use profile::Writer;
use profile::signing::{Kept, Unread};
use runtime::SystemEntropy;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Desk, Order, Refused, SigningKept};
use crate::clock::LocalClock;
use crate::consent;
use crate::data::{self, DataError, Keys};
use crate::dlq::{self, LocalShelf};
use crate::identity::Asked;
use crate::identity::census::{Census, Ground};
use crate::messages;
use crate::output::Failed;
use crate::segments::preview;
use crate::tools::Tools;

/// The folder of a platform, for what changes while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Folder(pub(crate) PathBuf);

#[derive(Debug, thiserror::Error)]
enum Denied {
    #[error(
        "this takes the platform's own admin key: name its folder with --data, and leave --admin-key and \
         TRIBUTARY_ADMIN_KEY out"
    )]
    Key,
    #[error("the body is no order that this version knows: is the platform that runs of another version?")]
    Order(#[source] serde_json::Error),
    #[error("the folder has lost its keys")]
    NoKeys,
}

/// The status of an order's failure, if it is not the platform's fault.
pub(crate) fn status(failed: &Failed) -> Option<i64> {
    match failed.downcast_ref::<Denied>() {
        Some(Denied::Key) => return Some(401),
        Some(Denied::Order(_)) => return Some(400),
        Some(Denied::NoKeys) | None => (),
    }
    let is_refused =
        failed.is::<Refused>() || failed.is::<dlq::Refused>() || failed.is::<messages::Refused>();
    is_refused.then_some(400)
}

impl Tools {
    pub(crate) async fn operate(&self, request: &ApiGatewayV2httpRequest) -> Result<Value, Failed> {
        self.folder.check_key(request)?;
        let order: Order = order(request)?;
        let (clock, chance) = (self.clock.clone(), SystemEntropy);
        let desk = Desk { definitions: &self.definitions, signing: &self.folder, clock, chance };
        desk.carry_out(&order).await
    }

    pub(crate) async fn census(&self, request: &ApiGatewayV2httpRequest) -> Result<Value, Failed> {
        self.folder.check_key(request)?;
        let Asked { workspace, census } = order(request)?;
        self.take(super::workspace(&self.definitions, workspace.as_ref()).await?, &census).await
    }

    pub(crate) async fn preview(&self, request: &ApiGatewayV2httpRequest) -> Result<Value, Failed> {
        self.folder.check_key(request)?;
        let asked: preview::Asked = order(request)?;
        let writer = Writer {
            people: People::new(self.client.clone(), &self.people_table, &self.identities_table),
            merges: self.queues.queue(&self.identity_queue, self.clock.clone())?,
            messages: None,
            clock: self.clock.clone(),
            entropy: SystemEntropy,
            key: self.key.clone(),
        };
        let workspace = super::workspace(&self.definitions, asked.workspace.as_ref()).await?;
        preview::preview(&writer, &self.definitions, &workspace.id, &asked).await
    }

    pub(crate) async fn consent(&self, request: &ApiGatewayV2httpRequest) -> Result<Value, Failed> {
        self.folder.check_key(request)?;
        let asked: consent::Asked = order(request)?;
        let people = People::new(self.client.clone(), &self.people_table, &self.identities_table);
        let workspace = super::workspace(&self.definitions, asked.workspace()).await?;
        consent::carry_out(&people, (&self.key, &workspace.id), &asked, self.clock.now()).await
    }

    pub(crate) async fn messages(&self, request: &ApiGatewayV2httpRequest) -> Result<Value, Failed> {
        self.folder.check_key(request)?;
        let people = People::new(self.client.clone(), &self.people_table, &self.identities_table);
        messages::carry_out(&self.definitions, &people, &self.key, &order(request)?, &self.clock).await
    }

    /// Sends ties to identity that a version recorded which had no such stage:
    /// once a folder, and again if that was broken off.
    pub(crate) async fn adopt(&self) -> Result<(), Failed> {
        if data::is_adopted(&self.folder.0) {
            return Ok(());
        }
        for id in self.definitions.workspaces().await? {
            let workspace = super::workspace(&self.definitions, Some(&id)).await?;
            self.take(workspace, &Census::Adopt).await?;
        }
        Ok(data::write_adopted(&self.folder.0)?)
    }

    async fn take(&self, workspace: Workspace, census: &Census) -> Result<Value, Failed> {
        let ground = Ground {
            store: &self.client,
            people_table: &self.people_table,
            workspace,
            key: self.key.clone(),
            identity: self.queues.queue(&self.identity_queue, self.clock.clone())?,
        };
        ground.take(census, |read| tracing::info!("{read} items were read")).await
    }

    pub(crate) async fn dead_letters(&self, request: &ApiGatewayV2httpRequest) -> Result<Value, Failed> {
        self.folder.check_key(request)?;
        dlq::carry_out(&self.shelves()?, &order(request)?).await
    }

    /// The dead letters of each queue, by the name of the stage that it feeds.
    fn shelves(&self) -> Result<Vec<(String, LocalShelf)>, Failed> {
        let mut shelves = Vec::new();
        for name in self.queues.names() {
            let queue: LocalQueue<LocalClock> = self.queues.queue(name, self.clock.clone())?;
            let Some(redrive) = &queue.settings().redrive else { continue };
            let dead_letters = self.queues.queue(&redrive.to, self.clock.clone())?;
            shelves.push((stage(name), LocalShelf { queue, dead_letters }));
        }
        Ok(shelves)
    }
}

/// `ProfileQueue` feeds `profile`.
pub(crate) fn stage(queue: &str) -> String {
    queue.strip_suffix("Queue").unwrap_or(queue).to_ascii_lowercase()
}

fn order<O: DeserializeOwned>(request: &ApiGatewayV2httpRequest) -> Result<O, Denied> {
    serde_json::from_str(request.body.as_deref().unwrap_or_default()).map_err(Denied::Order)
}

impl Folder {
    fn keys(&self) -> Result<Keys, Failed> {
        Ok(data::keys(&self.0)?.ok_or(Denied::NoKeys)?)
    }

    fn check_key(&self, request: &ApiGatewayV2httpRequest) -> Result<(), Failed> {
        let given = request.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).map(AccessKey::parse);
        let own = AccessKey::parse(&self.keys()?.admin_key)?.sha256();
        match given {
            Some(Ok(given)) if given.matches(&own) => Ok(()),
            _ => Err(Denied::Key.into()),
        }
    }
}

impl SigningKept for Folder {
    async fn load(&self) -> Result<SigningKeys, Failed> {
        Ok(profile::settings::signing_keys(&self.keys()?.signing_keys)?)
    }

    async fn store(&self, keys: &SigningKeys) -> Result<(), Failed> {
        let kept = Keys { signing_keys: keys.reveal(), ..self.keys()? };
        data::write_keys(&self.0, &kept).map_err(|error: DataError| error.into())
    }
}

/// What the API reads again, as it does in AWS.
impl Kept for Folder {
    async fn read(&self) -> Result<SigningKeys, Unread> {
        self.load().await
    }
}
