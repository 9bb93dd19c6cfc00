//! Templates that try to use up the machine.

use std::fmt::Write;

use serde_json::json;

use super::{compiled, html, letter, nobody, text};
use crate::{BLOCK_DEPTH_MAX, Body, Data, Email, Fields, Kind, Partials, Refusal, SOURCE_MAX, Template};

fn bounded(source: &str) {
    let error = html(source, nobody());
    assert!(error.contains("more than"), "{source}: {}", error.get(..200).unwrap_or(&error));
}

fn unsaved(source: &str, reason: &str) {
    let told = super::mistakes(source);
    let shown = source.get(..60).unwrap_or(source);
    assert!(told.contains(reason), "{shown}: {}", told.get(..300).unwrap_or(&told));
}

#[test]
fn loops_end() {
    bounded("{% for i in (1..20000000) %}{% endfor %}");
    bounded("{% for i in (-999999999999999999..999999999999999999) %}{% endfor %}");
    bounded(
        "{% for i in (1..1000) %}{% for j in (1..1000) %}{% for k in (1..1000) %}x{% endfor %}{% endfor %}{% endfor %}",
    );
    bounded("{% for i in (1..9000) %}{% for j in (1..2) %}{% endfor %}{% endfor %}");
    assert_eq!(html("{% for i in (5..1) %}x{% else %}none{% endfor %}", nobody()), "none");
    assert_eq!(html("{% for i in (1..20000000) limit: 2 %}{{ i }}{% endfor %}", nobody()), "12");
}

#[test]
fn values_do_not_double_for_ever() {
    let doubling =
        "{% assign a = 'xxxxxxxxxxxxxxxx' %}{% for i in (1..60) %}{% assign a = a | append: a %}{% endfor %}";
    bounded(doubling);
    bounded(
        "{% assign a = 'x' %}{% for i in (1..60) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}",
    );
    bounded(
        "{% assign a = 'x,x' | split: ',' %}{% for i in (1..60) %}{% assign a = a | concat: a %}{% endfor %}",
    );
    bounded(
        "{% assign a = 'x' %}{% for i in (1..14) %}{% assign a = a | append: a %}{% endfor %}{{ a | replace: 'x', a }}",
    );
    bounded(
        "{% assign a = 'x' %}{% for i in (1..14) %}{% assign a = a | append: a %}{% endfor %}{{ a | split: '' | join: a }}",
    );
    bounded(
        "{% assign a = 'x' %}{% for i in (1..12) %}{% assign a = a | append: a %}{% endfor %}{{ a | split: '' | uniq }}",
    );
}

#[test]
fn work_ends_although_each_step_is_small() {
    let grown = "{% assign a = 'x' %}{% for i in (1..15) %}{% assign a = a | append: a %}{% endfor %}";
    bounded(&format!(
        "{grown}{{% for i in (1..9000) %}}{{% assign b = a | upcase | downcase %}}{{% endfor %}}"
    ));
    let mut many = String::new();
    for name in 0..1500 {
        let _ = write!(many, "{{% assign a{name} = a %}}");
    }
    bounded(&format!("{grown}{many}"));
}

#[test]
fn output_ends() {
    bounded(
        "{% for i in (1..9999) %}0123456789012345678901234567890123456789012345678901234567890123456789{% endfor %}",
    );
    assert!(
        text("{% for i in (1..1601) %}я{% endfor %}", nobody()).contains("more than 1600 characters of SMS")
    );
    assert_eq!(text("{% for i in (1..1600) %}я{% endfor %}", nobody()).chars().count(), 1600);
    let mut draft = letter("x");
    if let Some(email) = draft.languages.get_mut("en").and_then(|body| body.email.as_mut()) {
        email.subject = "{% for i in (1..999) %}s{% endfor %}".to_owned();
    }
    let error =
        compiled(&draft).expect("saved").render_email("en", &super::data(nobody())).expect_err("too long");
    assert!(error.to_string().contains("more than 998 bytes"), "{error}");
}

#[test]
fn snippets_form_no_circle_and_no_tower() {
    let told = |partials: &[(&str, String)]| {
        let partials: Partials =
            partials.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        let made = Template::compile(&letter("{% render 'a' %}"), &partials);
        format!("{:?}", made.err().unwrap_or_default())
    };
    assert!(told(&[("a", "{% render 'a' %}".to_owned())]).contains("renders itself: a → a"));
    let mutual = [
        ("a", "{% render 'b' %}".to_owned()),
        ("b", "<p>{% if profile.x %}{% render 'a' %}{% endif %}".to_owned()),
    ];
    assert!(told(&mutual).contains("renders itself: a → b → a"));
    let names: Vec<String> = (0..200).map(|number| format!("n{number}")).collect();
    let mut tower: Vec<(&str, String)> =
        names.windows(2).map(|pair| (pair[0].as_str(), format!("{{% render '{}' %}}", pair[1]))).collect();
    tower.push(("n199", "x".to_owned()));
    tower.push(("a", "{% render 'n0' %}".to_owned()));
    assert!(told(&tower).contains("more than 5 deep"));
    // Read from the far end, each step is known when the next asks for it.
    let upwards: String =
        names.iter().rev().map(|name| format!("{{% render '{name}' %}}")).collect::<Vec<_>>().concat();
    tower.pop();
    tower.push(("a", upwards));
    assert!(told(&tower).contains("more than 5 deep"));
}

#[test]
fn snippets_that_multiply_are_bounded() {
    let twenty = |next: &str| format!("{{% render '{next}' %}}").repeat(20);
    let partials: Partials =
        [("a", twenty("b")), ("b", twenty("c")), ("c", twenty("d")), ("d", "x".repeat(1000))]
            .map(|(name, text)| (name.to_owned(), text))
            .into();
    let template = Template::compile(&letter("{% render 'a' %}"), &partials).expect("saved");
    let error = template.render_email("en", &super::data(nobody())).expect_err("8 MB");
    assert!(matches!(error.refusal, Refusal::TooMuch { .. }), "{error}");
}

#[test]
fn deep_sources_do_not_reach_the_parser() {
    let deep = |open: &str, close: &str, times: usize| open.repeat(times) + "x" + &close.repeat(times);
    unsaved(&deep("{% if profile.x %}", "{% endif %}", 2000), "blocks more than 20 deep");
    unsaved(&deep("{% for i in (1..2) %}", "{% endfor %}", 2000), "blocks more than 20 deep");
    unsaved(&deep("{% capture a %}", "{% endcapture %}", 2000), "blocks more than 20 deep");
    unsaved(&format!("{{{{ {} }}}}", deep("profile[", "]", 200)), "more than 4 brackets");
    unsaved(&format!("{{{{ {} }}}}", "profile[".repeat(400)), "more than 4 brackets");
    unsaved(&format!("{{{{ 1{} }}}}", " | abs".repeat(200)), "more than 20 filters");
    unsaved(&format!("{{{{ {} }}}}", "9".repeat(40)), "more than 18 digits");
    unsaved(&format!("{{{{ '{}' }}}}", "x".repeat(9000)), "between braces are more than 4096");
    unsaved(&"x".repeat(SOURCE_MAX + 1), "are more than 262144");
    unsaved(&"{{ 1 }}".repeat(6000), "more than 5000 pieces");
    let elsifs = format!("{{% if 1 %}}{}{{% endif %}}", "{% elsif 1 %}".repeat(4000));
    assert_eq!(html(&elsifs, nobody()), "");
    let ors = format!("{{% if nil{} %}}x{{% endif %}}", " or nil".repeat(500));
    assert_eq!(html(&ors, nobody()), "");
    assert_eq!(html(&deep("{% if true %}", "{% endif %}", BLOCK_DEPTH_MAX), nobody()), "x");
}

#[test]
fn sources_without_an_end_are_read_once() {
    for unit in
        ["{{", "{%", "{{a|b:\"", "{% raw %}", "{% comment %}{% ", "<!--", "<a href=\"", "{{ 'x' }", "}}"]
    {
        let _ = compiled(&letter(&unit.repeat(20_000)));
    }
}

#[test]
fn deep_mjml_does_not_reach_its_parser() {
    let mjml = |source: String| {
        let email = Email { subject: "x".to_owned(), mjml: Some(source), ..Email::default() };
        let draft = super::draft(Kind::Transactional, Body { email: Some(email), sms: None });
        compiled(&draft).err().map_or_else(String::new, |mistakes| mistakes[0].to_string())
    };
    let deep = |times: usize| {
        format!(
            "<mjml><mj-body><mj-raw>{}x{}</mj-raw></mj-body></mjml>",
            "<div>".repeat(times),
            "</div>".repeat(times)
        )
    };
    assert_eq!(mjml(deep(50)), "");
    assert!(mjml(deep(10_000)).contains("more than 64 deep"));
    assert!(mjml("<mjml>".repeat(10_000)).contains("more than 64 deep"));
    assert!(mjml("<mjml".repeat(10_000)).contains("more than 64 deep"));
    assert!(mjml("</mjml>".repeat(10_000)).contains("this is no MJML"));
    assert!(
        mjml("<mjml><mj-body><mj-include path=\"/etc/passwd\" /></mj-body></mjml>".to_owned())
            .contains("no MJML")
    );
}

#[test]
fn data_is_bounded() {
    let mut deep = json!("x");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let given = |profile| Data::new(&Fields { profile, ..Fields::default() }).map(|_| ());
    assert!(matches!(given(deep), Err(Refusal::TooMuch { .. })));
    assert!(matches!(given(json!("x".repeat(300_000))), Err(Refusal::TooMuch { .. })));
    assert_eq!(given(json!({ "n": [1, 2.5, true, null] })), Ok(()));
}
