//! `tributary local`: the whole platform in this process, on one folder.

use std::sync::Arc;
use std::time::Duration;

use domain::time::Timestamp;
use local::consumer::Consumer;
use local::http::Server;
use local::store::{DataFolder, Store};
use local::template::Wiring;
use local::{Journal, Mailbox, Queues, Timer};
use ports::Clock as _;
use runtime::{SystemEntropy, telemetry};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::Local;
use crate::boot::{self, Definitions};
use crate::clock::LocalClock;
use crate::data::{self, Keys};
use crate::operate::local::Folder;
use crate::output::{Failed, line};
use crate::stack::{self, Parts};
use crate::tables;

/// The template that is deployed to AWS is the one that is run here.
const TEMPLATE: &str = include_str!("../../../template.yaml");
/// The table of what operators define, by its logical id in the template.
const DEFINITIONS: &str = "DefinitionsTable";
/// How long what was begun may take when it is time to stop.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: Local) -> Result<(), Failed> {
    let folder = DataFolder::open(&options.data)?;
    let clock = LocalClock::of(folder.path())?;
    let journal = Journal::open(&folder.journal_folder())?;
    telemetry::init_program_with(journal.layer(clock.clone()));
    let store = Store::start(&folder.store_file(), clock.clone()).await?;
    let client = stack::client(&store.url());
    let wiring = Wiring::parse_with(TEMPLATE, &stack::messaging::GIVEN)?;
    tables::create(&client, &wiring.tables).await?;
    let queues = Queues::open(&folder.queues_file(), wiring.queues.clone(), &SystemEntropy)?;
    let definitions = Definitions::new(client.clone(), DEFINITIONS, clock.clone());
    let keys = boot::keys(folder.path(), &definitions).await?;
    queues.release_in_flight(clock.now()).await?;
    let parts = Parts {
        wiring,
        queues,
        client,
        clock: clock.clone(),
        keys: keys.clone(),
        journal: journal.clone(),
        folder: Folder(folder.path().to_owned()),
        mailbox: Mailbox::open(&folder.mailbox_file(), clock.clone())?,
    };
    parts.check()?;
    let doors = Arc::new(parts.doors()?);
    doors.adopt().await?;
    let server = Server::start(options.port, clock.clone(), move |request| {
        let doors = Arc::clone(&doors);
        async move { doors.answer(request).await }
    });
    let server = server.await?;
    let consumers = parts.consumers(&server.url())?;
    let mut timers = timers(&parts, &clock)?;
    timers.extend(parts.planner()?);
    let postman = parts.postman()?;
    let stop = Stop::listen()?;
    data::write_url(folder.path(), &server.url())?;
    greet(&options, &server.url(), &keys);
    stop.asked().await;
    journal.stop_waiting();
    postman.abort();
    end(server, consumers, timers, store).await;
    journal.flush().await;
    Ok(())
}

/// Starts the sweep whenever the template says.
fn timers(parts: &Parts, clock: &LocalClock) -> Result<Vec<Timer>, Failed> {
    let (sweep, schedules) = parts.sweep()?;
    let sweep = Arc::new(sweep);
    let timer = |when| {
        let sweep = Arc::clone(&sweep);
        Timer::start(when, clock.clone(), move || {
            let sweep = Arc::clone(&sweep);
            async move {
                let swept = async {
                    // As long as the function may run.
                    let until = sweep.writer.clock.now().plus(Timestamp::MINUTE);
                    sweep.writer.sweep(&sweep.definitions, until).await?;
                    profile::fill::send(&sweep.definitions, &sweep.parts, &sweep.writer.clock).await
                };
                if let Err(failure) = swept.await {
                    let cause = runtime::failure::chain(failure.cause());
                    tracing::warn!(cause, "A sweep failed and is tried again in its next turn: {cause}");
                }
            }
        })
    };
    Ok(schedules.into_iter().map(timer).collect())
}

async fn end(server: Server, consumers: Vec<Consumer>, timers: Vec<Timer>, store: Store) {
    server.stop(GRACE).await;
    for consumer in consumers {
        consumer.stop().await;
    }
    for timer in timers {
        timer.stop().await;
    }
    store.stop(GRACE).await;
}

/// What asks the platform to stop. It listens before it is said that the
/// platform runs: whoever was told may ask at once.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

fn greet(options: &Local, url: &str, keys: &Keys) {
    let write_key = keys.write_keys.get("web").map(String::as_str).unwrap_or_default();
    if options.json {
        line(&json!({"url": url, "write_key": write_key, "admin_key": keys.admin_key}).to_string());
        return;
    }
    line(&format!("Tributary runs at {url}, on {}\n", options.data.display()));
    for (source, key) in &keys.write_keys {
        line(&format!("  write key of {source:<4} {key}"));
    }
    line(&format!("  admin key         {}\n", keys.admin_key));
    line("Send an event, then look at the person:\n");
    let event = r#"{"userId":"u1","event":"Order Completed","properties":{"revenue":12.5}}"#;
    line(&format!("  curl -u {write_key}: {url}/v1/track -d '{event}'"));
    line("  tributary profile show user_id:u1\n");
    line("Ctrl-C stops it; what was answered with 200 is kept.");
}
