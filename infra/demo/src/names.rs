//! Names of people, in two alphabets.

use crate::chance::Chance;

/// A name as its bearer writes it, and as it stands in their mail address.
#[derive(Clone, Copy, Default)]
pub(crate) struct Name {
    pub(crate) written: &'static str,
    pub(crate) ascii: &'static str,
}

const fn name(written: &'static str, ascii: &'static str) -> Name {
    Name { written, ascii }
}

const CYRILLIC_WOMEN: [(Name, Name); 12] = [
    (name("Анна", "anna"), name("Кузнецова", "kuznetsova")),
    (name("Екатерина", "ekaterina"), name("Смирнова", "smirnova")),
    (name("Мария", "maria"), name("Попова", "popova")),
    (name("Ольга", "olga"), name("Соколова", "sokolova")),
    (name("Наталья", "natalia"), name("Щербакова", "shcherbakova")),
    (name("Юлия", "yulia"), name("Ёлкина", "yolkina")),
    (name("Ірина", "iryna"), name("Шевченко", "shevchenko")),
    (name("Татьяна", "tatiana"), name("Морозова", "morozova")),
    (name("Јелена", "jelena"), name("Петровић", "petrovic")),
    (name("Светлана", "svetlana"), name("Ильина", "ilyina")),
    (name("Айгүл", "aigul"), name("Ахметова", "akhmetova")),
    (name("Дарья", "daria"), name("Цветкова", "tsvetkova")),
];

const CYRILLIC_MEN: [(Name, Name); 12] = [
    (name("Иван", "ivan"), name("Кузнецов", "kuznetsov")),
    (name("Сергей", "sergey"), name("Иванов", "ivanov")),
    (name("Дмитрий", "dmitry"), name("Соловьёв", "solovyov")),
    (name("Алексей", "alexey"), name("Васильев", "vasilyev")),
    (name("Михаил", "mikhail"), name("Жуков", "zhukov")),
    (name("Фёдор", "fyodor"), name("Чайковский", "chaikovsky")),
    (name("Андрій", "andriy"), name("Коваленко", "kovalenko")),
    (name("Никола", "nikola"), name("Ђорђевић", "djordjevic")),
    (name("Ержан", "yerzhan"), name("Нұрланов", "nurlanov")),
    (name("Павел", "pavel"), name("Третьяков", "tretyakov")),
    (name("Георги", "georgi"), name("Димитров", "dimitrov")),
    (name("Пётр", "pyotr"), name("Зайцев", "zaitsev")),
];

const LATIN_FIRST: [Name; 20] = [
    name("Emma", "emma"),
    name("Zoë", "zoe"),
    name("José", "jose"),
    name("Björn", "bjorn"),
    name("Siobhán", "siobhan"),
    name("Łukasz", "lukasz"),
    name("François", "francois"),
    name("Grace", "grace"),
    name("Noah", "noah"),
    name("Ayşe", "ayse"),
    name("Jürgen", "juergen"),
    name("Chloé", "chloe"),
    name("Mateo", "mateo"),
    name("Olivia", "olivia"),
    name("Daniel", "daniel"),
    name("Ngọc", "ngoc"),
    name("Ana", "ana"),
    name("William", "william"),
    name("Inês", "ines"),
    name("Mary-Jane", "maryjane"),
];

const LATIN_LAST: [Name; 20] = [
    name("Smith", "smith"),
    name("O’Brien", "obrien"),
    name("Müller", "mueller"),
    name("García", "garcia"),
    name("Åkesson", "akesson"),
    name("Nowak", "nowak"),
    name("Dubois", "dubois"),
    name("de la Cruz", "delacruz"),
    name("Nguyễn", "nguyen"),
    name("Rossi", "rossi"),
    name("van den Berg", "vandenberg"),
    name("Kowalczyk", "kowalczyk"),
    name("Johnson", "johnson"),
    name("Groß", "gross"),
    name("Yılmaz", "yilmaz"),
    name("Silva", "silva"),
    name("Novák", "novak"),
    name("Taylor", "taylor"),
    name("Ionescu", "ionescu"),
    name("Sørensen", "sorensen"),
];

/// A first and a last name; about half of the people write in Cyrillic.
pub(crate) fn full(chance: &mut Chance) -> (Name, Name) {
    if chance.percent(50) {
        return (chance.pick(&LATIN_FIRST), chance.pick(&LATIN_LAST));
    }
    // The last name must agree with the first in gender: both are drawn from one table.
    let table = if chance.percent(50) { &CYRILLIC_WOMEN } else { &CYRILLIC_MEN };
    (chance.pick(table).0, chance.pick(table).1)
}
