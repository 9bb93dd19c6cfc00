//! What a workspace defined of its messages, one item a document, under a
//! version of them all.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::messaging::outreach::{MessageId, Outreach, TemplateId, Written};
use domain::workspace::WorkspaceId;
use ports::{Clock, Unavailable};

use super::operator::TRANSACTION;
use super::segments::json;
use super::{DefineError, Definitions, VERSION};
use crate::item::{Attributes, check_version, malformed, s, text, versioned};

/// The attribute of the workspace that counts changes.
pub(super) const OUTREACH: &str = "outreach";
/// The key of all workspaces that have messages: a name of one has no `#`.
const SENDERS: &str = "#senders";
const PREFIX: &str = "outreach#";
const SETTINGS: &str = "outreach#settings";
const TEMPLATE: &str = "outreach#template#";
const MESSAGE: &str = "outreach#message#";

impl<C: Clock> Definitions<C> {
    /// All documents and their version, as of one moment: if somebody changes
    /// them meanwhile they are read again.
    pub(super) async fn whole_outreach(&self, workspace: &WorkspaceId) -> Result<Outreach, Unavailable> {
        let mut before = self.version_now(workspace, OUTREACH).await?;
        loop {
            // `$` follows `#`: the end of all that begins with `outreach#`.
            let items = self.items(workspace, PREFIX, "outreach$").await?;
            let version = self.version_now(workspace, OUTREACH).await?;
            if version == before {
                let mut outreach = Outreach { version, ..Outreach::default() };
                items.iter().try_for_each(|item| add(&mut outreach, item))?;
                return Ok(outreach);
            }
            before = version;
        }
    }

    /// Writes a document if all of them still have the version that was seen,
    /// which they then leave behind.
    pub async fn publish_outreach(
        &self,
        workspace: &WorkspaceId,
        seen: u64,
        written: &Written,
    ) -> Result<(), DefineError> {
        let (name, document) = match written {
            Written::Settings(settings) => (SETTINGS.to_owned(), json(settings)),
            Written::Template(id, document) => (format!("{TEMPLATE}{id}"), document.clone()),
            Written::Message(id, document) => (format!("{MESSAGE}{id}"), json(document)),
        };
        let mut item = versioned(workspace.as_str(), name, VERSION);
        item.insert("document".to_owned(), s(document));
        let sender = versioned(SENDERS, workspace.as_str(), VERSION);
        let mut writes = vec![(self.raise(workspace, OUTREACH, seen)?, DefineError::Conflict)];
        for item in [item, sender] {
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
            let put = put.map_err(|cause| Unavailable::new(TRANSACTION, cause))?;
            writes.push((TransactWriteItem::builder().put(put).build(), DefineError::Conflict));
        }
        self.transact(writes).await
    }

    pub(super) async fn all_senders(&self) -> Result<Vec<WorkspaceId>, Unavailable> {
        let items = self.in_order(SENDERS, None).await?;
        let sender = |item: &Attributes| WorkspaceId::parse(text(item, "sk")?).map_err(|_| malformed("sk"));
        items.iter().map(sender).collect()
    }
}

fn add(outreach: &mut Outreach, item: &Attributes) -> Result<(), Unavailable> {
    check_version(item, VERSION)?;
    let (name, document) = (text(item, "sk")?, text(item, "document")?);
    let wrong = || malformed("document");
    if let Some(id) = name.strip_prefix(TEMPLATE) {
        let id = TemplateId::parse(id).map_err(|_| malformed("sk"))?;
        outreach.templates.insert(id, document.to_owned());
    } else if let Some(id) = name.strip_prefix(MESSAGE) {
        let id = MessageId::parse(id).map_err(|_| malformed("sk"))?;
        outreach.messages.insert(id, serde_json::from_str(document).map_err(|_| wrong())?);
    } else {
        outreach.settings = serde_json::from_str(document).map_err(|_| wrong())?;
    }
    Ok(())
}
