//! Providers that remember what they accepted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use ports::Unavailable;
use ports::channel::{AccountQuota, Email, Letter, ProviderId, Quota, SendError, Sms, Text};

use crate::{Injected, lock};

const OPERATION: &str = "sending in memory";

/// What a provider answers to one send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    Throttled,
    DailyQuota,
    Refused,
    Closed,
    NotSent,
    /// It was accepted, and its answer was lost.
    AcceptedUnknown,
    /// It was not, and nobody can tell.
    LostUnknown,
}

impl Verdict {
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Throttled,
        Self::DailyQuota,
        Self::Refused,
        Self::Closed,
        Self::NotSent,
        Self::AcceptedUnknown,
        Self::LostUnknown,
    ];

    const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::AcceptedUnknown)
    }

    fn answer(self, id: ProviderId) -> Result<ProviderId, SendError> {
        let injected = || Unavailable::new(OPERATION, Injected);
        match self {
            Self::Accepted => Ok(id),
            Self::Throttled => Err(SendError::Throttled),
            Self::DailyQuota => Err(SendError::DailyQuota),
            Self::Refused => Err(SendError::Refused { code: "Injected" }),
            Self::Closed => Err(SendError::Closed { code: "Injected" }),
            Self::NotSent => Err(SendError::NotSent(injected())),
            Self::AcceptedUnknown | Self::LostUnknown => Err(SendError::Unknown(injected())),
        }
    }
}

/// What a provider accepted, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    Letter(ProviderId, Letter),
    Text(ProviderId, Text),
}

impl Sent {
    pub const fn id(&self) -> &ProviderId {
        match self {
            Self::Letter(id, _) | Self::Text(id, _) => id,
        }
    }

    /// What comes back in its receipts.
    pub fn tags(&self) -> &[(String, String)] {
        match self {
            Self::Letter(_, letter) => &letter.tags,
            Self::Text(_, text) => &text.context,
        }
    }
}

/// A provider of letters and texts; clones are the same provider.
#[derive(Debug, Clone, Default)]
pub struct MemoryChannel(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    sent: Vec<Sent>,
    calls: u64,
    verdicts: VecDeque<Verdict>,
    quota: AccountQuota,
}

impl Default for State {
    fn default() -> Self {
        let quota = AccountQuota {
            max_send_rate_milli: 14_000,
            max_24_hours: Some(50_000),
            sent_24_hours: 0,
            is_production: true,
            is_enabled: true,
        };
        Self { sent: Vec::new(), calls: 0, verdicts: VecDeque::new(), quota }
    }
}

impl MemoryChannel {
    /// What was accepted so far.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.0).sent.clone()
    }

    /// Takes out what was accepted so far.
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut lock(&self.0).sent)
    }

    /// How often it was called, whatever came of it.
    pub fn calls(&self) -> u64 {
        lock(&self.0).calls
    }

    /// The next sends are answered so, one each; then all are accepted again.
    pub fn answer_next(&self, verdicts: impl IntoIterator<Item = Verdict>) {
        lock(&self.0).verdicts.extend(verdicts);
    }

    /// The quota from now on; what is sent is counted into it.
    pub fn set_quota(&self, quota: AccountQuota) {
        lock(&self.0).quota = quota;
    }

    fn send(&self, sent: impl FnOnce(ProviderId) -> Sent) -> Result<ProviderId, SendError> {
        let mut state = lock(&self.0);
        state.calls += 1;
        let id = ProviderId(format!("memory-{}", state.calls));
        let verdict = state.verdicts.pop_front().unwrap_or(Verdict::Accepted);
        if verdict.is_accepted() {
            state.quota.sent_24_hours += 1;
            state.sent.push(sent(id.clone()));
        }
        verdict.answer(id)
    }
}

impl Email for MemoryChannel {
    async fn send(&self, letter: &Letter) -> Result<ProviderId, SendError> {
        Self::send(self, |id| Sent::Letter(id, letter.clone()))
    }
}

impl Sms for MemoryChannel {
    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        Self::send(self, |id| Sent::Text(id, text.clone()))
    }
}

impl Quota for MemoryChannel {
    async fn quota(&self) -> Result<AccountQuota, Unavailable> {
        Ok(lock(&self.0).quota)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, Faulty};

    fn letter(to: &str) -> Letter {
        Letter {
            to: to.to_owned(),
            tags: vec![("t-delivery".to_owned(), to.to_owned())],
            ..Letter::default()
        }
    }

    #[tokio::test]
    async fn what_is_accepted_is_kept_whether_or_not_its_answer_comes() {
        for verdict in Verdict::ALL {
            let memory = MemoryChannel::default();
            memory.answer_next([verdict]);
            let answer = Email::send(&memory, &letter("a")).await;
            let is_kept = matches!(verdict, Verdict::Accepted | Verdict::AcceptedUnknown);
            assert_eq!(memory.sent().len(), usize::from(is_kept), "{verdict:?}");
            assert_eq!(answer.is_ok(), verdict == Verdict::Accepted, "{verdict:?}");
            let may_be_sent = answer.is_err_and(|error| error.may_have_been_sent());
            let is_unknown = matches!(verdict, Verdict::AcceptedUnknown | Verdict::LostUnknown);
            assert_eq!(may_be_sent, is_unknown, "{verdict:?}");
            assert!(Sms::send(&memory, &Text::default()).await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_receipt_can_be_made_of_what_was_kept() {
        let memory = MemoryChannel::default();
        let id = Email::send(&memory, &letter("a")).await.unwrap();
        let [sent] = memory.take().try_into().unwrap();
        assert_eq!((sent.id(), sent.tags()), (&id, &letter("a").tags[..]));
        assert_eq!(
            (memory.sent().len(), memory.calls(), memory.quota().await.unwrap().sent_24_hours),
            (0, 1, 1)
        );
    }

    #[tokio::test]
    async fn a_fault_before_the_send_sends_nothing_and_one_after_it_is_unknown() {
        for (fault, kept, unknown) in [
            (Fault::None, 1, false),
            (Fault::Refused, 0, false),
            (Fault::Part, 0, false),
            (Fault::Conflict, 0, false),
            (Fault::AnswerLost, 1, true),
        ] {
            let memory = MemoryChannel::default();
            let faulty = Faulty::new(memory.clone(), move |_| fault);
            let answer = Email::send(&faulty, &letter("a")).await;
            assert_eq!(memory.sent().len(), kept, "{fault:?}");
            assert_eq!(answer.is_err_and(|error| error.may_have_been_sent()), unknown, "{fault:?}");
        }
    }
}
