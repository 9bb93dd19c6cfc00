//! What goes over the wire in one request.

use domain::time::Timestamp;

use crate::made::Made;

/// Who sends: each has its own write key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The site, from browsers.
    Web,
    /// The app on phones, which are offline at times.
    App,
    /// The customer records, sent each night.
    Crm,
    /// The tills of the stores.
    Pos,
}

impl Source {
    pub const ALL: [Self; 4] = [Self::Web, Self::App, Self::Crm, Self::Pos];

    /// The id by which a workspace knows the source.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::App => "app",
            Self::Crm => "crm",
            Self::Pos => "pos",
        }
    }

    /// The region by which the source's national phone numbers are to be read.
    pub const fn region(self) -> Option<&'static str> {
        match self {
            Self::Crm => Some("US"),
            Self::Web | Self::App | Self::Pos => None,
        }
    }

    /// Events that its SDK puts into one request.
    pub(crate) const fn batch_max(self) -> usize {
        match self {
            Self::Web => 10,
            Self::App => 20,
            Self::Crm => 50,
            Self::Pos => 25,
        }
    }
}

/// One `POST /v1/batch`.
pub struct Request {
    pub source: Source,
    /// The JSON of a Segment batch, not yet stamped with a `sentAt`.
    pub body: String,
    /// When the shop sent it: in the year that is told, not today.
    pub at: Timestamp,
    pub(crate) events: Vec<Made>,
}

impl Request {
    pub(crate) fn new(source: Source, events: Vec<Made>, at: Timestamp) -> Self {
        let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
        let body = format!("{{\"batch\":[{}]}}", texts.join(","));
        Self { source, body, at, events }
    }

    /// How many events are in it, repeated and bad ones among them.
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The body as an SDK with a right clock sends it at this moment.
    ///
    /// It must be the moment of the real sending: a `sentAt` in the past would
    /// tell the platform that the client's clock is wrong.
    pub fn stamped(&self, sent_at: Timestamp) -> String {
        let open = self.body.strip_suffix('}').unwrap_or(&self.body);
        format!("{open},\"sentAt\":\"{}\"}}", sent_at.rfc3339())
    }
}

/// A request is personal data: its body is not printed.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("source", &self.source)
            .field("events", &self.len())
            .finish_non_exhaustive()
    }
}
