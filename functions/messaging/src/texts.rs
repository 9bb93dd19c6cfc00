//! Which service carries SMS, and what says how fast: a deployment has one of each.

use ports::channel::{AccountQuota, ProviderId, SendError, Text};
use ports::{Quota, Sms, Unavailable};

/// One of two ways out for texts.
#[derive(Debug)]
pub enum Texts<V, N> {
    /// End User Messaging, whose receipts say which delivery they are about.
    Voice(V),
    /// SNS, whose do not: what is unknown there stays so.
    Sns(N),
}

impl<V: Sms, N: Sms> Sms for Texts<V, N> {
    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        match self {
            Self::Voice(voice) => voice.send(text).await,
            Self::Sns(sns) => sns.send(text).await,
        }
    }
}

/// What an account may send.
#[derive(Debug)]
pub enum Allowance<Q> {
    /// The provider says it.
    Asked(Q),
    /// The operator does: no service tells how fast a number may send.
    Told(AccountQuota),
}

impl<Q: Quota> Quota for Allowance<Q> {
    async fn quota(&self) -> Result<AccountQuota, Unavailable> {
        match self {
            Self::Asked(provider) => provider.quota().await,
            Self::Told(quota) => Ok(*quota),
        }
    }
}

impl<Q> Allowance<Q> {
    /// So many a second, and as many a day as that makes.
    pub const fn of(per_second: u32) -> Self {
        Self::Told(AccountQuota {
            max_send_rate_milli: per_second as u64 * 1_000,
            max_24_hours: None,
            sent_24_hours: 0,
            is_production: true,
            is_enabled: true,
        })
    }
}
