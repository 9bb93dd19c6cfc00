//! No personal data and no key in any log, at trace level too, nor in what the
//! dead letters say of a message.
//!
//! Everything that is sent holds canaries; then everything that was said is
//! searched for them. One canary is planted where it has to be found.

mod mark;
mod requests;
mod letters;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::child::{PROGRAM, Platform, Said};
use crate::http::Request;
use crate::workspaces::{self, Defined};
use mark::{Canaries, Leaks};

/// Looks at the dead letters so often, with a pause between.
const TURNS_MAX: u32 = 400;
/// The clock is put forward after so many of them.
const LOOKS: u32 = 5;
/// Longer than a message is hidden from its next receive.
const TURN_SECONDS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(50);

/// Everything that a run left behind.
struct Left {
    said: Said,
    journal: String,
    letters: String,
    /// What `tributary profile show` printed for the person who asked.
    shown: String,
    /// Secrets that must not be seen again.
    secrets: Vec<String>,
}

fn secrets(data: &Path, defined: &Defined) -> Vec<String> {
    let kept: Value = serde_json::from_slice(&std::fs::read(data.join("keys.json")).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let Defined { ours, theirs, revoked_write, revoked_admin } = defined;
    let keys = [ours, theirs].into_iter().flat_map(|keys| keys.admin.iter().chain([&keys.write]));
    let mut whole: Vec<String> = keys.chain([revoked_write, revoked_admin]).cloned().collect();
    whole.extend(kept["write_keys"].as_object().unwrap().values().map(text));
    whole.push(text(&kept["admin_key"]));
    let mut secrets: Vec<String> =
        whole.iter().map(|key| key.rsplit('_').next().unwrap().to_owned()).collect();
    // Of the signing keys every part that is long enough to be a secret.
    let signing = text(&kept["signing_keys"]);
    let parts = signing.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| part.len() >= 32);
    secrets.extend(parts.map(str::to_owned));
    secrets.push(text(&kept["id_key"]));
    assert!(secrets.iter().all(|secret| secret.len() >= 32), "a secret is too short to be searched for");
    secrets
}

fn run(canaries: &mut Canaries) -> Left {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let defined = workspaces::define(&data);
    let planted = workspaces::add_source(&data, &canaries.planted());
    let dying = letters::send(&data, canaries);
    let platform = Platform::start(&data, "trace");
    bury(&platform, dying);
    let secrets = secrets(&data, &defined);
    let requests = requests::all(&platform, &defined, canaries);
    let answers = requests.iter().map(|request| request.exchange(&platform.address));
    check_statuses(&answers.map(|answer| status(&answer)).collect());
    let leak = Request::post("/v1/page", json!({ "userId": "planted" }).to_string()).basic(&planted);
    assert_eq!(platform.ask(&leak).status, 200);
    platform.settle();
    let shown = show(&data, &canaries.known());
    let said = platform.stop();
    let letters = letters::told(&data);
    Left { said, journal: journal(&data), letters, shown, secrets }
}

/// The status of an answer; nothing where the door closed without a word.
fn status(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned()
}

/// Good requests and all kinds of bad ones were among them, and nothing broke.
fn check_statuses(statuses: &BTreeSet<String>) {
    for expected in ["200", "204", "400", "401", "403", "404", "405", "413"] {
        assert!(statuses.contains(expected), "nothing was answered {expected}: {statuses:?}");
    }
    assert!(!statuses.iter().any(|status| status.starts_with('5')), "{statuses:?}");
}

/// Waits until all these messages lie among the dead letters, one of them only
/// after its last receive, each of which takes a clock put forward. That can
/// bring another back while it is worked on: then it has two letters.
fn bury(platform: &Platform, dying: u64) {
    let mut status = Value::Null;
    for turn in 1..TURNS_MAX {
        std::thread::sleep(PAUSE);
        status = platform.ask(&Request::get("/_local/status")).json();
        let left = status["queues"]["ProfileQueue"].as_object().unwrap();
        let none_left = left.values().all(|count| *count == 0);
        if none_left && status["queues"]["ProfileDlq"]["visible"].as_u64().unwrap() >= dying {
            return;
        }
        if turn % LOOKS == 0 {
            let body = json!({ "advance_seconds": TURN_SECONDS }).to_string();
            assert_eq!(platform.ask(&Request::post("/_local/clock", body)).status, 200);
        }
    }
    panic!("{dying} messages should lie among the dead letters: {status}");
}

fn show(data: &Path, address: &str) -> String {
    let shown =
        Command::new(PROGRAM).args(["profile", "show", address, "--data"]).arg(data).output().unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    String::from_utf8(shown.stdout).unwrap()
}

/// What the stages said about events, as it lies on the disk.
fn journal(data: &Path) -> String {
    let files = std::fs::read_dir(data.join("journal")).unwrap();
    let read = |file: std::io::Result<std::fs::DirEntry>| std::fs::read(file.unwrap().path()).unwrap();
    let bytes: Vec<u8> = files.flat_map(read).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn no_log_at_any_level_and_no_dead_letters_reason_holds_personal_data_or_a_key() {
    let mut canaries = Canaries::default();
    let left = run(&mut canaries);
    let leaks = |text: &str| -> Leaks { canaries.leaks(text, &left.secrets) };
    // First the search itself: what was planted in the very same places is found, and nothing else.
    assert_eq!(leaks(&left.said.stderr), Canaries::only_planted(), "in the log");
    assert_eq!(leaks(&left.journal), Canaries::only_planted(), "in the journal");
    assert!(leaks(&left.shown).contains("a person's address"), "what a person asked for is shown to him");
    assert_eq!(
        leaks(&left.said.stdout),
        Leaks::new(),
        "on stdout, behind the line that holds the keys for scripts"
    );
    assert_eq!(leaks(&left.letters), Leaks::new(), "in what the dead letters say of a message");
    // The search looked at something.
    for stage in
        ["\"target\":\"ingest", "\"target\":\"profile", "\"target\":\"decision", "\"target\":\"runtime"]
    {
        assert!(left.said.stderr.contains(stage), "the log has no line with {stage}");
    }
    assert!(left.letters.contains("reason") && left.letters.contains("rejected"), "{}", left.letters);
}

#[test]
fn the_search_finds_a_canary_in_every_disguise() {
    let mut canaries = Canaries::default();
    let (word, mail, phone) = (canaries.word("a word"), canaries.mail("a mail"), canaries.phone("a phone"));
    let secrets = ["0123456789abcdef0123456789abcdef".to_owned()];
    let base64 = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let spaced = format!("+47 {} {} {}", &phone[3..6], &phone[6..8], &phone[8..]);
    let disguised = [
        (word.to_uppercase(), "a word"),
        (format!("\\\"{word}\\\""), "a word"),
        (mail.replace('@', "%40"), "a mail"),
        (phone.trim_start_matches('+').to_owned(), "a phone"),
        (spaced, "a phone"),
        (format!("tel {}", &phone[3..]), "a phone"),
        (Canaries::common_phone(), "the phone of a good event"),
        (base64(&word), "something in base64"),
        (base64(&format!("x{word}")), "something in base64"),
        (base64(&format!("xy{word}")), "something in base64"),
        (format!("{:x?}", word.as_bytes()).replace([',', ' '], ""), "something in hex"),
        (secrets[0].to_uppercase(), "a secret"),
    ];
    for (text, place) in disguised {
        let found = canaries.leaks(&format!("…{text}…"), &secrets);
        assert!(found.contains(place), "{place} is not found in {text}: {found:?}");
    }
    assert_eq!(canaries.leaks("Answered a request with 200.", &secrets), Leaks::new());
}
