//! The first start of a local platform: one workspace, its sources and keys.

use std::collections::BTreeMap;
use std::path::Path;

use domain::cursor::SigningKeys;
use domain::rules::Rules;
use domain::workspace::{SourceId, WorkspaceId};
use dynamodb::definitions::DefineError;
use ports::Entropy as _;
use ports::definitions::{Grant, Scope, Source};
use runtime::SystemEntropy;

use crate::clock::LocalClock;
use crate::data::{self, Keys};
use crate::output::Failed;

pub(crate) type Definitions = dynamodb::Definitions<LocalClock>;

/// The workspace of a local platform.
pub(crate) const WORKSPACE: &str = "local";
/// Its sources, with the region by which each reads national phone numbers.
pub(crate) const SOURCES: [(&str, Option<&str>); 4] =
    [("web", None), ("app", None), ("crm", Some("US")), ("pos", None)];
/// Requests a second and key; a laptop's demo is one sender.
const RATE: u32 = 10_000;

/// The keys of the folder; on the first start they are made, and what they
/// open is defined. A start that was broken off is begun again.
pub(crate) async fn keys(folder: &Path, definitions: &Definitions) -> Result<Keys, Failed> {
    if let Some(keys) = data::keys(folder)? {
        return Ok(keys);
    }
    let workspace = WorkspaceId::parse(WORKSPACE)?;
    let exists = |defined| match defined {
        Ok(()) | Err(DefineError::Exists(_)) => Ok(()),
        Err(error) => Err(error),
    };
    exists(definitions.create_workspace(&workspace, &Rules::default()).await)?;
    let mut write_keys = BTreeMap::new();
    for (name, region) in SOURCES {
        let id = SourceId::parse(name)?;
        let source =
            Source { id: id.clone(), region: region.map(str::to_owned), origins: Vec::new(), rate: RATE };
        exists(definitions.create_source(&workspace, &source).await)?;
        let key = definitions.create_key(&workspace, &Grant::Write(id), &SystemEntropy).await?;
        write_keys.insert(name.to_owned(), key.reveal());
    }
    let scopes = vec![Scope::ProfilesRead, Scope::ProfilesWrite, Scope::SourcesRead];
    let admin = definitions.create_key(&workspace, &Grant::Admin(scopes), &SystemEntropy).await?;
    let keys = Keys {
        id_key: secret(),
        signing_keys: SigningKeys::make("first", [SystemEntropy.bytes(), SystemEntropy.bytes()])?.reveal(),
        admin_key: admin.reveal(),
        write_keys,
    };
    data::write_keys(folder, &keys)?;
    Ok(keys)
}

/// 32 bytes of chance in hex.
fn secret() -> String {
    let number = || u128::from_be_bytes(SystemEntropy.bytes());
    format!("{:032x}{:032x}", number(), number())
}
