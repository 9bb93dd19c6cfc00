//! Who calls, and whether they may.

use std::sync::Arc;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use domain::access::AccessKey;
use domain::time::Timestamp;
use domain::workspace::WorkspaceId;
use http::header::AUTHORIZATION;
use ports::Definitions;
use ports::definitions::{Grant, Key, Scope};
use runtime::definitions::Cached;

use super::answer::{Kind, Problem};
use super::ask;

/// Whoever showed a valid admin key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) workspace: WorkspaceId,
    /// The public part of the key.
    pub(crate) key_id: String,
    scopes: Vec<Scope>,
}

impl Caller {
    /// Reads and checks the key. A store that gives no answer is a 503: a 401
    /// would tell the caller to throw a good key away.
    pub(crate) async fn of<D: Definitions>(
        request: &ApiGatewayV2httpRequest,
        definitions: &Cached<D>,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let given = bearer(request).ok_or_else(|| {
            Problem::new(
                Kind::MissingKey,
                "Send `Authorization: Bearer ak_…` with an admin key of the workspace",
            )
        })?;
        let given = AccessKey::parse(given).map_err(|_| invalid())?;
        let stored = definitions.key(given.workspace(), given.id(), now).await?;
        let matching = |stored: &Arc<Key>| given.matches(&stored.secret_sha256);
        let stored = stored.filter(matching).ok_or_else(invalid)?;
        match &stored.grant {
            Grant::Admin(scopes) => Ok(Self {
                workspace: given.workspace().clone(),
                key_id: given.id().to_owned(),
                scopes: scopes.clone(),
            }),
            Grant::Write(_) => Err(Problem::new(
                Kind::AdminKeyRequired,
                "A write key can only post events to the ingest endpoint",
            )),
        }
    }

    pub(crate) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(Problem::new(Kind::MissingScope, format!("Use a key with the scope `{}`", scope.name())))
    }
}

/// One answer for all that is wrong with a key, so that nobody learns which
/// keys there are.
fn invalid() -> Problem {
    Problem::new(Kind::InvalidKey, "The key is unknown, revoked or not copied whole")
}

fn bearer(request: &ApiGatewayV2httpRequest) -> Option<&str> {
    let (scheme, key) = ask::header(request, AUTHORIZATION)?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}
