//! One request: whose the identifiers are now, whether they may be one
//! person's, and the write that makes them so.

use domain::identity_request::{IdentityRequest, Order, Work};
use domain::key::{IdKey, ProfileId, halves};
use domain::message::Unreadable;
use domain::profile::lineage::TakenApart;
use domain::profile::merge::{self, Merged, Refusal};
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::stored::Version;
use domain::profile::{Profile, lineage, page};
use domain::rejection::{Reason, Rejection};
use domain::segment::Cause;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::definitions::Workspace;
use ports::people::{Save, SaveError, StoredProfile};
use ports::{Clock, Definitions, Entropy, People, Rejections};
use runtime::decision::{self, Decision};
use runtime::failure::Failure;

use crate::resolve::{self, Resolved, Root};
use crate::spent::{Spent, transaction};

/// Lost races after which a request goes back to the queue.
const ATTEMPTS_MAX: usize = 8;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Merged {
        survivor: ProfileId,
        absorbed: ProfileId,
    },
    /// They are one already: a copy of the request, or a longer way round.
    Already(ProfileId),
    Refused(Refusal),
    /// One of the identifiers belongs to nobody any more.
    Nobody,
    /// Two people were made out of one.
    TakenApart(TakenApart),
    /// Two that were taken apart may be made one again.
    Allowed,
    /// There was nothing to take apart or nothing in the way, or the order was
    /// carried out before.
    Nothing,
}

impl Outcome {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Merged { .. } => "merged",
            Self::Already(_) => "already one",
            Self::Refused(_) => "refused",
            Self::Nobody => "nobody's",
            Self::TakenApart(_) => "taken apart",
            Self::Allowed => "allowed",
            Self::Nothing => "nothing to do",
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Waits {
    #[error("another writer came between in {ATTEMPTS_MAX} attempts")]
    Contended,
}

#[derive(Debug, thiserror::Error)]
#[error("the request names a workspace that is not defined here")]
struct Foreign;

/// The identity stage over its ports.
#[derive(Debug)]
pub struct Stage<P, D, R, C, E> {
    pub people: P,
    pub definitions: D,
    pub rejections: R,
    pub clock: C,
    pub entropy: E,
    pub key: IdKey,
}

impl<P, D, R, C, E> Stage<P, D, R, C, E>
where
    P: People,
    D: Definitions,
    R: Rejections,
    C: Clock,
    E: Entropy,
{
    /// Carries out the request in a queue body.
    pub async fn carry_out(&self, body: &str) -> Result<Outcome, Failure> {
        self.carry_out_counted(body, &Spent::default()).await
    }

    /// As [`Stage::carry_out`], and adds what it wrote, even if it fails in the end.
    pub(crate) async fn carry_out_counted(&self, body: &str, spent: &Spent) -> Result<Outcome, Failure> {
        let request = IdentityRequest::unpack(body).map_err(|unreadable| match unreadable {
            Unreadable::Newer(_) => Failure::retry(unreadable),
            _ => Failure::reject(unreadable),
        })?;
        // The rules are those of this moment, not of the event's.
        let workspace = self.definitions.workspace(&request.workspace).await.map_err(Failure::retry)?;
        let workspace = workspace.ok_or_else(|| Failure::reject(Foreign))?;
        match &request.work {
            Work::Merge(tie) => {
                let outcome = self.merge(&workspace, tie, spent).await?;
                self.tell(&workspace.id, tie, &outcome);
                Ok(outcome)
            }
            Work::TakeOut { part, order } => {
                let outcome = self.take_out(&workspace, part, order, spent).await?;
                audit(&workspace.id, order, &outcome);
                Ok(outcome)
            }
            Work::Allow { profiles, order } => {
                let outcome = self.allow(&workspace.id, *profiles, order, spent).await?;
                audit(&workspace.id, order, &outcome);
                Ok(outcome)
            }
        }
    }

    async fn merge(&self, workspace: &Workspace, tie: &Tie, spent: &Spent) -> Result<Outcome, Failure> {
        for _ in 0..ATTEMPTS_MAX {
            if let Some(outcome) = self.attempt(workspace, tie, spent).await? {
                return Ok(outcome);
            }
        }
        Err(Failure::retry(Waits::Contended))
    }

    /// `None` if somebody came between.
    async fn attempt(
        &self,
        workspace: &Workspace,
        tie: &Tie,
        spent: &Spent,
    ) -> Result<Option<Outcome>, Failure> {
        let [a, b] = match resolve::both(&self.people, &self.key, &workspace.id, &tie.identifiers).await? {
            Resolved::Two(roots) => *roots,
            Resolved::One(id) => return Ok(Some(Outcome::Already(id))),
            Resolved::Nobody => return Ok(Some(Outcome::Nobody)),
            Resolved::Stale => return Ok(None),
        };
        let versions = [(a.id, a.version), (b.id, b.version)];
        let both = [a.id, b.id];
        let now = self.clock.now();
        let named = |root: Root| (root.id, root.profile);
        match merge::merge(&workspace.rules, tie, now, named(a), named(b)) {
            Ok(mut merged) => {
                // Of two whom no segment ever concerned neither was written under the
                // definitions; of both together one may hold. Without segments
                // nobody has to look, and a merge costs no write more.
                if workspace.segments > 0 {
                    merged.survivor.1.segments.ask_anew(Cause::Merge, now);
                }
                self.save(&workspace.id, tie, versions, merged, spent).await
            }
            Err(refusal) => {
                self.refuse(&workspace.id, tie, both, &refusal, spent).await?;
                Ok(Some(Outcome::Refused(refusal)))
            }
        }
    }

    async fn save(
        &self,
        workspace: &WorkspaceId,
        tie: &Tie,
        versions: [(ProfileId, Version); 2],
        merged: Merged,
        spent: &Spent,
    ) -> Result<Option<Outcome>, Failure> {
        let Merged { survivor: (survivor, mut united), absorbed: (absorbed, frozen) } = merged;
        // Entries as read of both: what one ledger has no room for goes to the
        // survivor's pages, in the same transaction or it would prove what is
        // not its own.
        let mut with = page::ledger(united.epoch, &united.ledger.spill(0));
        if tie.reason == TieReason::Operator {
            with.push(page::tie(tie)); // No outbox has put it with the profiles.
        }
        let seen = |id: ProfileId| versions.iter().find(|(of, _)| *of == id).map(|(_, version)| *version);
        let save = |id: ProfileId, profile: &Profile| Save {
            id,
            seen: seen(id),
            next: self.stored(seen(id), profile),
            claims: Vec::new(),
            with: Vec::new(),
            checks: Vec::new(),
        };
        let saves = vec![Save { with, ..save(survivor, &united) }, save(absorbed, &frozen)];
        let units = transaction(&saves);
        match self.people.save_all(workspace, saves).await {
            Ok(()) => {
                spent.add(units);
                Ok(Some(Outcome::Merged { survivor, absorbed }))
            }
            Err(SaveError::Conflict) => Ok(None),
            Err(SaveError::Unavailable(cause)) => Err(Failure::retry(cause)),
        }
    }

    pub(crate) fn stored(&self, seen: Option<Version>, profile: &Profile) -> StoredProfile {
        let counter = seen.map_or(1, |seen| seen.counter.saturating_add(1));
        let [write, _] = halves(self.entropy.bytes());
        let now = (!profile.outbox.is_empty()).then(|| self.clock.now());
        let due = now.into_iter().chain(profile.segments.until).min().map(Timestamp::floor_to_minute);
        StoredProfile { version: Version { counter, write }, body: profile.encode(), due }
    }

    /// Keeps the refusal with both profiles, and in the operator's list.
    async fn refuse(
        &self,
        workspace: &WorkspaceId,
        tie: &Tie,
        both: [ProfileId; 2],
        refusal: &Refusal,
        spent: &Spent,
    ) -> Result<(), Failure> {
        let at = self.clock.now();
        let record = [lineage::refused(tie, refusal, at)];
        for id in both {
            self.people.put(workspace, id, &record).await.map_err(Failure::retry)?;
            spent.items(&record);
        }
        let Ok(source) = SourceId::parse(&tie.source) else { return Ok(()) };
        let rejection = Rejection {
            at,
            reason: Reason::MergeRefused,
            detail: format!("two profiles stay two: {refusal}"),
            message_id: Some(tie.message_id.clone()),
            sample: String::new(),
        };
        self.rejections.record(workspace, &source, &[rejection]).await.map_err(Failure::retry)
    }

    fn tell(&self, workspace: &WorkspaceId, tie: &Tie, outcome: &Outcome) {
        if !decision::wanted() {
            return;
        }
        let profile = match outcome {
            Outcome::Merged { survivor, .. } => survivor.to_string(),
            Outcome::Already(id) => id.to_string(),
            _ => String::new(),
        };
        Decision {
            stage: "identity",
            trace: "",
            message_key: self.key.message(&tie.message_id),
            workspace: workspace.as_str(),
            source: &tie.source,
            kind: tie.reason.name(),
            decision: outcome.name(),
            profile: &profile,
        }
        .log();
    }
}

/// What came of an operator's order; that it was given, the API's audit line says.
fn audit(workspace: &WorkspaceId, order: &Order, outcome: &Outcome) {
    let (trace, outcome) = (order.id.as_str(), outcome.name());
    tracing::info!(
        audit = true,
        workspace.id = %workspace,
        key.id = order.by,
        outcome,
        trace,
        "Carried out order `{trace}`: {outcome}"
    );
}
