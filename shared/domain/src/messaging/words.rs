//! What an incoming SMS says: stop, start, help, or nothing of the kind.
//!
//! To be written to again takes exactly the word. To be left alone takes less:
//! a message whose *first* word says stop is one, so that "stop sending me
//! this" counts, and so does "cancel my order". Who is written to against
//! their will is worse off than who has to send START once.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// What a person may say by SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Stop,
    Start,
    Help,
}

/// Characters that are read: a word stands at the beginning.
const READ_MAX: usize = 200;

/// Those of the carriers in English and French, and those that people write in
/// Russian and Ukrainian.
const STOP: &[&str] = &[
    "STOP",
    "STOPALL",
    "CANCEL",
    "END",
    "QUIT",
    "REMOVE",
    "UNSUBSCRIBE",
    "OPTOUT",
    "ARRET",
    "TD",
    "СТОП",
    "ОТПИСАТЬСЯ",
    "ОТПИСАТСЯ",
    "ОТПИСАТЬ",
    "ОТПИСКА",
    "ОТПИШИТЕ",
    "ОТПИШИСЬ",
    "ОТМЕНА",
    "ОТКАЗ",
    "ХВАТИТ",
    "УДАЛИТЬ",
    "УДАЛИТЕ",
    "ПРЕКРАТИТЕ",
    "ВІДПИСАТИСЯ",
    "ВІДПИСАТИСЬ",
    "ВІДПИСАТИ",
    "ВІДПИСКА",
    "ВІДПИШІТЬ",
    "ВІДМОВА",
    "ВІДМІНА",
    "СКАСУВАТИ",
    "ВИДАЛИТИ",
    "ВИДАЛІТЬ",
    "ПРИПИНІТЬ",
    "ДОСИТЬ",
];

const START: &[&str] = &[
    "START",
    "UNSTOP",
    "YES",
    "SUBSCRIBE",
    "СТАРТ",
    "ПОДПИСАТЬСЯ",
    "ПОДПИСАТСЯ",
    "ПОДПИСКА",
    "ПІДПИСАТИСЯ",
    "ПІДПИСАТИСЬ",
    "ПІДПИСКА",
];

const HELP: &[&str] = &["HELP", "INFO", "AIDE", "ПОМОЩЬ", "СПРАВКА", "ИНФО", "ДОПОМОГА", "ДОВІДКА", "ІНФО"];

/// What is said before and behind a word, and changes nothing.
const POLITE: &[&str] =
    &["PLEASE", "PLS", "PLZ", "THANKS", "ПОЖАЛУЙСТА", "ПРОШУ", "СПАСИБО", "БУДЬ", "ЛАСКА", "ДЯКУЮ"];

/// What a message says.
pub fn said(text: &str) -> Option<Word> {
    let words = words(text);
    let said = words.iter().map(String::as_str).filter(|word| !is_one_of(POLITE, word));
    let said: Vec<&str> = said.collect();
    // OPT-OUT, STOP ALL, S T O P.
    let whole = said.concat();
    let first = said.first()?;
    if is_one_of(STOP, first) || is_one_of(STOP, &whole) {
        Some(Word::Stop)
    } else if is_one_of(START, &whole) {
        Some(Word::Start)
    } else if is_one_of(HELP, &whole) {
        Some(Word::Help)
    } else {
        None
    }
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| folded(known) == word)
}

fn words(text: &str) -> Vec<String> {
    let folded: String = text.chars().take(READ_MAX).collect();
    let folded = self::folded(&folded);
    let words = folded.split(|character: char| !character.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Capitals without marks, in which letters that look alike are one.
fn folded(text: &str) -> String {
    let capitals = text.nfkd().filter(|character| !is_combining_mark(*character) && !is_unseen(*character));
    capitals.flat_map(char::to_uppercase).map(seen).collect()
}

/// Joiners and soft hyphens, which editors of texts leave behind.
fn is_unseen(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// The Latin letter that a Cyrillic or Greek capital, or a digit, looks like.
fn seen(character: char) -> char {
    match character {
        'А' | 'Α' => 'A',
        'В' | 'Β' => 'B',
        'С' | 'Ϲ' => 'C',
        'Е' | 'Ε' => 'E',
        'Н' | 'Η' => 'H',
        'І' | 'Ӏ' | 'Ι' | '1' => 'I',
        'Ј' => 'J',
        'К' | 'Κ' => 'K',
        'М' | 'Μ' => 'M',
        'Ν' => 'N',
        'О' | 'Ο' | '0' => 'O',
        'Р' | 'Ρ' => 'P',
        'Ѕ' => 'S',
        'Т' | 'Τ' => 'T',
        'У' | 'Ү' | 'Υ' => 'Y',
        'Х' | 'Χ' => 'X',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(expected: Option<Word>, texts: &[&str]) {
        for text in texts {
            assert_eq!(said(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_words_of_the_carriers_are_known() {
        let stop = ["STOP", "STOPALL", "CANCEL", "END", "QUIT", "REMOVE", "UNSUBSCRIBE", "OPT-OUT"];
        check(Some(Word::Stop), &stop);
        check(Some(Word::Stop), &["OPTOUT", "ARRET", "Arrêt", "TD", "STOP ALL", "opt out"]);
        check(Some(Word::Start), &["START", "UNSTOP", "YES", "SUBSCRIBE"]);
        check(Some(Word::Help), &["HELP", "INFO"]);
    }

    #[test]
    fn russian_and_ukrainian_are_understood() {
        check(Some(Word::Stop), &["СТОП", "стоп", "Отписаться", "отписка", "отмена"]);
        check(Some(Word::Stop), &["ВІДПИСАТИСЯ", "відписатись", "Відписка", "скасувати"]);
        check(Some(Word::Start), &["СТАРТ", "Подписаться", "ПІДПИСАТИСЯ", "підписатись"]);
        check(Some(Word::Help), &["помощь", "ДОПОМОГА", "довідка", "инфо", "інфо"]);
    }

    #[test]
    fn case_spaces_marks_and_emoji_do_not_matter() {
        check(Some(Word::Stop), &["  stop \n", "Stop.", "«СТОП»!!!", "🛑 stop 🛑", "s t o p", "S.T.O.P."]);
        check(
            Some(Word::Stop),
            &["ＳＴＯＰ", "STO\u{301}P", "st\u{ad}op", "\u{feff}stop", "В І Д П И С К А"],
        );
        check(Some(Word::Start), &["start!", "«Старт» 😀", "Yes, please"]);
        check(Some(Word::Help), &["help?", "- ПОМОЩЬ -"]);
    }

    #[test]
    fn letters_that_look_alike_are_one() {
        // The first letters are Latin, Cyrillic, Greek, and a digit.
        check(Some(Word::Stop), &["CТОП", "CTOП", "ЅТОР", "SТОР", "ST\u{39f}P", "ST0P", "СТ0П"]);
        check(Some(Word::Stop), &["ВIДПИСАТИСЯ", "ВIДПИCАТИCЬ", "В1ДПИСКА", "OTПИCATЬCЯ"]);
        check(Some(Word::Start), &["CТАРТ", "CTAPT", "ПIДПИСАТИСЯ"]);
    }

    #[test]
    fn who_begins_with_stop_is_left_alone() {
        check(
            Some(Word::Stop),
            &["stop sending me this", "Please stop", "please, STOP it", "Стоп, хватит уже"],
        );
        check(
            Some(Word::Stop),
            &["Прошу отписать меня", "Будь ласка, відпишіть", "cancel my order", "stop start"],
        );
        check(Some(Word::Stop), &["Remove me from the list", "стоп спасибо"]);
    }

    #[test]
    fn a_sentence_that_contains_a_word_says_nothing() {
        check(None, &["", " ", "🛑", "please", "don't stop", "Non-stop", "I will not stop", "nonstop"]);
        check(None, &["When does it start?", "start stop", "yes it is", "I need help", "Can you help me?"]);
        check(None, &["автостоп", "остановка", "Не стоп", "стопка книг", "Де старт?", "stopping by", "10"]);
        check(None, &["unsubscribed? no", "Тд и тп", "ended", "1STOP"]);
    }

    #[test]
    fn no_word_means_two_things() {
        let all = [STOP, START, HELP, POLITE].map(|words| words.iter().map(|word| folded(word)));
        let all: Vec<String> = all.into_iter().flatten().collect();
        for (place, word) in all.iter().enumerate() {
            assert!(!all[..place].contains(word), "{word}");
            assert!(word.chars().all(char::is_alphanumeric), "{word}");
        }
    }

    proptest! {
        #[test]
        fn every_word_is_heard_in_any_case_and_among_any_marks(
            place in 0..STOP.len(), cases in any::<u32>(), marks in "[ .,!?*\"'🛑👍-]{0,6}"
        ) {
            let case = |(place, letter): (usize, char)| -> String {
                if cases >> (place % 32) & 1 == 1 { letter.to_lowercase().collect() } else { letter.to_string() }
            };
            let word: String = STOP[place].chars().enumerate().map(case).collect();
            prop_assert_eq!(said(&format!("{marks}{word}{marks}")), Some(Word::Stop));
        }

        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let _ = said(&text);
        }
    }
}
