//! The promises of the store of refused events.

use domain::rejection::{Reason, Rejection};
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::Entropy;
use ports::rejections::{Part, Rejections};

use super::{answered, source, workspace};
use crate::{SeededEntropy, TestClock};

/// 2026-11-22T10:30:00Z.
const START: Timestamp = Timestamp::from_millis(1_795_343_400_000);
const KEPT_A_MINUTE: usize = Rejection::KEPT_A_MINUTE as usize;

/// Checks a new store that looks at this clock.
pub async fn check(store: &impl Rejections, clock: &TestClock) {
    clock.set(START);
    let of = Of { store, workspace: workspace("shop"), source: source("web") };
    what_was_refused_is_listed_whole(&of).await;
    a_minute_keeps_a_hundred_and_counts_the_rest(&of).await;
    calls_at_once_share_the_hundred(&of).await;
    a_repeated_call_keeps_nothing_twice(&of).await;
    parts_of_any_size_make_the_same_listing(&of).await;
    large_samples_are_kept_and_larger_ones_do_no_harm(&of).await;
    nobody_elses_are_listed(&of).await;
    after_thirty_days_nothing_is_listed(&of, clock).await;
}

struct Of<'a, S> {
    store: &'a S,
    workspace: WorkspaceId,
    source: SourceId,
}

impl<S: Rejections> Of<'_, S> {
    async fn record(&self, refused: &[Rejection]) {
        let recorded = self.store.record(&self.workspace, &self.source, refused).await;
        answered(recorded, "refusals are recorded");
    }

    /// All of a day, in parts of at most so many.
    async fn list_by(&self, limit: usize, day: Timestamp) -> Listing {
        let (workspace, source) = (&self.workspace, &self.source);
        let counts = answered(self.store.counts(workspace, source, day).await, "refusals are counted");
        let mut listing = Listing { kept: Vec::new(), counts };
        let mut after = None;
        loop {
            let part = self.store.kept(workspace, source, day, after.as_ref(), limit).await;
            let Part { kept, more } = answered(part, "refusals are listed");
            assert!(kept.len() <= limit, "a part holds no more than was asked for");
            assert!(!more || !kept.is_empty(), "a part that is not the last holds something");
            after = kept.last().map(|last| last.place.clone());
            listing.kept.extend(kept.into_iter().map(|kept| kept.rejection));
            if !more {
                return listing;
            }
        }
    }

    async fn list(&self, day: Timestamp) -> Listing {
        self.list_by(1_000, day).await
    }
}

/// What is told of a day.
#[derive(Debug, PartialEq, Eq, Default)]
struct Listing {
    kept: Vec<Rejection>,
    counts: Vec<(String, u64)>,
}

fn day(number: i64) -> Timestamp {
    START.plus(-number * Timestamp::DAY)
}

fn refused(at: Timestamp, reason: Reason, number: usize) -> Rejection {
    let sample = format!("{{\"number\":{number},\"text\":\"Привет\\u0000\n🙂\u{0}\"}}");
    Rejection {
        at,
        reason,
        detail: "why, where, what to do".to_owned(),
        message_id: Some(format!("m-{number}")),
        sample,
    }
}

fn many(at: Timestamp, numbers: std::ops::Range<usize>) -> Vec<Rejection> {
    numbers.map(|number| refused(at, Reason::Malformed, number)).collect()
}

async fn what_was_refused_is_listed_whole<S: Rejections>(of: &Of<'_, S>) {
    assert_eq!(of.list(day(0)).await, Listing::default(), "of a day without refusals nothing is listed");
    of.record(&[]).await;
    let [first, later] = [START, START.plus(5 * Timestamp::MINUTE + 7)];
    let third = Rejection { message_id: None, ..refused(later.plus(1), Reason::TooLarge, 3) };
    let all = [refused(first, Reason::Malformed, 1), refused(later, Reason::TooLarge, 2), third];
    of.record(&all[..2]).await;
    of.record(&all[2..]).await;
    let listed = of.list(day(0)).await;
    assert!(listed.kept.iter().eq(all.iter().rev()), "refusals are listed whole, the newest first");
    let counts = [("malformed".to_owned(), 1), ("too_large".to_owned(), 2)];
    assert_eq!(listed.counts, counts, "refusals are counted by reason");
}

async fn a_minute_keeps_a_hundred_and_counts_the_rest<S: Rejections>(of: &Of<'_, S>) {
    let minute = day(1);
    for from in [0, 60, 120] {
        of.record(&many(minute.plus(Timestamp::SECOND), from..from + 60)).await;
    }
    let listed = of.list(minute).await;
    assert_eq!(listed.kept.len(), KEPT_A_MINUTE, "a minute keeps a hundred");
    let first = many(minute.plus(Timestamp::SECOND), 0..KEPT_A_MINUTE);
    assert!(first.iter().all(|first| listed.kept.contains(first)), "a minute keeps its first hundred");
    assert_eq!(listed.counts, [("malformed".to_owned(), 180)], "all are counted");
    of.record(&many(minute.plus(Timestamp::MINUTE), 0..1)).await;
    assert_eq!(of.list(minute).await.kept.len(), KEPT_A_MINUTE + 1, "the next minute keeps again");
}

async fn calls_at_once_share_the_hundred<S: Rejections>(of: &Of<'_, S>) {
    let calls: Vec<_> = (0..4).map(|call| many(day(5), call * 60..call * 60 + 60)).collect();
    futures_util::future::join_all(calls.iter().map(|call| of.record(call))).await;
    let listed = of.list(day(5)).await;
    assert_eq!(listed.kept.len(), KEPT_A_MINUTE, "calls at once keep a hundred together");
    assert_eq!(listed.counts, [("malformed".to_owned(), 240)], "calls at once lose no count");
}

async fn a_repeated_call_keeps_nothing_twice<S: Rejections>(of: &Of<'_, S>) {
    let call = many(day(2), 0..70);
    of.record(&call).await;
    of.record(&call).await;
    assert_eq!(of.list(day(2)).await.kept.len(), 70, "a repeated call keeps nothing twice and loses nothing");
}

async fn parts_of_any_size_make_the_same_listing<S: Rejections>(of: &Of<'_, S>) {
    let [whole, by_seven, by_one] =
        [of.list(day(1)).await, of.list_by(7, day(1)).await, of.list_by(1, day(1)).await];
    assert!(whole.kept.is_sorted_by_key(|refused| std::cmp::Reverse(refused.at)), "the newest stand first");
    assert_eq!((&by_seven, &by_one), (&whole, &whole), "parts of any size make the same listing");
}

async fn large_samples_are_kept_and_larger_ones_do_no_harm<S: Rejections>(of: &Of<'_, S>) {
    let chance = SeededEntropy::seeded(1);
    let sample = |bytes: usize| {
        // What does not compress is the hardest to fit.
        let letters = std::iter::repeat_with(|| chance.bytes()).flatten();
        letters.take(bytes).map(|byte| char::from(byte % 0x7f)).collect::<String>()
    };
    let whole: Vec<_> = many(day(3), 0..KEPT_A_MINUTE)
        .into_iter()
        .map(|refused| Rejection { sample: sample(Rejection::SAMPLE_MAX), ..refused })
        .collect();
    of.record(&whole).await;
    let kept = of.list(day(3)).await.kept;
    assert_eq!(kept.len(), KEPT_A_MINUTE, "a hundred of the largest samples are kept");
    assert!(whole.iter().all(|refused| kept.contains(refused)), "the largest samples are kept whole");
    let over = Rejection {
        detail: sample(100_000),
        message_id: Some("й".repeat(300_000)),
        sample: sample(1_000_000),
        ..refused(day(4), Reason::TooLarge, 0)
    };
    of.record(&[over]).await;
    assert_eq!(of.list(day(4)).await.kept.len(), 1, "a refusal over every limit does no harm");
}

async fn nobody_elses_are_listed<S: Rejections>(of: &Of<'_, S>) {
    for (workspace_name, source_name) in [("shop", "app"), ("shop-2", "web"), ("web", "shop")] {
        let (workspace, source) = (workspace(workspace_name), source(source_name));
        let other = Of { store: of.store, workspace, source };
        assert_eq!(
            other.list(day(0)).await,
            Listing::default(),
            "a source's refusals are listed as its own alone"
        );
    }
    assert_eq!(of.list(day(-1)).await, Listing::default(), "a day's refusals are listed on that day alone");
}

async fn after_thirty_days_nothing_is_listed<S: Rejections>(of: &Of<'_, S>, clock: &TestClock) {
    clock.set(START.plus((Rejection::DAYS - 1) * Timestamp::DAY));
    assert_eq!(of.list(day(0)).await.kept.len(), 3, "refusals are listed for thirty days");
    clock.set(START.plus((Rejection::DAYS + 1) * Timestamp::DAY));
    assert_eq!(of.list(day(0)).await, Listing::default(), "after thirty days nothing is listed");
}
