//! The table by which consents are taken over.

use std::collections::BTreeMap;

use domain::identifier::Identifier;
use domain::messaging::Channel;
use domain::messaging::consent::{About, Said, TopicId};
use domain::messaging::record::{How, TEXT_MAX};
use domain::time::Timestamp;

use super::Word;

/// What tells the words of a file.
pub(super) const SOURCE: &str = "import";
const REQUIRED: [&str; 3] = ["topic", "status", "at"];
const COLUMNS: [&str; 9] = ["email", "phone", "topic", "status", "at", "method", "text", "origin", "proof"];
/// Refused lines that are told one by one.
const TOLD_MAX: usize = 20;

/// Nothing of the file was taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the file is no table of values with commas between them")]
    Table(#[source] csv::Error),
    #[error("there is no column `{name}`; there may be: {}", COLUMNS.join(", "))]
    Column { name: String },
    #[error("the column `{0}` stands twice")]
    Twice(String),
    #[error("the first line names no column `{0}`")]
    Missing(&'static str),
    #[error("the first line names no column of addresses: `email`, `phone` or both")]
    Addresses,
    #[error("the file has no line but the first")]
    Empty,
    #[error("nothing is taken over, for these lines cannot be read:\n  {}", told(.0))]
    Lines(Vec<String>),
}

pub(super) fn read(file: &str) -> Result<Vec<Word>, Unreadable> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file.as_bytes());
    let names = reader.headers().map_err(Unreadable::Table)?.clone();
    let names: Vec<&str> = names.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
    check(&names)?;
    let (mut words, mut wrong) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(Unreadable::Table)?;
        let line = record.position().map_or(0, csv::Position::line);
        let said = names.iter().copied().zip(&record).filter(|(_, value)| !value.is_empty());
        match word(&said.collect()) {
            Ok(several) => words.extend(several),
            Err(reason) => wrong.push(format!("line {line}: {reason}")),
        }
    }
    match (words.is_empty(), wrong.is_empty()) {
        (_, false) => Err(Unreadable::Lines(wrong)),
        (true, true) => Err(Unreadable::Empty),
        (false, true) => Ok(words),
    }
}

fn check(names: &[&str]) -> Result<(), Unreadable> {
    if let Some(unknown) = names.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(Unreadable::Column { name: (*unknown).to_owned() });
    }
    if let Some((_, twice)) =
        names.iter().enumerate().find(|(place, name)| names.iter().take(*place).any(|before| before == *name))
    {
        return Err(Unreadable::Twice((*twice).to_owned()));
    }
    if let Some(missing) = REQUIRED.into_iter().find(|name| !names.contains(name)) {
        return Err(Unreadable::Missing(missing));
    }
    let has_addresses = Channel::ALL.iter().any(|channel| names.contains(&channel.kind()));
    if has_addresses { Ok(()) } else { Err(Unreadable::Addresses) }
}

/// The words of one line: one for each of its addresses.
fn word(said: &BTreeMap<&str, &str>) -> Result<Vec<Word>, String> {
    let text = |name: &str| said.get(name).copied();
    let topic = match text("topic").ok_or("`topic` is empty")? {
        "*" => None,
        topic => Some(TopicId::parse(topic).map_err(|invalid| format!("`topic`: {invalid}"))?),
    };
    let status = match text("status").ok_or("`status` is empty")? {
        "subscribed" => Said::Subscribed,
        "unsubscribed" => Said::Unsubscribed,
        "asked" => Said::Asked,
        _ => return Err("`status` is `subscribed`, `unsubscribed` or `asked`".to_owned()),
    };
    if topic.is_none() && status != Said::Unsubscribed {
        return Err("`*`, everything, can only be `unsubscribed`".to_owned());
    }
    let at = text("at").and_then(Timestamp::parse);
    let at = at.ok_or("`at` is no moment such as 2026-11-24T18:00:00Z")?;
    let kept = |name: &str| match text(name) {
        Some(text) if text.chars().count() > TEXT_MAX => {
            Err(format!("`{name}` is over {TEXT_MAX} characters"))
        }
        text => Ok(text.map(str::to_owned)),
    };
    let how = How {
        source: SOURCE.to_owned(),
        method: kept("method")?,
        text: kept("text")?,
        origin: kept("origin")?,
        proof: kept("proof")?,
    };
    let mut words = Vec::new();
    for channel in Channel::ALL {
        let Some(value) = text(channel.kind()) else { continue };
        let address = Identifier::parse(channel.kind(), value, None);
        let address = address.map_err(|invalid| format!("`{}`: {invalid}", channel.kind()))?;
        let about = About { channel, topic: topic.clone() };
        words.push(Word { address, about, said: status, at, how: how.clone() });
    }
    if words.is_empty() { Err("it names no address".to_owned()) } else { Ok(words) }
}

/// The first of what is wrong, and how many more there are.
fn told(wrong: &[String]) -> String {
    let mut lines: Vec<String> = wrong.iter().take(TOLD_MAX).cloned().collect();
    if wrong.len() > TOLD_MAX {
        lines.push(format!("and {} more", wrong.len() - TOLD_MAX));
    }
    lines.join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(file: &str) -> String {
        read(file).unwrap_err().to_string()
    }

    #[test]
    fn a_line_says_a_word_of_each_of_its_addresses() {
        let words = read(
            "\u{feff}email,phone,topic,status,at,proof\n\
             Ann@Example.com,+4721212121,news,subscribed,2026-11-24T18:00:00Z,form 7\n\
             ,+4721212121,*,unsubscribed,2026-11-25T18:00:00Z,\n",
        )
        .unwrap();
        let told = |word: &Word| (word.address.kind().to_owned(), word.about.channel, word.said);
        assert_eq!(
            words.iter().map(told).collect::<Vec<_>>(),
            [
                ("email".to_owned(), Channel::Email, Said::Subscribed),
                ("phone".to_owned(), Channel::Sms, Said::Subscribed),
                ("phone".to_owned(), Channel::Sms, Said::Unsubscribed),
            ]
        );
        assert_eq!(words[0].address.value(), "ann@example.com");
        assert_eq!(words[0].how.proof.as_deref(), Some("form 7"));
        assert_eq!(words[2].about.topic, None);
    }

    #[test]
    fn a_table_that_cannot_be_read_says_which_column() {
        assert!(wrong("mail,topic,status,at\n").contains("no column `mail`"));
        assert!(wrong("email,topic,status,at,at\n").contains("`at` stands twice"));
        assert!(wrong("email,topic,status\n").contains("no column `at`"));
        assert!(wrong("topic,status,at\n").contains("no column of addresses"));
        assert!(wrong("email,topic,status,at\n").contains("no line"));
    }

    #[test]
    fn of_lines_that_cannot_be_read_each_is_told_and_none_is_taken_over() {
        let told = wrong(
            "email,topic,status,at\n\
             ann@example.com,news,subscribed,2026-11-24T18:00:00Z\n\
             ann,news,subscribed,2026-11-24T18:00:00Z\n\
             ann@example.com,News!,subscribed,2026-11-24T18:00:00Z\n\
             ann@example.com,*,subscribed,2026-11-24T18:00:00Z\n\
             ann@example.com,news,yes,2026-11-24T18:00:00Z\n\
             ann@example.com,news,subscribed,yesterday\n\
             ,news,subscribed,2026-11-24T18:00:00Z\n",
        );
        for reason in [
            "line 3: `email`",
            "line 4: `topic`",
            "line 5: `*`",
            "line 6: `status`",
            "line 7: `at`",
            "line 8: it names no address",
        ] {
            assert!(told.contains(reason), "{reason} in {told}");
        }
        assert!(!told.contains("line 2") && !told.contains("ann@"), "{told}");
    }
}
