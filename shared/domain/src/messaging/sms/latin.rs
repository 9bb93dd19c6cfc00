//! A text in characters that GSM's alphabet has: more of it fits a segment.
//!
//! Crates that do so for all of Unicode (`deunicode`, `any_ascii`) know no
//! languages: Гадяч becomes Gadiach and Згорани Zgorani, which no Ukrainian
//! would write. So the letters of the two languages stand here: Ukrainian by
//! the Cabinet's resolution 55 of 2010, Russian by ICAO Doc 9303, as passports
//! have it.

/// Whose rules a text's letters follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Ukrainian,
    Russian,
}

const APOSTROPHE: char = '\'';

/// A text with plain quotation marks, dashes, dots and spaces. It reads the
/// same, and letters stay what they are.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match plainer(character) {
            Some(other) => plain.push_str(other),
            None => plain.push(character),
        }
    }
    plain
}

/// A [`plain`] text in Latin letters. What neither language has stays.
pub fn latin(text: &str, language: Language) -> String {
    let characters: Vec<char> = plain(text).chars().collect();
    let mut latin = String::with_capacity(text.len());
    for (place, character) in characters.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|place| characters.get(place)).copied();
        let around = Around { before, after: characters.get(place + 1).copied() };
        match letter(*character, around, language) {
            Some(letters) => latin.push_str(&cased(letters, *character, around)),
            None => latin.push(*character),
        }
    }
    latin
}

/// What stands beside a letter.
#[derive(Debug, Clone, Copy)]
struct Around {
    before: Option<char>,
    after: Option<char>,
}

impl Around {
    fn begins_word(self) -> bool {
        !self.before.is_some_and(|before| before.is_alphabetic() || before == APOSTROPHE)
    }

    /// An apostrophe between letters belongs to the word; others quote it.
    fn is_within_word(self) -> bool {
        [self.before, self.after].iter().all(|beside| beside.is_some_and(is_cyrillic))
    }
}

fn letter(character: char, around: Around, language: Language) -> Option<&'static str> {
    let small = character.to_lowercase().next()?;
    let own = match language {
        Language::Ukrainian => ukrainian(small, around).or_else(|| russian(small)),
        Language::Russian => russian(small).or_else(|| ukrainian(small, around)),
    };
    own.or_else(|| common(small))
}

/// What is the same in both.
fn common(small: char) -> Option<&'static str> {
    Some(match small {
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'д' => "d",
        'е' => "e",
        'ж' => "zh",
        'з' => "z",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ь' => "",
        _ => return None,
    })
}

fn ukrainian(small: char, around: Around) -> Option<&'static str> {
    let begins = around.begins_word();
    Some(match small {
        // Else it would read as ж.
        'г' if around.before.is_some_and(|before| matches!(before, 'з' | 'З')) => "gh",
        'г' => "h",
        'ґ' => "g",
        'є' if begins => "ye",
        'є' => "ie",
        'и' => "y",
        'ї' if begins => "yi",
        'й' if begins => "y",
        'і' | 'ї' | 'й' => "i",
        'ю' if begins => "yu",
        'ю' => "iu",
        'я' if begins => "ya",
        'я' => "ia",
        APOSTROPHE if around.is_within_word() => "",
        _ => return None,
    })
}

fn russian(small: char) -> Option<&'static str> {
    Some(match small {
        'г' => "g",
        'ё' | 'э' => "e",
        'и' | 'й' => "i",
        'ъ' => "ie",
        'ы' => "y",
        'ю' => "iu",
        'я' => "ia",
        _ => return None,
    })
}

/// ЩУКА is SHCHUKA and Щука is Shchuka.
fn cased(letters: &str, character: char, Around { before, after }: Around) -> String {
    if !character.is_uppercase() {
        return letters.to_owned();
    }
    let beside = after.filter(|after| after.is_alphabetic()).or(before);
    if beside.is_some_and(char::is_uppercase) {
        return letters.to_uppercase();
    }
    let mut rest = letters.chars();
    rest.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(rest).collect()
}

fn is_cyrillic(character: char) -> bool {
    matches!(character, '\u{400}'..='\u{52f}')
}

/// What says the same as a typographer's character.
fn plainer(character: char) -> Option<&'static str> {
    Some(match character {
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' => "\"",
        '‘' | '’' | '‚' | '‛' | '‹' | '›' | '′' | '´' | '`' | '\u{2bc}' => "'",
        '‐' | '\u{2011}' | '‒' | '–' | '—' | '―' | '−' => "-",
        '…' => "...",
        '•' | '·' => "*",
        '×' => "x",
        '№' => "No",
        '₴' => "UAH",
        '₽' => "RUB",
        '\t' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => " ",
        '\u{2028}' | '\u{2029}' => "\n",
        '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => "",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::messaging::sms::Alphabet;

    fn check(language: Language, pairs: &[(&str, &str)]) {
        for (text, expected) in pairs {
            assert_eq!(latin(text, language), *expected, "{text}");
        }
    }

    /// The examples of the resolution itself.
    #[test]
    fn ukrainian_follows_the_resolution_of_2010() {
        check(
            Language::Ukrainian,
            &[
                ("Алушта Андрій", "Alushta Andrii"),
                ("Борщагівка Борисенко", "Borshchahivka Borysenko"),
                ("Гадяч Богдан Згурський", "Hadiach Bohdan Zghurskyi"),
                ("Ґалаґан Ґорґани", "Galagan Gorgany"),
                ("Єнакієве Гаєвич", "Yenakiieve Haievych"),
                ("Житомир Запоріжжя", "Zhytomyr Zaporizhzhia"),
                ("Закарпаття Медвин", "Zakarpattia Medvyn"),
                ("Їжакевич Кадиївка Мар'їне", "Yizhakevych Kadyivka Marine"),
                ("Йосипівка Стрий Олексій", "Yosypivka Stryi Oleksii"),
                ("Тростянець Фастів Харків", "Trostianets Fastiv Kharkiv"),
                ("Біла Церква Чернівці Шостка", "Bila Tserkva Chernivtsi Shostka"),
                ("Гоща Гаращенко Юрій Корюківка", "Hoshcha Harashchenko Yurii Koriukivka"),
                ("Яготин Костянтин Знам’янка Феодосія", "Yahotyn Kostiantyn Znamianka Feodosiia"),
                ("Згорани Розгон ЗГІН", "Zghorany Rozghon ZGHIN"),
            ],
        );
    }

    #[test]
    fn russian_follows_passports() {
        check(
            Language::Russian,
            &[
                ("Съешь ещё этих мягких булок", "Sieesh eshche etikh miagkikh bulok"),
                ("Юлия, подъезд 5; цены ниже!", "Iuliia, podieezd 5; tseny nizhe!"),
                ("Жёлтый, хороший, Чайка", "Zheltyi, khoroshii, Chaika"),
            ],
        );
    }

    #[test]
    fn letters_of_the_other_language_are_read_and_capitals_stay_capitals() {
        check(Language::Russian, &[("Київ", "Kiiv"), ("ЩУКА Щука Щ щука", "SHCHUKA Shchuka Shch shchuka")]);
        check(Language::Ukrainian, &[("Мыло, объект", "Mylo, obieekt"), ("АКЦІЯ Я", "AKTSIIA Ya")]);
    }

    #[test]
    fn typographers_characters_become_plain_ones() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text), expected);
        check("«Дім» – “he’s”… №\u{a0}5", "\"Дім\" - \"he's\"... No 5");
        check("100\u{202f}₴ − 5×2\u{200b} ₽", "100 UAH - 5x2 RUB");
        check("a'b 👍 €", "a'b 👍 €");
        assert_eq!(latin("‘слово’ 'слово'", Language::Ukrainian), "'slovo' 'slovo'");
    }

    proptest! {
        #[test]
        fn what_the_two_languages_write_fits_the_alphabet(
            text in "[А-Яа-яЁёҐґЄєІіЇї'’ʼ«»„“”–—…№₴₽ a-zA-Z0-9\u{a0}.,!?€-]{0,200}"
        ) {
            for language in [Language::Ukrainian, Language::Russian] {
                let latin = latin(&text, language);
                prop_assert_eq!(Alphabet::of(&latin), Alphabet::Gsm7, "{}", latin);
            }
        }

        #[test]
        fn doing_it_again_changes_nothing(text in any::<String>()) {
            prop_assert_eq!(plain(&plain(&text)), plain(&text));
            let once = latin(&text, Language::Ukrainian);
            prop_assert_eq!(latin(&once, Language::Ukrainian), once);
        }
    }
}
