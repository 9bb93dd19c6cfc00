//! Pages: small, of one file, without scripts, for whatever reads them.

use domain::messaging::Channel;
use domain::messaging::consent::{About, TopicId};

use super::Scene;
use super::language::Language;
use super::words::{Words, filled};

/// What the button of a page sends, and no mail program does.
pub(crate) const BUTTON: (&str, &str) = ("by", "page");

/// The fields of the page of topics: what is wanted now, what was when it was
/// shown, and which button was pressed.
pub(crate) const TOPIC: &str = "topic";
pub(crate) const HAD: &str = "had";
pub(crate) const DO: &str = "do";
pub(crate) const SAVE: &str = "save";
pub(crate) const NOTHING: &str = "nothing";

/// A topic as the page offers it.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) id: TopicId,
    pub(crate) name: String,
    pub(crate) is_wanted: bool,
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1.125rem/1.5 system-ui,sans-serif;margin:0;padding:1.5rem;overflow-wrap:anywhere}\
main{max-width:34rem;margin:10vh auto 0}\
h1{font-size:1.75rem;line-height:1.2;margin:0 0 1rem}\
fieldset{border:0;margin:0 0 1rem;padding:0}\
legend{padding:0;margin-bottom:.5rem}\
label{display:flex;gap:.75rem;align-items:center;min-height:2.75rem}\
input{width:1.25rem;height:1.25rem;flex:none}\
button{font:inherit;min-height:2.75rem;padding:.5rem 1.25rem;margin:.5rem .5rem 0 0;\
border:2px solid #1a56b0;border-radius:.375rem;background:#1a56b0;color:#fff;cursor:pointer}\
button.quiet{background:transparent;color:inherit;border-color:currentColor}\
button:focus-visible,input:focus-visible{outline:3px solid #e08700;outline-offset:2px}\
.small{font-size:.9375rem}";

/// A page before it is written down.
#[derive(Debug)]
pub(crate) struct Page {
    language: Language,
    title: String,
    paragraphs: Vec<String>,
    /// What a form holds, as HTML that was escaped.
    form: Option<String>,
    /// Whether its first paragraph tells what was just done.
    is_told: bool,
    small: Vec<String>,
}

impl Page {
    fn new(language: Language, title: &str) -> Self {
        let (paragraphs, small) = (Vec::new(), Vec::new());
        Self { language, title: title.to_owned(), paragraphs, form: None, is_told: false, small }
    }

    fn of(scene: &Scene, title: &str) -> Self {
        let mut page = Self::new(scene.language, title);
        let sender = scene.settings.sender.name.as_deref().filter(|name| !name.trim().is_empty());
        page.small.extend(sender.map(|name| filled(Words::of(scene.language).sender, name)));
        page
    }

    fn saying(mut self, text: impl Into<String>) -> Self {
        self.paragraphs.push(text.into());
        self
    }

    pub(crate) fn nowhere(language: Language) -> Self {
        let words = Words::of(language);
        Self::new(language, words.nowhere).saying(words.nowhere_why)
    }

    pub(crate) fn trouble(language: Language) -> Self {
        let words = Words::of(language);
        Self::new(language, words.trouble).saying(words.trouble_why)
    }

    /// Asks before somebody leaves: scanners follow links, people press buttons.
    pub(crate) fn leave(scene: &Scene, about: &About) -> Self {
        let words = Words::of(scene.language);
        let topic = scene.named(about);
        let mut page = Self::of(scene, words.leave).saying(words.no_more(about.channel, topic.as_deref()));
        page.form = Some(button(words.leave_button));
        page
    }

    pub(crate) fn left(scene: &Scene, about: &About) -> Self {
        let words = Words::of(scene.language);
        let topic = scene.named(about);
        let mut page = Self::of(scene, words.left).saying(words.no_more(about.channel, topic.as_deref()));
        page.is_told = true;
        page.small.insert(0, words.orders.to_owned());
        page
    }

    /// All topics with a box each.
    pub(crate) fn choose(scene: &Scene, channel: Channel, choices: &[Choice], is_saved: bool) -> Self {
        let words = Words::of(scene.language);
        let mut page = Self::of(scene, words.choose);
        page.is_told = is_saved;
        if is_saved {
            page = page.saying(words.saved);
        }
        if choices.is_empty() {
            page = page.saying(words.no_topics);
        }
        page.form = Some(boxes(words, channel, choices));
        page
    }

    /// The words of the button that leaves everything.
    pub(crate) const fn nothing(scene: &Scene) -> &'static str {
        Words::of(scene.language).nothing
    }

    pub(crate) fn confirm(scene: &Scene, topic: &TopicId) -> Self {
        let words = Words::of(scene.language);
        let why = filled(words.confirm_why, &scene.topic(topic));
        let mut page = Self::of(scene, words.confirm).saying(why);
        page.form = Some(button(words.confirm_button));
        page
    }

    pub(crate) fn confirmed(scene: &Scene, topic: &TopicId) -> Self {
        let words = Words::of(scene.language);
        let mut page =
            Self::of(scene, words.confirmed).saying(filled(words.from_now_on, &scene.topic(topic)));
        page.is_told = true;
        page
    }

    pub(crate) const fn language(&self) -> Language {
        self.language
    }

    /// The text that somebody agreed to by a button, as its proof keeps it.
    pub(crate) fn said(&self) -> String {
        let all: Vec<&str> =
            std::iter::once(&self.title).chain(&self.paragraphs).map(String::as_str).collect();
        all.join(" ")
    }

    pub(crate) fn html(&self) -> String {
        let Self { language, title, paragraphs, form, is_told, small } = self;
        let (code, title) = (language.code(), escaped(title));
        let mut main = format!("<h1>{title}</h1>");
        for (place, paragraph) in paragraphs.iter().enumerate() {
            let role = if *is_told && place == 0 { " role=\"status\"" } else { "" };
            main.extend(["<p", role, ">", &escaped(paragraph), "</p>"]);
        }
        if let Some(form) = form {
            main.extend(["<form method=\"post\">", form, "</form>"]);
        }
        for line in small {
            main.extend(["<p class=\"small\">", &escaped(line), "</p>"]);
        }
        format!(
            "<!DOCTYPE html><html lang=\"{code}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex, nofollow\"><title>{title}</title>\
             <style>{STYLE}</style></head><body><main>{main}</main></body></html>"
        )
    }
}

/// A form of one button.
fn button(label: &str) -> String {
    let (name, value) = BUTTON;
    format!("<button name=\"{name}\" value=\"{value}\">{}</button>", escaped(label))
}

/// A box for each topic, and a button for each thing that can be done with them.
fn boxes(words: &Words, channel: Channel, choices: &[Choice]) -> String {
    let nothing = format!(
        "<button class=\"quiet\" name=\"{DO}\" value=\"{NOTHING}\">{}</button>",
        escaped(words.nothing)
    );
    if choices.is_empty() {
        return nothing;
    }
    let legend = escaped(words.choose_by(channel));
    let boxes: Vec<String> = choices.iter().map(labelled).collect();
    let (boxes, save) = (boxes.concat(), escaped(words.save));
    format!(
        "<fieldset><legend>{legend}</legend>{boxes}</fieldset>\
         <button name=\"{DO}\" value=\"{SAVE}\">{save}</button>{nothing}"
    )
}

fn labelled(choice: &Choice) -> String {
    let Choice { id, name, is_wanted } = choice;
    let (id, name) = (escaped(id.as_str()), escaped(name));
    let (had, checked) = if *is_wanted {
        (format!("<input type=\"hidden\" name=\"{HAD}\" value=\"{id}\">"), " checked")
    } else {
        (String::new(), "")
    };
    format!("{had}<label><input type=\"checkbox\" name=\"{TOPIC}\" value=\"{id}\"{checked}>{name}</label>")
}

/// Text as it stands in HTML, within quotation marks or without.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
