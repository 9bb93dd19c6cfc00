use tempfile::TempDir;
use testkit::TestClock;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const TRACE: &str = "0123456789abcdef0123456789abcdef";

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// What a journal keeps of what `work` logs.
async fn kept(work: impl FnOnce()) -> Vec<Value> {
    let folder = folder();
    let journal = Journal::open(folder.path()).unwrap();
    let subscriber = tracing_subscriber::registry().with(journal.layer(TestClock::at(NOW)));
    tracing::subscriber::with_default(subscriber, work);
    journal.flush().await;
    journal.after(0).await.unwrap().entries
}

/// Writes a line of its own.
async fn write(journal: &Journal, number: u64) {
    let line = format!("{{\"time\":\"{}\",\"number\":{number}}}\n", NOW.rfc3339());
    journal.shared.push(&line, NOW);
    journal.flush().await;
}

fn numbers(entries: &[Value]) -> Vec<u64> {
    entries.iter().map(|entry| entry["number"].as_u64().unwrap()).collect()
}

fn files(folder: &TempDir) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_decision_is_kept_with_its_fields_and_without_its_words() {
    let kept = kept(|| {
        let decision = runtime::decision::Decision {
            stage: "profile",
            trace: TRACE,
            message_key: 7,
            workspace: "w",
            source: "web",
            kind: "track",
            decision: "folded",
            profile: "p-1",
        };
        assert!(runtime::decision::wanted());
        decision.log();
    })
    .await;
    let [line] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(line["time"], NOW.rfc3339());
    assert_eq!(line["stage"], "profile");
    assert_eq!(line["trace"], TRACE);
    assert_eq!(line["message_key"], "0000000000000007");
    assert_eq!(line["profile.id"], "p-1");
    assert_eq!(line.get("message"), None);
}

#[tokio::test]
async fn of_other_lines_those_of_our_crates_with_a_trace_are_kept_from_info_on() {
    let kept = kept(|| {
        tracing::info!(target: "ingest", trace = TRACE, status = 200_u16, "Answered a request.");
        tracing::warn!(target: "runtime::sqs", trace = Some(TRACE), cause = "a \"b\"", "Will retry.");
        tracing::warn!(target: "runtime::sqs", trace = None::<&str>, "A record of nobody we know");
        tracing::debug!(target: "profile", trace = TRACE, "too quiet");
        tracing::error!(target: "profile", "no trace");
        tracing::error!(target: "aws_smithy_runtime", trace = TRACE, "not ours");
    })
    .await;
    let [answer, retry] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((answer["stage"].as_str(), answer["status"].as_u64()), (Some("ingest"), Some(200)));
    assert_eq!(answer["message"], "Answered a request.");
    assert_eq!((retry["stage"].as_str(), retry["cause"].as_str()), (Some("runtime"), Some("a \"b\"")));
}

#[tokio::test]
async fn a_long_value_is_cut_at_a_character_and_a_long_line_at_a_field() {
    let long = "я".repeat(10_000);
    let kept = kept(|| {
        tracing::warn!(
            target: "local", trace = TRACE, a = long, b = long, c = long, d = long, e = long, f = long,
            g = long, h = long, i = long, j = long, "{long}"
        );
    })
    .await;
    let [line] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(line["a"].as_str().unwrap().len(), 1024);
    assert!(line.to_string().len() < 10 * 1024);
}

#[tokio::test]
async fn lines_go_on_behind_those_of_earlier_runs() {
    let folder = folder();
    let journal = Journal::open(folder.path()).unwrap();
    write(&journal, 1).await;
    let end = journal.end();
    drop(journal);
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(journal.end(), end);
    write(&journal, 2).await;
    assert_eq!(numbers(&journal.after(0).await.unwrap().entries), [1, 2]);
    assert_eq!(numbers(&journal.after(end).await.unwrap().entries), [2]);
}

#[tokio::test]
async fn what_was_said_before_the_last_handle_goes_is_written() {
    let folder = folder();
    let journal = Journal::open(folder.path()).unwrap();
    journal.shared.push("{\"number\":1}\n", NOW);
    drop(journal);
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(numbers(&journal.after(0).await.unwrap().entries), [1]);
}

#[tokio::test]
async fn only_the_current_file_and_the_one_before_are_kept() {
    let folder = folder();
    let journal = Journal::of_files(folder.path(), 200).unwrap();
    for number in 0..100 {
        write(&journal, number).await;
        assert!(files(&folder).len() <= 2, "{:?}", files(&folder));
    }
    let bytes: u64 = files(&folder).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes <= 2 * 200, "{bytes}");
    let part = journal.after(0).await.unwrap();
    let numbers = numbers(&part.entries);
    assert_eq!(numbers.last(), Some(&99));
    assert!(numbers.len() >= 4 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert_eq!(part.next, journal.end());
}

#[tokio::test]
async fn a_place_stays_good_when_a_new_file_follows() {
    let folder = folder();
    let journal = Journal::of_files(folder.path(), 200).unwrap();
    let (mut place, mut read) = (0, Vec::new());
    for number in 0..50 {
        write(&journal, number).await;
        let part = journal.after(place).await.unwrap();
        place = part.next;
        read.extend(numbers(&part.entries));
    }
    assert_eq!(read, (0..50).collect::<Vec<_>>());
    drop(journal);
    let journal = Journal::of_files(folder.path(), 200).unwrap();
    write(&journal, 50).await;
    assert_eq!(numbers(&journal.after(place).await.unwrap().entries), [50]);
}

#[tokio::test]
async fn a_last_line_that_was_cut_off_is_passed_over() {
    let folder = folder();
    let journal = Journal::open(folder.path()).unwrap();
    write(&journal, 1).await;
    drop(journal);
    let file = files(&folder).pop().unwrap();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let place = journal.end();
    write(&journal, 2).await;
    assert_eq!(numbers(&journal.after(0).await.unwrap().entries), [1, 2]);
    assert_eq!(numbers(&journal.after(place).await.unwrap().entries), [2]);
    let found = journal.search(|_| true, 10).await.unwrap();
    assert_eq!((numbers(&found.entries), found.left_out), (vec![1, 2], 0));
}

#[tokio::test]
async fn a_place_within_a_line_or_of_another_journal_harms_nothing() {
    let folder = folder();
    let journal = Journal::open(folder.path()).unwrap();
    write(&journal, 1).await;
    write(&journal, 2).await;
    assert_eq!(numbers(&journal.after(3).await.unwrap().entries), [2]);
    let part = journal.after(1_000_000).await.unwrap();
    assert_eq!((part.entries.len(), part.next), (0, journal.end()));
}

#[tokio::test]
async fn a_large_journal_is_read_in_parts() {
    let folder = folder();
    let journal = Journal::open(folder.path()).unwrap();
    let fill = "x".repeat(1000);
    for number in 0..1000 {
        journal.shared.push(&format!("{{\"number\":{number},\"fill\":\"{fill}\"}}\n"), NOW);
    }
    journal.flush().await;
    let (mut place, mut read, mut parts) = (0, Vec::new(), 0);
    while place < journal.end() {
        let part = journal.after(place).await.unwrap();
        read.extend(numbers(&part.entries));
        (place, parts) = (part.next, parts + 1);
    }
    assert_eq!(read, (0..1000).collect::<Vec<_>>());
    assert!(parts >= 4, "{parts}");
}

#[tokio::test]
async fn a_search_gives_the_first_and_counts_the_rest() {
    let folder = folder();
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(journal.search(|_| true, 10).await.unwrap(), Found::default());
    for (number, trace) in ["a", "b", "a", "a"].into_iter().enumerate() {
        let time = NOW.rfc3339();
        let line = format!("{{\"time\":\"{time}\",\"number\":{number},\"trace\":\"{trace}\"}}\n");
        journal.shared.push(&line, NOW);
    }
    // Within a value the name of a field is only text.
    journal.shared.push("{\"number\":9,\"cause\":\"\\\"trace\\\":\\\"a\\\"\"}\n", NOW);
    journal.flush().await;
    let found = journal.search(|line| line.text("trace") == Some("a"), 2).await.unwrap();
    assert_eq!((numbers(&found.entries), found.left_out), (vec![0, 2], 1));
    assert_eq!(found.since, Some(NOW.rfc3339()));
}

#[tokio::test]
async fn who_waits_is_woken_by_a_line_and_by_the_end() {
    let folder = folder();
    let journal = Journal::open(folder.path()).unwrap();
    let end = journal.end();
    tokio::join!(journal.wait(end), write(&journal, 1));
    assert!(journal.end() > end);
    journal.wait(end).await;
    let stop = async { journal.stop_waiting() };
    tokio::join!(journal.wait(journal.end()), stop);
    journal.wait(journal.end()).await;
}

#[test]
fn a_flood_loses_lines_and_says_how_many() {
    let (written, _) = watch::channel(Written { end: 0, is_last: false });
    // No thread takes anything here.
    let shared = Shared { folder: PathBuf::new(), pending: Mutex::default(), wake: Condvar::new(), written };
    let line = format!("\"{}\"\n", "x".repeat(1021));
    let room = PENDING_BYTES_MAX / line.len();
    for _ in 0..room + 3 {
        shared.push(&line, NOW);
    }
    assert_eq!(shared.lock().lines.len(), room * line.len());
    shared.lock().lines.clear();
    shared.push("{}\n", NOW);
    let taken = String::from_utf8(std::mem::take(&mut shared.lock().lines)).unwrap();
    assert_eq!(taken, format!("{}{{}}\n", line::of_lost(3, NOW)));
    let lost: Value = serde_json::from_str(taken.lines().next().unwrap()).unwrap();
    assert_eq!(lost["lost"], 3);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Journal::open(&file).unwrap_err();
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}

#[tokio::test]
async fn what_the_stages_measured_is_added_up_by_stage_from_a_moment_on() {
    let folder = folder();
    let journal = Journal::open(folder.path()).unwrap();
    let clock = TestClock::at(NOW);
    let subscriber = tracing_subscriber::registry().with(journal.layer(clock.clone()));
    tracing::subscriber::with_default(subscriber, || {
        let batch = |folded: u64| {
            tracing::info!(name: runtime::metrics::EVENT, target: "profile::batch", folded, write_units = 2_u64, "Folded");
        };
        batch(1);
        clock.set(NOW.plus(Timestamp::HOUR));
        batch(20);
        batch(300);
        tracing::info!(name: runtime::metrics::EVENT, target: "ingest", trace = TRACE, accepted = 4_u64, "Answered");
        tracing::info!(target: "ingest", trace = TRACE, accepted = 5_000_u64, "no metrics");
    });
    journal.shared.push(&line::of_lost(7, clock.now()), clock.now());
    journal.flush().await;

    let measured = journal.measured(NOW.plus(1)).await.unwrap();
    assert_eq!((measured.lines("profile"), measured.lines("ingest")), (2, 1));
    let sums =
        [("profile", "folded"), ("profile", "write_units"), ("ingest", "accepted"), ("ingest", "folded")];
    assert_eq!(sums.map(|(stage, name)| measured.sum(stage, name)), [320, 4, 4, 0]);
    assert_eq!((measured.oldest, measured.lost), (Some(NOW), 7));
    assert_eq!(journal.measured(NOW).await.unwrap().sum("profile", "folded"), 321);
    assert_eq!(
        Journal::open(self::folder().path()).unwrap().measured(NOW).await.unwrap(),
        Measured::default()
    );
}
