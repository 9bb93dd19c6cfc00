//! What `EventBridge` does: calls a function by time.
//!
//! A clock that is put forward makes schedules due, each once: nobody wants a
//! year's sweeps in one second.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use domain::time::Timestamp;
use futures_util::FutureExt as _;
use jiff::tz::TimeZone;
use ports::Clock;
use runtime::failure::chain;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::template::When;

/// A clock that is put forward makes no sound: how often to look at it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the six fields of `EventBridge`: minutes, hours, day of month, month,
/// day of week from 1 for Sunday, year. One of the two days has to be `?`.
pub(crate) fn cron(fields: &str) -> Option<Cron> {
    let all: Vec<&str> = fields.split_whitespace().collect();
    let [_, _, day_of_month, _, day_of_week, _] = all.as_slice() else { return None };
    if (*day_of_month == "?") == (*day_of_week == "?") {
        return None;
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true) // `0/15`, which EventBridge knows
        .build();
    parser.parse(&format!("0 {fields}")).ok()
}

impl When {
    /// The next time after this one, if there is one before the calendar ends.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Rate { every_ms } => Some(after.plus(*every_ms)),
            Self::Cron(fields) => {
                let from = jiff::Timestamp::from_millisecond(after.millis()).ok()?.to_zoned(TimeZone::UTC);
                let next = cron(fields)?.find_next_occurrence(&from, false).ok()?;
                Some(Timestamp::from_millis(next.timestamp().as_millisecond()))
            }
        }
    }

    /// A rate begins at once, as at `EventBridge`.
    fn first(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Rate { .. } => Some(now),
            Self::Cron(_) => self.next(now),
        }
    }
}

/// A running schedule.
#[derive(Debug)]
pub struct Timer {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Timer {
    /// Starts to call `work` by this clock, one call at a time, inside a Tokio runtime.
    pub fn start<C, W, F>(when: When, clock: C, work: W) -> Self
    where
        C: Clock + 'static,
        W: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(run(when, clock, work, stopped)) }
    }

    /// Begins nothing new, and returns when what was begun is done.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!("A schedule ended by itself: {}", chain(&error));
        }
    }
}

async fn run<C, W, F>(when: When, clock: C, work: W, mut stop: watch::Receiver<bool>)
where
    C: Clock,
    W: Fn() -> F + Send + Sync,
    F: Future<Output = ()> + Send,
{
    let mut next = when.first(clock.now());
    while let Some(due) = next {
        if !wait(&when, due, &clock, &mut stop).await {
            return;
        }
        // What the work shares is behind ports, which hold nothing half-done.
        if AssertUnwindSafe(async { work().await }).catch_unwind().await.is_err() {
            tracing::error!("What a schedule called panicked; it is called again in its next turn");
        }
        let now = clock.now();
        next = when.next(due).filter(|next| *next > now).or_else(|| when.next(now));
    }
}

/// Waits until it is due; `false` if it is time to stop.
async fn wait(when: &When, mut due: Timestamp, clock: &impl Clock, stop: &mut watch::Receiver<bool>) -> bool {
    loop {
        let now = clock.now();
        // A clock that was put back must not silence a schedule.
        due = when.next(now).map_or(due, |next| next.min(due));
        let left = u64::try_from(due.since(now)).map_or(Duration::ZERO, Duration::from_millis);
        if left.is_zero() {
            return !*stop.borrow();
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return false,
            () = tokio::time::sleep(left.min(LOOK_EVERY)) => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::TestClock;
    use tokio::sync::mpsc;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn check(expression: &str, after: &str, expected: &[&str]) {
        let when = When::parse(expression).unwrap_or_else(|| panic!("{expression} is read"));
        let mut now = at(after);
        for expected in expected {
            let next = when.next(now).unwrap();
            assert_eq!(next, at(expected), "{expression} after {}", now.rfc3339());
            now = next;
        }
    }

    #[test]
    fn six_fields_are_read_as_eventbridge_reads_them() {
        let monday = "2026-11-23T12:00:00Z";
        check("cron(0 12 * * ? *)", monday, &["2026-11-24T12:00:00Z", "2026-11-25T12:00:00Z"]);
        check("cron(0/15 * * * ? *)", monday, &["2026-11-23T12:15:00Z", "2026-11-23T12:30:00Z"]);
        check("cron(15 10 ? * 6L 2027-2028)", monday, &["2027-01-29T10:15:00Z", "2027-02-26T10:15:00Z"]);
        check("cron(0 18 ? * MON-FRI *)", "2026-11-27T18:00:00Z", &["2026-11-30T18:00:00Z"]);
        // 1 is Sunday.
        check("cron(0 0 ? * 1 *)", monday, &["2026-11-29T00:00:00Z"]);
        check("cron(0 8 1 * ? *)", monday, &["2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z"]);
        check("cron(0 0 L FEB ? *)", monday, &["2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z"]);
        check("cron(0 9 ? * 2#1 *)", monday, &["2026-12-07T09:00:00Z"]);
    }

    #[test]
    fn what_eventbridge_refuses_is_refused() {
        for wrong in [
            "cron(0 12 * * *)",
            "cron(0 12 * * * *)",
            "cron(0 12 ? * ? *)",
            "cron(60 12 * * ? *)",
            "cron(0 12 * * ? * *)",
            "cron(0 12 ? * 8 *)",
            "cron()",
        ] {
            assert_eq!(When::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_schedule_that_is_over_has_no_next_time() {
        assert_eq!(When::parse("cron(0 12 * * ? 2020)").unwrap().next(at("2026-11-23T12:00:00Z")), None);
    }

    struct Called {
        timer: Timer,
        clock: TestClock,
        calls: mpsc::UnboundedReceiver<Timestamp>,
    }

    impl Called {
        fn by(expression: &str, now: &str) -> Self {
            let clock = TestClock::at(at(now));
            let (call, calls) = mpsc::unbounded_channel();
            let seen = clock.clone();
            let timer = Timer::start(When::parse(expression).unwrap(), clock.clone(), move || {
                call.send(seen.now()).unwrap();
                std::future::ready(())
            });
            Self { timer, clock, calls }
        }

        /// The calls of some looks at the clock, which stands still.
        async fn made(&mut self) -> usize {
            tokio::time::sleep(10 * LOOK_EVERY).await;
            std::iter::from_fn(|| self.calls.try_recv().ok()).count()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cron_is_called_when_its_time_has_come_and_once_however_far_the_clock_jumps() {
        let mut called = Called::by("cron(0 12 * * ? *)", "2026-11-23T11:00:00Z");
        assert_eq!(called.made().await, 0);
        called.clock.advance(Timestamp::HOUR - 1);
        assert_eq!(called.made().await, 0);
        called.clock.advance(1);
        assert_eq!(called.made().await, 1);
        called.clock.advance(10 * Timestamp::DAY);
        assert_eq!(called.made().await, 1);
        called.clock.advance(Timestamp::DAY);
        assert_eq!(called.made().await, 1);
        called.timer.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_begins_at_once_and_follows_the_clock() {
        let mut called = Called::by("rate(5 minutes)", "2026-11-23T11:00:00Z");
        assert_eq!(called.made().await, 1);
        for _ in 0..3 {
            called.clock.advance(5 * Timestamp::MINUTE);
            assert_eq!(called.made().await, 1);
        }
        called.clock.set(at("2026-11-22T00:00:00Z"));
        assert_eq!(called.made().await, 0);
        called.clock.advance(5 * Timestamp::MINUTE);
        assert_eq!(called.made().await, 1, "a clock that was put back silences nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_costs_one_call() {
        let clock = TestClock::at(at("2026-11-23T11:00:00Z"));
        let (call, mut calls) = mpsc::unbounded_channel();
        let timer = Timer::start(When::parse("rate(1 minute)").unwrap(), clock.clone(), move || {
            call.send(()).unwrap();
            async { panic!("a bug in the function") }
        });
        calls.recv().await.unwrap();
        clock.advance(Timestamp::MINUTE);
        calls.recv().await.unwrap();
        timer.stop().await;
    }
}
