//! The mixes of requests that are priced, the same for every design.

use serde_json::{Value, json};

use crate::corpus::{Corpus, SESSION, Sample};
use crate::design::Design;
use crate::failed::Failed;
use crate::rules::count;
use crate::usage::Usage;

/// Events of one request about several people.
const MIXED: usize = 20;
/// Of so many requests one is of a new person.
const NEW_EVERY: usize = 5;

/// Who sends how much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// So many events of one returning person a request; a batch holds a
    /// request of each of the corpus's people.
    Returning(usize),
    /// One event a request and one request a batch, as in a quiet hour.
    Quiet,
    /// One event a request, a fifth of them of people never seen before.
    FifthNew,
    /// 20 events of 20 returning people a request, one request a batch.
    TwentyPeople,
    /// The first event of somebody never seen before, alone in its request.
    NewPerson,
}

/// What a mix used.
pub(crate) struct Figure {
    pub(crate) events: u64,
    pub(crate) usage: Usage,
}

impl Mix {
    pub(crate) const ALL: [Self; 7] = [
        Self::Returning(1),
        Self::Returning(5),
        Self::Returning(20),
        Self::Quiet,
        Self::FifthNew,
        Self::TwentyPeople,
        Self::NewPerson,
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Returning(1) => "1 event of a returning person a request".to_owned(),
            Self::Returning(events) => format!("{events} events of a returning person a request"),
            Self::Quiet => "1 event a request and a batch, as in a quiet hour".to_owned(),
            Self::FifthNew => "1 event a request, 20 % of them of new people".to_owned(),
            Self::TwentyPeople => "20 events of 20 people a request".to_owned(),
            Self::NewPerson => "the first event of a new person".to_owned(),
        }
    }

    /// Sends the mix to a design that knows the corpus's history. A first round
    /// warms what functions remember, and is not counted.
    pub(crate) async fn run(self, design: &impl Design, corpus: &Corpus) -> Result<Figure, Failed> {
        let warm = corpus.today.first().and_then(|session| session.first());
        design.post(&warm.into_iter().collect::<Vec<_>>()).await?;
        design.work().await?;
        design.take()?;
        let events = match self {
            Self::Returning(events) => returning(design, corpus, events).await?,
            Self::Quiet => quiet(design, corpus).await?,
            Self::FifthNew => fifth_new(design, corpus).await?,
            Self::TwentyPeople => twenty_people(design, corpus).await?,
            Self::NewPerson => new_people(design, corpus).await?,
        };
        Ok(Figure { events, usage: design.take()? })
    }
}

async fn returning(design: &impl Design, corpus: &Corpus, events: usize) -> Result<u64, Failed> {
    let mut sent = 0;
    for round in 0..SESSION / events {
        // The event that warmed up is not sent again: its copy would be dropped.
        let warmed = usize::from(round == 0);
        for session in corpus.today.iter().skip(warmed) {
            let samples: Vec<&Sample> = session.iter().skip(round * events).take(events).collect();
            design.post(&samples).await?;
            sent += samples.len();
        }
        design.work().await?;
    }
    Ok(count(sent))
}

async fn quiet(design: &impl Design, corpus: &Corpus) -> Result<u64, Failed> {
    let mut sent = 0;
    for session in corpus.today.iter().skip(1) {
        for sample in session.iter().take(SESSION / 4) {
            design.post(&[sample]).await?;
            design.work().await?;
            sent += 1;
        }
    }
    Ok(sent)
}

async fn fifth_new(design: &impl Design, corpus: &Corpus) -> Result<u64, Failed> {
    let mut sent = 0;
    for round in 0..SESSION {
        for (place, session) in corpus.today.iter().enumerate().skip(1) {
            let Some(sample) = session.get(round) else { continue };
            if (place + round).is_multiple_of(NEW_EVERY) {
                design.post(&[&stranger(sample, sent)]).await?;
            } else {
                design.post(&[sample]).await?;
            }
            sent += 1;
        }
        design.work().await?;
    }
    Ok(sent)
}

async fn twenty_people(design: &impl Design, corpus: &Corpus) -> Result<u64, Failed> {
    // The first round is left out, with the event that warmed up.
    let rounds =
        (1..SESSION).flat_map(|round| corpus.today.iter().filter_map(move |session| session.get(round)));
    let samples: Vec<&Sample> = rounds.collect();
    let (requests, _) = samples.as_chunks::<MIXED>();
    for request in requests {
        design.post_mixed(request).await?;
        design.work().await?;
    }
    Ok(count(requests.len() * MIXED))
}

async fn new_people(design: &impl Design, corpus: &Corpus) -> Result<u64, Failed> {
    let samples = corpus.today.iter().flat_map(|session| session.iter().take(2));
    for (number, sample) in samples.enumerate() {
        design.post(&[&stranger(sample, count(number))]).await?;
    }
    design.work().await?;
    Ok(count(2 * corpus.today.len()))
}

/// The same event, of somebody never seen before: a browser that has no user
/// yet, an app on a new phone, a user whom only a server knows.
pub(crate) fn stranger(sample: &Sample, number: u64) -> Sample {
    let mut stranger = sample.clone();
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    let event = &mut stranger.event;
    event.insert("messageId".to_owned(), json!(format!("stranger-{id}")));
    if event.contains_key("anonymousId") {
        event.insert("anonymousId".to_owned(), json!(id));
        event.insert("userId".to_owned(), Value::Null);
    } else {
        event.insert("userId".to_owned(), json!(id));
    }
    if let Some(device) =
        event.get_mut("context").and_then(|context| context.get_mut("device")?.as_object_mut())
    {
        device.insert("id".to_owned(), json!(id.to_uppercase()));
    }
    if let Some(traits) = event.get_mut("traits").and_then(Value::as_object_mut) {
        traits.insert("email".to_owned(), json!(format!("{number}@example.net")));
        traits.remove("phone");
    }
    stranger
}
