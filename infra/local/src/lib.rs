//! The embedded stack of `tributary local`: what AWS does for a deployment,
//! done here in one process on one folder.
//!
//! **Invariant:** nothing here knows a stage. Queues, mappings, schedules and
//! tables are what `template.yaml` says; handlers are handed in.

pub mod template;
pub mod http;
pub mod file;
pub mod queue;
pub mod mailbox;
pub mod consumer;
pub mod schedule;
pub mod store;
pub mod journal;

pub use consumer::{Consumer, Mapping};
pub use http::Server;
pub use journal::Journal;
pub use mailbox::Mailbox;
pub use queue::settings::QueueSettings;
pub use queue::{LocalQueue, Queues};
pub use schedule::Timer;
pub use store::{DataFolder, Store};
pub use template::Wiring;
