//! `tributary local`: the whole platform in this process, on one folder.

use std::sync::Arc;
use std::time::Duration;

use local::Queues;
use local::consumer::Consumer;
use local::http::Server;
use local::store::{DataFolder, Store};
use local::template::{When, Wiring};
use ports::Clock as _;
use runtime::{SystemEntropy, telemetry};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::arguments::Local;
use crate::boot::{self, Definitions};
use crate::clock::LocalClock;
use crate::data::{self, Keys};
use crate::output::{Failed, line};
use crate::stack::{self, Parts};
use crate::tables;

/// The template that is deployed to AWS is the one that is run here.
const TEMPLATE: &str = include_str!("../../../template.yaml");
/// The table of what operators define, by its logical id in the template.
const DEFINITIONS: &str = "DefinitionsTable";
/// How long what was begun may take when it is time to stop.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
#[error("the template starts the sweep by a cron expression; here it can only be a rate")]
struct Unscheduled;

pub(crate) async fn run(options: Local) -> Result<(), Failed> {
    telemetry::init_program();
    let folder = DataFolder::open(&options.data)?;
    let store = Store::start(&folder.store_file()).await?;
    let client = stack::client(&store.url());
    let wiring = Wiring::parse(TEMPLATE)?;
    tables::create(&client, &wiring.tables).await?;
    let queues = Queues::open(&folder.queues_file(), wiring.queues.clone(), &SystemEntropy)?;
    let ahead = data::keys(folder.path())?.map_or(0, |keys| keys.clock_ahead);
    let clock = LocalClock::ahead_by(ahead);
    let definitions = Definitions::new(client.clone(), DEFINITIONS, clock.clone());
    let keys = boot::keys(folder.path(), &definitions).await?;
    queues.release_in_flight(clock.now()).await?;
    let parts = Parts { wiring, queues, client, clock: clock.clone(), keys: keys.clone() };
    parts.check()?;
    let doors = Arc::new(parts.doors()?);
    let server = Server::start(options.port, clock, move |request| {
        let doors = Arc::clone(&doors);
        async move { doors.answer(request).await }
    });
    let server = server.await?;
    let consumers = parts.consumers()?;
    let (stop, stopped) = watch::channel(false);
    let schedules = schedule(&parts, &stopped)?;
    data::write_url(folder.path(), &server.url())?;
    greet(&options, &server.url(), &keys);
    stop_asked().await?;
    stop.send_replace(true);
    end(server, consumers, schedules, store).await;
    Ok(())
}

/// Starts the sweep as often as the template says.
fn schedule(parts: &Parts, stopped: &watch::Receiver<bool>) -> Result<Vec<JoinHandle<()>>, Failed> {
    let (writer, schedules) = parts.sweep()?;
    let writer = Arc::new(writer);
    let start = |when: &When| {
        let When::Rate { every_ms } = *when else { return Err(Unscheduled.into()) };
        let every = Duration::from_millis(every_ms.unsigned_abs());
        let (writer, mut stopped) = (Arc::clone(&writer), stopped.clone());
        Ok(tokio::spawn(async move {
            loop {
                if let Err(failure) = writer.sweep().await {
                    let cause = runtime::failure::chain(failure.cause());
                    tracing::warn!(cause, "A sweep failed and is tried again in its next turn: {cause}");
                }
                tokio::select! {
                    () = tokio::time::sleep(every) => (),
                    _ = stopped.wait_for(|stop| *stop) => return,
                }
            }
        }))
    };
    schedules.iter().map(start).collect()
}

async fn end(server: Server, consumers: Vec<Consumer>, schedules: Vec<JoinHandle<()>>, store: Store) {
    server.stop(GRACE).await;
    for consumer in consumers {
        consumer.stop().await;
    }
    for schedule in schedules {
        if let Err(error) = schedule.await {
            tracing::error!("A schedule ended by itself: {}", runtime::failure::chain(&error));
        }
    }
    store.stop(GRACE).await;
}

async fn stop_asked() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
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
    line("  tributary profile show u1 --kind user_id\n");
    line("Ctrl-C stops it; what was answered with 200 is kept.");
}
