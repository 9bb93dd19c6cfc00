//! Where an event was and where it is: in the journal, in the queues and among
//! what was refused.

use std::collections::BTreeSet;

use domain::message::Message;
use domain::rejection::{Reason, Rejection};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use local::queue::{Listed, State};
use ports::rejections::Kept;
use ports::{Clock as _, Definitions as _, Rejections as _};
use runtime::sqs::letter;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::boot;
use crate::output::Failed;
use crate::tools::Tools;

/// Lines that an answer has room for; nobody reads as many.
const LINES_MAX: usize = 1_000;
/// Messages of a queue that are looked into, and their bytes altogether.
const MESSAGES_MAX: usize = 2_000;
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A page keeps the queues' thread for a moment only.
const MESSAGES_A_PAGE: usize = 20;
/// Refused events that are looked at, the newest first.
const REFUSED_MAX: usize = 20_000;
const REFUSED_A_PART: usize = 500;

/// All that is known of an event; nothing that its sender wrote is in it but
/// what the admin API shows of refused events too.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Trail {
    /// Lines of the journal about the event and its requests, by time.
    pub(crate) lines: Vec<Value>,
    /// Lines beyond those.
    pub(crate) left_out: usize,
    /// The time of the journal's oldest line.
    pub(crate) since: Option<String>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) refused: Vec<Refused>,
    /// What was too much to be searched to its end.
    pub(crate) unread: Vec<String>,
}

/// A message that holds the event and lies in a queue.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) queue: String,
    /// Nothing takes messages from there by itself.
    pub(crate) is_dead: bool,
    /// `visible`, `in flight` or `delayed`.
    pub(crate) state: String,
    pub(crate) since: String,
    pub(crate) receives: u32,
    pub(crate) trace: Option<String>,
    /// How and why it ended, of a dead letter that a stage wrote.
    pub(crate) fate: Option<String>,
    pub(crate) reason: Option<String>,
}

/// An entry among the refused events.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) source: String,
    pub(crate) at: String,
    pub(crate) reason: String,
    pub(crate) detail: String,
    /// Only a part of the event was left out.
    pub(crate) event_stands: bool,
}

/// By what the event is found in a queue. The id is its sender's text: no `Debug`.
#[derive(Clone)]
struct Mark {
    id: String,
    traces: BTreeSet<String>,
}

impl Mark {
    fn is_on(&self, message: &Listed) -> bool {
        if attribute(message, letter::TRACE).is_some_and(|trace| self.traces.contains(trace)) {
            return true;
        }
        let message = Message::unpack(&message.body);
        message.is_ok_and(|message| message.events.iter().any(|event| event.message_id == self.id))
    }
}

impl Tools {
    /// Follows an event by its message id, or a request by its trace.
    pub(crate) async fn trail(&self, id: &str) -> Result<Trail, Failed> {
        self.journal.flush().await;
        let key = format!("{:016x}", self.key.message(id));
        let wanted = key.clone();
        let found =
            self.journal.search(move |line| line.text("message_key") == Some(&wanted), LINES_MAX).await?;
        let mut traces: BTreeSet<String> = found.entries.iter().filter_map(trace).collect();
        let asked = as_trace(id);
        traces.extend(asked.clone());
        let mut trail = Trail { since: found.since, ..Trail::default() };
        if !traces.is_empty() {
            let traces = traces.clone();
            let found = self.journal.search(
                move |line| {
                    // Of another request with the event, other events are none of its way.
                    let is_whole = asked.as_deref().is_some_and(|asked| line.text("trace") == Some(asked));
                    let is_its = || line.text("message_key").is_none_or(|of| of == key);
                    line.text("trace").is_some_and(|trace| traces.contains(trace)) && (is_whole || is_its())
                },
                LINES_MAX,
            );
            let found = found.await?;
            (trail.lines, trail.left_out) = (found.entries, found.left_out);
            trail.lines.sort_by_cached_key(|line| time(line).to_owned());
        }
        self.look_into_queues(&Mark { id: id.to_owned(), traces }, &mut trail).await?;
        self.look_at_refused(id, &mut trail).await?;
        Ok(trail)
    }

    async fn look_into_queues(&self, mark: &Mark, trail: &mut Trail) -> Result<(), Failed> {
        let mut dead = BTreeSet::new();
        for name in self.queues.names() {
            let queue = self.queues.queue(name, self.clock.clone())?;
            dead.extend(queue.settings().redrive.as_ref().map(|redrive| redrive.to.clone()));
        }
        for name in self.queues.names() {
            let is_whole = self.look_into_queue(name, dead.contains(name), mark, trail).await?;
            if !is_whole {
                trail.unread.push(format!("queue `{name}`"));
            }
        }
        Ok(())
    }

    /// Gives whether it was looked at as a whole.
    async fn look_into_queue(
        &self,
        name: &str,
        is_dead: bool,
        mark: &Mark,
        trail: &mut Trail,
    ) -> Result<bool, Failed> {
        let queue = self.queues.queue(name, self.clock.clone())?;
        let (mut last, mut messages, mut bytes) = (None::<String>, 0, 0);
        while messages < MESSAGES_MAX && bytes < MESSAGE_BYTES_MAX {
            let page = queue.list(last.as_deref(), MESSAGES_A_PAGE).await?;
            let Some(end) = page.last() else { return Ok(true) };
            last = Some(end.id.clone());
            messages += page.len();
            bytes += page.iter().map(|message| message.body.len()).sum::<usize>();
            let mark = mark.clone();
            // Unpacking is work: it shall keep no stage from its own.
            let found = tokio::task::spawn_blocking(move || {
                page.into_iter().filter(|message| mark.is_on(message)).collect::<Vec<_>>()
            });
            trail.waiting.extend(found.await?.iter().map(|message| Waiting::of(name, is_dead, message)));
        }
        Ok(false)
    }

    async fn look_at_refused(&self, id: &str, trail: &mut Trail) -> Result<(), Failed> {
        let workspace = WorkspaceId::parse(boot::WORKSPACE)?;
        let defined = self.definitions.workspace(&workspace).await?;
        let sources: Vec<SourceId> = defined
            .map(|workspace| workspace.sources.into_iter().map(|source| source.id).collect())
            .unwrap_or_default();
        let mut left = REFUSED_MAX;
        for days in 0..=Rejection::DAYS {
            let day = self.clock.now().plus(-days * Timestamp::DAY);
            for source in &sources {
                self.look_at_day(id, &workspace, source, day, &mut left, trail).await?;
                if left == 0 {
                    trail.unread.push(format!("what was refused until {}", day.rfc3339()));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn look_at_day(
        &self,
        id: &str,
        workspace: &WorkspaceId,
        source: &SourceId,
        day: Timestamp,
        left: &mut usize,
        trail: &mut Trail,
    ) -> Result<(), Failed> {
        let mut after = None;
        while *left > 0 {
            let part = self.rejections.kept(workspace, source, day, after.as_ref(), REFUSED_A_PART).await?;
            *left = left.saturating_sub(part.kept.len());
            let its = part.kept.iter().filter(|kept| kept.rejection.message_id.as_deref() == Some(id));
            trail.refused.extend(its.map(|kept| Refused::of(source, kept)));
            after = part.kept.into_iter().next_back().map(|kept| kept.place);
            if !part.more {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Waiting {
    fn of(queue: &str, is_dead: bool, message: &Listed) -> Self {
        let text = |name| attribute(message, name).map(str::to_owned);
        let state = match message.state {
            State::Visible => "visible",
            State::InFlight => "in flight",
            State::Delayed => "delayed",
        };
        Self {
            queue: queue.to_owned(),
            is_dead,
            state: state.to_owned(),
            since: message.sent.rfc3339(),
            receives: message.receives,
            trace: text(letter::TRACE),
            fate: text(letter::FATE),
            reason: text(letter::REASON),
        }
    }
}

impl Refused {
    fn of(source: &SourceId, Kept { rejection, .. }: &Kept) -> Self {
        let event_stands = match rejection.reason {
            Reason::TraitsOverflow
            | Reason::IdentifierBlocked
            | Reason::IdentifierLimit
            | Reason::InvalidIdentifier
            | Reason::MergeRefused => true,
            Reason::Malformed
            | Reason::TooLarge
            | Reason::TooDeep
            | Reason::UnknownType
            | Reason::NoEventName
            | Reason::ReservedName
            | Reason::NoIdentifier
            | Reason::Blocked
            | Reason::WrongType
            | Reason::Erased => false,
        };
        Self {
            source: source.as_str().to_owned(),
            at: rejection.at.rfc3339(),
            reason: rejection.reason.name().to_owned(),
            detail: rejection.detail.clone(),
            event_stands,
        }
    }
}

/// An id that could be a trace, as traces are written.
fn as_trace(id: &str) -> Option<String> {
    let is_hex = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| id.to_ascii_lowercase())
}

fn attribute<'a>(message: &'a Listed, name: &str) -> Option<&'a str> {
    message.attributes.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
}

fn trace(line: &Value) -> Option<String> {
    line.get("trace").and_then(Value::as_str).map(str::to_owned)
}

fn time(line: &Value) -> &str {
    line.get("time").and_then(Value::as_str).unwrap_or_default()
}
