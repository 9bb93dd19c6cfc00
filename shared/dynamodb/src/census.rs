//! Everything that a workspace's people hold, read once: for operators, whose
//! questions no index answers. No function may do this.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use domain::key::ProfileId;
use domain::workspace::WorkspaceId;
use ports::Unavailable;

use crate::client::unavailable;
use crate::item::{bytes, malformed, s, text};

const OPERATION: &str = "Scan";

/// An item of a person's collection; the profile itself has the key `profile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub id: ProfileId,
    pub key: String,
    pub body: Vec<u8>,
}

/// Why reading ended early.
#[derive(Debug, thiserror::Error)]
pub enum CensusError<E> {
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// What was read could not be used.
    #[error(transparent)]
    Unusable(E),
}

/// Shows every item whose key begins with one of `kinds`, in no order, and says
/// after each page how many items of the table were read. Of what is written
/// meanwhile some is seen and some is not.
pub async fn read<E>(
    client: &Client,
    people_table: &str,
    workspace: &WorkspaceId,
    kinds: &[&str],
    mut see: impl FnMut(Found) -> Result<(), E>,
    mut progress: impl FnMut(u64),
) -> Result<(), CensusError<E>> {
    let names: Vec<String> = (0..kinds.len()).map(|nth| format!(":kind{nth}")).collect();
    let any: Vec<String> = names.iter().map(|name| format!("begins_with(sk, {name})")).collect();
    let filter = format!("begins_with(pk, :workspace) AND ({})", any.join(" OR "));
    let prefix = format!("{workspace}#");
    let mut values = HashMap::from([(":workspace".to_owned(), s(&prefix))]);
    values.extend(names.into_iter().zip(kinds.iter().map(|kind| s(*kind))));
    let scan = client.scan().table_name(people_table).filter_expression(filter);
    let mut pages = scan.set_expression_attribute_values(Some(values)).into_paginator().send();
    let mut read = 0;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|cause| unavailable(OPERATION, cause))?;
        for item in page.items() {
            let id = text(item, "pk")?.strip_prefix(&prefix).and_then(ProfileId::parse);
            let id = id.ok_or_else(|| malformed("pk"))?;
            let found = Found { id, key: text(item, "sk")?.to_owned(), body: bytes(item, "b")?.to_vec() };
            see(found).map_err(CensusError::Unusable)?;
        }
        read += u64::try_from(page.scanned_count()).unwrap_or_default();
        progress(read);
    }
    Ok(())
}
