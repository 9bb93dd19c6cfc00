//! Whole messages, as they are sent: `UPDATE_GOLDEN=1` writes them anew.

use std::path::PathBuf;

use super::data;
use crate::{Draft, Partials, Template};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events/messaging/templates").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).expect("a fixture")
}

fn template(name: &str) -> Template {
    let draft = Draft::read(&read(name)).expect("a draft");
    let partials: Partials = serde_json::from_str(&read("partials.json")).expect("snippets");
    Template::compile(&draft, &partials).expect("a template without mistakes")
}

#[expect(clippy::disallowed_methods, reason = "whoever changes a template on purpose says so here")]
fn check(name: &str, made: &str) {
    let made = format!("{}\n", made.trim_end());
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(file(name), &made).expect("a golden file");
    }
    assert_eq!(made, read(name), "{name}");
}

fn person() -> crate::Data {
    data(serde_json::from_str(&read("ann.json")).expect("a person"))
}

#[test]
fn a_welcome_letter_in_mjml_reads_in_three_languages() {
    let template = template("welcome.json");
    for (asked, language) in [("en-GB", "en"), ("ru", "ru"), ("uk-UA", "uk")] {
        let letter = template.render_email(asked, &person()).expect("a letter");
        assert_eq!(letter.language, language);
        check(&format!("welcome.{language}.html"), &letter.html);
        let from = letter.from_name.unwrap_or_default();
        check(&format!("welcome.{language}.txt"), &format!("{from}: {}\n\n{}", letter.subject, letter.text));
    }
}

#[test]
fn a_win_back_letter_in_html_has_its_own_text() {
    let letter = template("win-back.json").render_email("de", &person()).expect("a letter");
    assert_eq!(letter.language, "en", "nobody wrote it in German");
    check("win-back.html", &letter.html);
    check("win-back.txt", &format!("{}\n\n{}", letter.subject, letter.text));
}

#[test]
fn an_sms_says_prices_as_they_came() {
    let sms = template("order-sms.json").render_sms("uk_UA", &person()).expect("an SMS");
    check("order-sms.uk.txt", &sms.text);
}

#[test]
fn a_draft_is_stored_as_it_was_written() {
    let draft = Draft::read(&read("win-back.json")).expect("a draft");
    let stored = serde_json::to_string(&draft).expect("a document");
    assert_eq!(Draft::read(&stored), Ok(draft));
}
