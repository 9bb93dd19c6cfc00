//! The kills: most of them while events come in, some while the queues drain,
//! and some while the process is about to recover from the last one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastrand::Rng;

use crate::problem::Problem;
use crate::say;
use crate::send::Sending;
use crate::stack::{Launcher, Running};

/// One kill in so many happens while the queues drain.
const DRAINING_ONE_IN: u32 = 5;
/// One kill in so many hits the process while it starts.
const STARTING_ONE_IN: u32 = 6;
/// How often the sender is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Nothing acknowledged in this time is a finding, not a wait.
const STALLED_AFTER: Duration = Duration::from_mins(2);

/// When to kill.
pub(crate) struct Moments {
    /// By how much has been acknowledged, and then some milliseconds later.
    sending: Vec<(u64, Duration)>,
    /// By time.
    draining: Vec<Duration>,
    /// With each of the first kills: whether the next start is killed too, and after which time.
    starting: Vec<Option<Duration>>,
    killed: AtomicU32,
    kills: u32,
}

impl Moments {
    pub(crate) fn random(seed: u64, kills: u32, total: u64) -> Self {
        let mut chance = Rng::with_seed(!seed);
        let draining = kills / DRAINING_ONE_IN;
        let starting = kills / STARTING_ONE_IN;
        let while_sending = kills - draining - starting;
        let mut moments = Self {
            sending: Vec::new(),
            draining: (0..draining).map(|_| millis(&mut chance, 20, 1_500)).collect(),
            starting: Vec::new(),
            killed: AtomicU32::new(0),
            kills,
        };
        for kill in 0..while_sending {
            let at = chance.u64(0..(total * 98 / 100).max(1));
            moments.sending.push((at, millis(&mut chance, 0, 60)));
            moments.starting.push((kill < starting).then(|| millis(&mut chance, 0, 300)));
        }
        moments.sending.sort_unstable();
        chance.shuffle(&mut moments.starting);
        moments
    }

    fn count(&self, when: &str) {
        let number = self.killed.fetch_add(1, Ordering::Relaxed) + 1;
        say(&format!("kill {number} of {}: {when}", self.kills));
    }
}

fn millis(chance: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(chance.u64(least..=most))
}

/// Kills at its moments while events come in; ends when all are acknowledged.
pub(crate) async fn while_sending(
    running: &mut Running,
    launcher: &Launcher,
    sending: &Sending,
    moments: &Moments,
) -> Result<(), Problem> {
    for ((at, after), starting) in moments.sending.iter().zip(&moments.starting) {
        reach(*at, running, sending).await?;
        tokio::time::sleep(*after).await;
        kill(running, sending).await?;
        moments.count(&format!("{} of {} sends acknowledged", sending.acknowledged(), sending.total()));
        if let Some(after) = starting {
            launcher.start_and_kill(*after).await?;
            moments.count(&format!("{} ms into its start", after.as_millis()));
        }
        restart(running, launcher, sending).await?;
    }
    reach(sending.total(), running, sending).await
}

/// Kills at its moments while nothing comes in any more.
pub(crate) async fn while_draining(
    running: &mut Running,
    launcher: &Launcher,
    sending: &Sending,
    moments: &Moments,
) -> Result<(), Problem> {
    for after in &moments.draining {
        tokio::time::sleep(*after).await;
        kill(running, sending).await?;
        moments.count(&format!("{} ms into the draining", after.as_millis()));
        restart(running, launcher, sending).await?;
    }
    Ok(())
}

async fn kill(running: &mut Running, sending: &Sending) -> Result<(), Problem> {
    // The senders must find out by themselves that their connections are gone: only later do they learn it.
    let killed = running.kill().await;
    sending.listens_at(None);
    killed
}

async fn restart(running: &mut Running, launcher: &Launcher, sending: &Sending) -> Result<(), Problem> {
    *running = launcher.start().await?;
    sending.listens_at(Some(running.address()));
    Ok(())
}

/// Waits until so much is acknowledged.
async fn reach(at: u64, running: &mut Running, sending: &Sending) -> Result<(), Problem> {
    let mut last = sending.acknowledged();
    let mut since = tokio::time::Instant::now();
    while sending.acknowledged() < at {
        running.still_runs()?;
        if sending.acknowledged() > last {
            last = sending.acknowledged();
            since = tokio::time::Instant::now();
        }
        if since.elapsed() > STALLED_AFTER {
            return Err(Problem::Stalled { seconds: STALLED_AFTER.as_secs() });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kill_has_its_moment() {
        for kills in [0, 1, 5, 6, 20, 33] {
            let moments = Moments::random(3, kills, 220_000);
            let starting = moments.starting.iter().flatten().count();
            let all = moments.sending.len() + moments.draining.len() + starting;
            assert_eq!(all, kills as usize);
            assert!(moments.sending.is_sorted());
        }
    }
}
