//! Two workspaces with keys of every kind, on a data folder that nobody uses.

use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use domain::access::AccessKey;
use domain::rules::Rules;
use domain::workspace::{SourceId, WorkspaceId};
use dynamodb::Definitions;
use local::{DataFolder, Store};
use ports::definitions::{Grant, Scope, Source};
use runtime::{SystemClock, SystemEntropy};

use crate::child::Platform;

/// The workspace that the program makes by itself, and one of another company.
/// Both have a source of the same name.
pub(crate) const OURS: &str = "local";
pub(crate) const THEIRS: &str = "rival";
const SOURCE: &str = "web";
/// The table of definitions, by its name in the template.
const TABLE: &str = "DefinitionsTable";
/// Requests a second and key.
const RATE: u32 = 10_000;
const GRACE: Duration = Duration::from_secs(5);

/// The keys of one workspace.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) write: String,
    /// One a scope, in the order of [`Scope::ALL`].
    pub(crate) admin: Vec<String>,
}

/// What somebody may come with.
#[derive(Debug, Clone)]
pub(crate) struct Defined {
    pub(crate) ours: Keys,
    pub(crate) theirs: Keys,
    pub(crate) revoked_write: String,
    pub(crate) revoked_admin: String,
}

/// Makes the folder by a first start, then defines what an operator would.
pub(crate) fn define(data: &Path) -> Defined {
    Platform::start(data, "warn").stop();
    on_definitions(data, define_all)
}

/// Adds a source to our workspace; gives its write key.
pub(crate) fn add_source(data: &Path, name: &str) -> String {
    on_definitions(data, async |definitions| {
        let ours = WorkspaceId::parse(OURS).unwrap();
        let id = SourceId::parse(name).unwrap();
        let source = Source { id: id.clone(), region: None, origins: Vec::new(), rate: RATE };
        definitions.create_source(&ours, &source).await.unwrap();
        definitions.create_key(&ours, &Grant::Write(id), &SystemEntropy).await.unwrap().reveal()
    })
}

fn on_definitions<T>(data: &Path, work: impl AsyncFnOnce(Definitions<SystemClock>) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = DataFolder::open(data).unwrap();
        let store = Store::start(&folder.store_file(), SystemClock).await.unwrap();
        let done = work(Definitions::new(client(&store.url()), TABLE, SystemClock)).await;
        store.stop(GRACE).await;
        done
    })
}

async fn define_all(definitions: Definitions<SystemClock>) -> Defined {
    let [ours, theirs] = [OURS, THEIRS].map(|name| WorkspaceId::parse(name).unwrap());
    definitions.create_workspace(&theirs, &Rules::default()).await.unwrap();
    let id = SourceId::parse(SOURCE).unwrap();
    let source = Source { id: id.clone(), region: None, origins: Vec::new(), rate: RATE };
    definitions.create_source(&theirs, &source).await.unwrap();
    let make = async |workspace: &WorkspaceId, grant: Grant| {
        definitions.create_key(workspace, &grant, &SystemEntropy).await.unwrap()
    };
    let keys = async |workspace: &WorkspaceId| {
        let mut admin = Vec::new();
        for scope in Scope::ALL {
            admin.push(make(workspace, Grant::Admin(vec![scope])).await.reveal());
        }
        Keys { write: make(workspace, Grant::Write(id.clone())).await.reveal(), admin }
    };
    let revoked = async |grant: Grant| {
        let key: AccessKey = make(&ours, grant).await;
        definitions.revoke_key(&ours, key.id()).await.unwrap();
        key.reveal()
    };
    Defined {
        ours: keys(&ours).await,
        theirs: keys(&theirs).await,
        revoked_write: revoked(Grant::Write(id.clone())).await,
        revoked_admin: revoked(Grant::Admin(Scope::ALL.to_vec())).await,
    }
}

/// A client of the embedded store; nobody checks its credentials.
fn client(url: &str) -> aws_sdk_dynamodb::Client {
    let shared = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("local"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys("local", "local", None)))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    dynamodb::client(&shared, Some(url))
}
