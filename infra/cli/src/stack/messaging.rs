//! The messaging stage in this process: what it sends is kept in a mailbox.

use std::sync::Arc;

use domain::messaging::Channel;
use local::consumer::Consumer;
use local::template::When;
use local::{Mailbox, Timer};
use messaging::feedback::Feedback;
use messaging::plan::Planner;
use messaging::web::Web;
use messaging::{Press, Stage};
use runtime::definitions::Cached;
use runtime::{SystemEntropy, SystemTimer};

use super::{Parts, People, Queue};
use crate::boot::Definitions;
use crate::clock::LocalClock;
use crate::output::Failed;

type LocalMailbox = Mailbox<LocalClock>;
type LocalSender = Stage<
    People,
    Definitions,
    LocalMailbox,
    LocalMailbox,
    LocalClock,
    SystemEntropy,
    SystemTimer<LocalClock>,
>;
pub(super) type LocalWeb =
    Web<People, Definitions, Queue, LocalClock, SystemEntropy, SystemTimer<LocalClock>>;
type LocalFeedback = Feedback<People, Definitions, Queue, LocalClock>;
type LocalPlanner = Planner<People, Definitions, Queue, LocalMailbox, LocalClock>;

/// The parameters with which the template has this stage.
pub(crate) const GIVEN: [(&str, &str); 1] = [("MailDomain", "mail.local")];

impl Parts {
    fn without_identities(&self, function: &'static str) -> Result<People, Failed> {
        Ok(People::without_identities(self.client.clone(), self.variable(function, "PEOPLE_TABLE")?))
    }

    /// What sends parcels; links of letters lead to `url`.
    pub(super) fn messaging_consumers(&self, url: &str) -> Result<Vec<Consumer>, Failed> {
        const SEND: &str = "messaging-send";
        let keys = messaging::settings::signing_keys(&self.keys.signing_keys)?;
        let stage: Arc<LocalSender> = Arc::new(Stage {
            people: self.without_identities(SEND)?,
            definitions: Cached::new(self.definitions(SEND)?),
            email: self.mailbox.clone(),
            sms: self.mailbox.clone(),
            clock: self.clock.clone(),
            entropy: SystemEntropy,
            timer: SystemTimer(self.clock.clone()),
            key: self.id_key()?,
            press: Press::new(keys, url, [None, None]),
        });
        let dead_letters = self.queue(SEND, "MESSAGING_DLQ_URL")?;
        let max_receives = self.variable(SEND, "MESSAGING_MAX_RECEIVES")?.parse()?;
        self.fed(SEND, move |event, deadline| {
            let (stage, dead_letters) = (Arc::clone(&stage), dead_letters.clone());
            async move {
                messaging::batch::send(&stage, &dead_letters, &event.records, deadline, max_receives).await
            }
        })
    }

    /// What answers the links of letters.
    pub(super) fn web(&self) -> Result<LocalWeb, Failed> {
        const WEB: &str = "messaging-web";
        Ok(Web {
            people: self.without_identities(WEB)?,
            definitions: Cached::new(self.definitions(WEB)?),
            queue: self.queue(WEB, "PROFILE_QUEUE_URL")?,
            clock: self.clock.clone(),
            entropy: SystemEntropy,
            timer: SystemTimer(self.clock.clone()),
            key: self.id_key()?,
            keys: messaging::settings::signing_keys(&self.keys.signing_keys)?,
        })
    }

    /// What takes in receipts, which here come from the mailbox.
    pub(super) fn feedback_consumers(&self) -> Result<Vec<Consumer>, Failed> {
        const FEEDBACK: &str = "messaging-feedback";
        let stage: Arc<LocalFeedback> = Arc::new(Feedback {
            people: self.without_identities(FEEDBACK)?,
            definitions: Cached::new(self.definitions(FEEDBACK)?),
            queue: self.queue(FEEDBACK, "PROFILE_QUEUE_URL")?,
            clock: self.clock.clone(),
            key: self.id_key()?,
        });
        let dead_letters = self.queue(FEEDBACK, "RECEIPTS_DLQ_URL")?;
        let max_receives = self.variable(FEEDBACK, "MESSAGING_MAX_RECEIVES")?.parse()?;
        self.fed(FEEDBACK, move |event, _| {
            let (stage, dead_letters) = (Arc::clone(&stage), dead_letters.clone());
            async move { messaging::batch::feedback(&stage, &dead_letters, &event.records, max_receives).await }
        })
    }

    /// Brings the mailbox's receipts to the queue from which feedback takes
    /// them, whenever something was sent; those of an earlier run first.
    pub(crate) fn postman(&self) -> Result<tokio::task::JoinHandle<()>, Failed> {
        let sources = &self.function("messaging-feedback")?.sources;
        let queue = sources.first().ok_or(super::Unwired::Mapping("messaging-feedback"))?;
        let queue = self.queues.queue(&queue.queue, self.clock.clone())?;
        let (mailbox, mut arrivals) = (self.mailbox.clone(), self.mailbox.arrivals());
        Ok(tokio::spawn(async move {
            loop {
                if let Err(cause) = mailbox.tell(&queue).await {
                    let cause = runtime::failure::chain(&cause);
                    tracing::warn!(cause, "Receipts wait for the next message: {cause}");
                }
                if arrivals.changed().await.is_err() {
                    return;
                }
            }
        }))
    }

    /// What hands people out, whenever the template says.
    pub(crate) fn planner(&self) -> Result<Vec<Timer>, Failed> {
        const PLAN: &str = "messaging-plan";
        let planner: Arc<LocalPlanner> = Arc::new(Planner {
            people: self.without_identities(PLAN)?,
            definitions: Cached::new(self.definitions(PLAN)?),
            queue: self.queue(PLAN, "MESSAGING_QUEUE_URL")?,
            quotas: Channel::ALL.map(|channel| (channel, self.mailbox.clone())).to_vec(),
            clock: self.clock.clone(),
            key: self.id_key()?,
        });
        let timer = |when: When| {
            let planner = Arc::clone(&planner);
            Timer::start(when, self.clock.clone(), move || {
                let planner = Arc::clone(&planner);
                async move {
                    if let Err(failure) = planner.plan().await {
                        let cause = runtime::failure::chain(failure.cause());
                        tracing::warn!(cause, "Planning failed and is tried again in its next turn: {cause}");
                    }
                }
            })
        };
        let schedules = &self.function(PLAN)?.schedules;
        Ok(schedules.iter().map(|schedule| timer(schedule.when.clone())).collect())
    }
}
