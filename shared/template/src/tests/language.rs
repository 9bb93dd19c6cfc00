//! The language that marketers write.

use serde_json::{Value, json};

use super::{compiled, html, mistakes, nobody, sms, text};

fn person() -> Value {
    json!({
        "profile": { "name": "Ann", "age": 34, "nothing": null, "blank": "", "tags": ["b", "a", "b"], "at": "now" },
        "event": {
            "total": 19.9, "n": "10",
            "items": [{ "name": "Tea", "price": 4.5, "gift": true }, { "name": "cup", "price": 12 }],
        },
        "message": { "key": "name", "when": 1_795_600_000, "zone": "Europe/Kyiv" },
    })
}

fn check(source: &str, expected: &str) {
    let source = format!("[{source}]");
    assert_eq!(text(&source, person()), format!("[{expected}]"), "{source}");
}

#[test]
fn what_is_missing_is_named_with_its_place() {
    let missing = "en.email.html:2:4: `profile.first_name` is missing; add `| default: \"..\"`, or ask for it by `{% if %}` first";
    assert_eq!(html("<p>\n   {{ profile.first_name }}", person()), missing);
    for source in [
        "{{ profile.nothing }}",
        "{% assign x = event.x %}",
        "{% for i in event.x %}{% endfor %}",
        "{% if event.x > 1 %}{% endif %}",
        "{{ \"a\" | append: event.x | default: 1 }}",
        "{{ profile.age | plus: event.x }}",
        "{% for i in (1..event.x) %}{% endfor %}",
        "{{ event.x | plus: 1 }}",
    ] {
        let error = text(&format!("é\n {source}"), person());
        assert!(error.starts_with("en.sms.text:2:2: `") && error.contains("is missing"), "{source}: {error}");
    }
}

#[test]
fn a_default_makes_it_fine() {
    check("{{ profile.first_name | default: \"friend\" }}", "friend");
    check("{{ profile.first_name | upcase | default: 'x' }}", "x");
    check(
        "{{ profile.blank | default: 'x' }}{{ profile.nothing | default: 'y' }}{{ profile.name | default: 'z' }}",
        "xyAnn",
    );
    check("{% if profile.city | default: '' == 'Kyiv' %}a{% else %}b{% endif %}", "b");
    check("{% if profile.city %}a{% elsif profile.city == nil %}b{% endif %}", "b");
    check("{% if profile.city and profile.city == 'Kyiv' %}a{% else %}b{% endif %}", "b");
    check("{% for i in event.x | default: empty %}a{% else %}none{% endfor %}", "none");
}

#[test]
fn tags_do_what_they_say() {
    check("{% if profile.age >= 18 and profile.name == 'Bob' or event.n > 9 %}a{% else %}b{% endif %}", "a");
    check("{% unless profile.age < 18 %}a{% else %}b{% endunless %}", "a");
    check("{% case profile.name %}{% when 'Bob', 'Ann' %}a{% else %}b{% endcase %}", "a");
    check(
        "{% for i in event.items %}{{ forloop.index }}{{ i.name }}{% unless forloop.last %},{% endunless %}{% endfor %}",
        "1Tea,2cup",
    );
    check("{% for i in (1..9) limit: 3 offset: 2 reversed %}{{ i }}{% endfor %}", "543");
    check(
        "{% for i in (1..9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "13",
    );
    check("{% assign n = 0 %}{% for i in (1..4) %}{% assign n = n | plus: i %}{% endfor %}{{ n }}", "10");
    check("{% capture c %}{{ profile.name }}!{% endcapture %}{{ c }}{{ c | size }}", "Ann!4");
    check("a {{- profile.name -}} b{% comment %} it's {{ broken {% endcomment %}c", "aAnnbc");
    check("{% raw %}{{ x }} {% y %}{% endraw %}", "{{ x }} {% y %}");
    check("{{ '}}' }}{{ \"%}\" }}", "}}%}");
    check(
        "{{ profile[message.key] }}{{ profile.tags[0] }}{{ profile.tags.size }}{{ event.items.first.name }}",
        "Annb3Tea",
    );
    check("{% if profile.tags contains 'a' and profile.name contains 'nn' %}a{% endif %}", "a");
    check("{{ event.total }} {{ true }} {{ -3 }} {{ 1.5 }}", "19.9 true -3 1.5");
}

#[test]
fn filters_do_what_they_say() {
    check("{{ profile.name | upcase | append: '?' | prepend: '!' | downcase | capitalize }}", "!ann?");
    check(
        "{{ 'a,b,c' | split: ',' | reverse | join: '-' }}{{ ' x ' | strip }}{{ 'aXbX' | replace: 'X', '1' | remove_first: '1' }}",
        "c-b-axab1",
    );
    check(
        "{{ 'one two three' | truncatewords: 2 }} {{ 'abcdef' | truncate: 4, '…' }} {{ 'abcdef' | slice: -3, 2 }}",
        "one two... abc… de",
    );
    check(
        "{{ profile.tags | uniq | sort | join }} {{ event.items | map: 'name' | sort_natural | join: ' ' }}",
        "a b cup Tea",
    );
    check(
        "{{ event.items | where: 'gift' | map: 'name' | first }} {{ event.items | sort: 'price' | map: 'price' | last }}",
        "Tea 12",
    );
    check(
        "{{ 0.1 | plus: 0.2 }} {{ 7 | divided_by: 2 }} {{ 7.0 | divided_by: 2 }} {{ 7 | modulo: 4 }} {{ event.total | times: 3 }}",
        "0.3 3 3.5 3 59.7",
    );
    check(
        "{{ 2.5 | round }} {{ 1.005 | round: 2 }} {{ event.total | fixed: 2 }} {{ -1.5 | abs | ceil }} {{ 3 | at_most: 2 }}",
        "3 1.01 19.90 2 2",
    );
    check(
        "{{ '2026-11-23' | date: '%d.%m.%Y' }} {{ message.when | date: '%Y-%m-%d %H:%M', message.zone }}",
        "23.11.2026 2026-11-25 11:46",
    );
    check("{{ '<b>a</b> &amp; c' | strip_html }} {{ 'a b' | url_encode }}", "a & c a%20b");
}

#[test]
fn no_filter_reads_a_clock() {
    for source in ["{{ 'now' | date: '%Y' }}", "{{ 'today' | date: '%Y' }}", "{{ profile.at | date: '%Y' }}"]
    {
        assert!(text(source, person()).contains("the value is not a date"), "{source}");
    }
    check("{% if 'now' > '2020-01-01' %}text{% endif %}", "text");
}

#[test]
fn what_cannot_be_reckoned_is_refused() {
    for (source, reason) in [
        ("{{ profile.name | plus: 1 }}", "not a number"),
        ("{{ 1 | divided_by: 0 }}", "division by zero"),
        ("{{ 1 | modulo: 0 }}", "division by zero"),
        ("{{ 9999999999999999 | times: 9999999999999999 }}", "not a number"),
        ("{{ event.items }}", "a list or an object"),
        ("{{ event }}", "a list or an object"),
        ("{% for i in profile.name %}{% endfor %}x", "not a list"),
        ("{{ '2026-01-01' | date: '%1000000d' }}", "the format"),
        ("{{ '2026-01-01' | date: '%d', 'Mars/Base' }}", "time zone"),
        ("{{ profile[event] }}", "an index"),
    ] {
        let error = text(source, person());
        assert!(error.contains(reason), "{source}: {error}");
        assert!(!error.contains("Ann"), "no value of a person stands in an error: {error}");
    }
}

#[test]
fn mistakes_are_told_all_at_once_with_remedies() {
    let told = mistakes(
        "{{ profle.name }}\n<p>{{ profile.name | upcas }}</p>\n  {% fi profile.name %}{% include 'x' %}{% if %}{% endif %}",
    );
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "en.email.html:1:1: there is no variable `profle.name`; perhaps `profile` is meant");
    assert_eq!(lines[1], "en.email.html:2:4: there is no filter `upcas`; perhaps `upcase` is meant");
    assert_eq!(lines[2], "en.email.html:3:3: there is no tag `fi` here; perhaps `if` is meant");
    assert_eq!(lines[3], "en.email.html:3:24: there is no tag `include` here; use `render`");
    assert!(lines[4].starts_with("en.email.html:3:41: the tag ends too early"), "{}", lines[4]);
}

#[test]
fn what_cannot_be_read_is_no_template() {
    for (source, reason) in [
        ("{{ profile.name", "`{{` is not closed"),
        ("{{ profile.name | append: 'x }}", "`{{` is not closed"),
        ("{% if profile.name %}", "`if` is not closed"),
        ("{% endif %}", "no tag `endif` here"),
        ("{% raw %}", "`raw` is not closed"),
        ("{{ }}", "nothing stands here"),
        ("{{ profile.name profile.age }}", "one too many"),
        ("{{ profile.name | truncate: 1, 2, 3 }}", "too few or too many"),
        ("{{ profile.name | raw | upcase }}", "`raw` is not the last"),
        ("{{ profile.name | escape }}", "escape twice"),
        ("{% assign profile = 1 %}", "cannot be a name"),
        ("{% assign emptyish = 1 %}", "cannot begin with `empty`"),
        ("{% break %}", "outside of a loop"),
        ("{% render profile.name %}", "named by no text in quotes"),
        ("{% render 'none' %}", "no snippet `none`"),
        ("{{ x }}", "no variable `x`"),
        ("{{ forloop.index }}", "no variable"),
        ("{% for i in event.items %}{% endfor %}{{ i }}", "no variable `i`"),
        ("{{ profile.name @ }}", "cannot be understood"),
    ] {
        let told = format!("{:?}", compiled(&sms(source)).err().unwrap_or_default());
        assert!(told.contains(reason), "{source}: {told}");
    }
}

#[test]
fn headers_are_one_line() {
    let mut draft = super::letter("x");
    let email = draft.languages.get_mut("en").and_then(|body| body.email.as_mut()).expect("a letter");
    email.subject = "Hi\r\n {{ profile.x }}".to_owned();
    email.from_name = Some("{{ profile.x }}".to_owned());
    email.preheader = Some("<{{ profile.x }}>".to_owned());
    let fields = json!({ "profile": { "x": "a\r\nBcc: b@c\u{2028}d\u{0}" } });
    let letter =
        compiled(&draft).expect("a template").render_email("en", &super::data(fields)).expect("a letter");
    assert_eq!(letter.subject, "Hi a Bcc: b@c d");
    assert_eq!(letter.from_name.as_deref(), Some("a Bcc: b@c d"));
    assert!(letter.html.contains(">&lt;a Bcc: b@c d&gt;</div>"), "{}", letter.html);
    let empty = compiled(&draft).expect("a template").render_email("en", &super::data(nobody()));
    assert!(empty.is_err());
}
