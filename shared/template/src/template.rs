//! A template that may be sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::compile::Compiler;
use crate::context::State;
use crate::draft::{Body, Draft, Email, Kind, Partials};
use crate::escape::line;
use crate::html;
use crate::language::{best, is_tag};
use crate::limits::{HTML_MAX, PREHEADER_MAX, SMS_MAX, SUBJECT_MAX, TEXT_MAX};
use crate::meter::{Refusal, RenderError};
use crate::mjml;
use crate::place::{Mistake, Slip, Spot};
use crate::render::{Bound, Unit, render};
use crate::scan;
use crate::tree::{Duty, Program};
use crate::value::Data;

const SUBJECT: Bound = Bound { what: "a header", max: SUBJECT_MAX, unit: Unit::Bytes };
const PREHEADER: Bound = Bound { what: "preheader", max: PREHEADER_MAX, unit: Unit::Bytes };
const HTML: Bound = Bound { what: "HTML", max: HTML_MAX, unit: Unit::Bytes };
const TEXT: Bound = Bound { what: "text", max: TEXT_MAX, unit: Unit::Bytes };
const SMS: Bound = Bound { what: "SMS", max: SMS_MAX, unit: Unit::Characters };

/// A template whose every part was read. It is made of the stored [`Draft`] in a few milliseconds,
/// and may be kept and shared between threads.
#[derive(Debug)]
pub struct Template {
    kind: Kind,
    topic: String,
    default_language: String,
    emails: BTreeMap<String, Letter>,
    texts: BTreeMap<String, Arc<Program>>,
}

#[derive(Debug)]
struct Letter {
    subject: Arc<Program>,
    from_name: Option<Arc<Program>>,
    preheader: Option<Arc<Program>>,
    html: Arc<Program>,
    text: Option<Arc<Program>>,
}

/// A letter to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedEmail {
    pub language: String,
    pub subject: String,
    pub from_name: Option<String>,
    pub html: String,
    pub text: String,
}

/// An SMS to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedSms {
    pub language: String,
    pub text: String,
}

impl Template {
    /// Reads a draft with the workspace's snippets; every mistake is told with its place.
    pub fn compile(draft: &Draft, partials: &Partials) -> Result<Self, Vec<Mistake>> {
        let mut compiler = Compiler::new(&draft.partials, partials);
        checked(draft, &mut compiler);
        let (mut emails, mut texts) = (BTreeMap::new(), BTreeMap::new());
        for (language, body) in &draft.languages {
            if let Some(email) = &body.email {
                let letter = letter(&mut compiler, language, email, draft.kind);
                emails.extend(letter.map(|letter| (language.clone(), letter)));
            }
            if let Some(sms) = &body.sms {
                let part = format!("{language}.sms.text");
                worded(&mut compiler, &part, &sms.text);
                let program = compiler.part(&part, &sms.text, State::Plain);
                texts.extend(program.map(|program| (language.clone(), program)));
            }
        }
        if !compiler.mistakes.is_empty() {
            compiler.mistakes.sort();
            return Err(compiler.mistakes);
        }
        Ok(Self {
            kind: draft.kind,
            topic: draft.topic.clone(),
            default_language: draft.default_language.clone(),
            emails,
            texts,
        })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    pub fn has_email(&self) -> bool {
        !self.emails.is_empty()
    }

    pub fn has_sms(&self) -> bool {
        !self.texts.is_empty()
    }

    /// The letter in the language that fits best: `uk-UA`, then `uk`, then the template's default.
    pub fn render_email(&self, language: &str, data: &Data) -> Result<RenderedEmail, RenderError> {
        let (language, letter) = self.chosen(&self.emails, language, "email")?;
        let head =
            |program: &Arc<Program>, bound| render(program, data, bound).map(|words| line(&words.text));
        let subject = head(&letter.subject, SUBJECT)?;
        if subject.is_empty() {
            return Err(RenderError { place: Spot::START.of(&letter.subject.part), refusal: Refusal::Empty });
        }
        let from_name = letter.from_name.as_ref().map(|program| head(program, SUBJECT)).transpose()?;
        let preheader = letter.preheader.as_ref().map(|program| head(program, PREHEADER)).transpose()?;
        let body = render(&letter.html, data, HTML)?;
        self.dutiful(&letter.html, &body.fulfilled)?;
        let html = match preheader.filter(|words| !words.is_empty()) {
            Some(words) => html::with_preheader(&body.text, &words),
            None => body.text,
        };
        let text = match &letter.text {
            Some(program) => {
                let text = render(program, data, TEXT)?;
                self.dutiful(program, &text.fulfilled)?;
                text.text
            }
            None => html::to_text(&html),
        };
        Ok(RenderedEmail { language: language.to_owned(), subject, from_name, html, text })
    }

    /// The SMS in the language that fits best.
    pub fn render_sms(&self, language: &str, data: &Data) -> Result<RenderedSms, RenderError> {
        let (language, program) = self.chosen(&self.texts, language, "sms")?;
        let text = render(program, data, SMS)?.text.trim().to_owned();
        if text.is_empty() {
            return Err(RenderError { place: Spot::START.of(&program.part), refusal: Refusal::Empty });
        }
        Ok(RenderedSms { language: language.to_owned(), text })
    }

    fn chosen<'t, T>(
        &self,
        known: &'t BTreeMap<String, T>,
        language: &str,
        channel: &str,
    ) -> Result<(&'t str, &'t T), RenderError> {
        let tags = known.keys().map(String::as_str);
        let tag = best(language, &tags).unwrap_or(&self.default_language);
        known
            .get_key_value(tag)
            .map(|(tag, found)| (tag.as_str(), found))
            .ok_or_else(|| RenderError { place: Spot::START.of(channel), refusal: Refusal::NoSuchMessage })
    }

    /// A condition may have left out what the law asks for, although the template has it.
    fn dutiful(&self, program: &Program, fulfilled: &[Duty]) -> Result<(), RenderError> {
        let all = Duty::ALL.iter().all(|duty| fulfilled.contains(duty));
        match self.kind {
            Kind::Promotional if !all => {
                Err(RenderError { place: Spot::START.of(&program.part), refusal: Refusal::NoWayOut })
            }
            Kind::Promotional | Kind::Transactional => Ok(()),
        }
    }
}

/// What is wrong with a draft as a whole.
fn checked(draft: &Draft, compiler: &mut Compiler<'_>) {
    let mut tell = |part: &str, reason: String, remedy: &str| {
        compiler.mistake(Slip::new(reason, remedy).at(Spot::START, part));
    };
    if draft.topic.trim().is_empty() {
        tell("topic", "the topic is empty".to_owned(), "name what people subscribe to");
    }
    for (tag, body) in &draft.languages {
        if !is_tag(tag) {
            tell(
                &format!("languages.{tag}"),
                format!("`{tag}` is no language"),
                "write `en`, `uk` or `pt-BR`",
            );
        }
        if *body == Body::default() {
            tell(tag, "there is no message".to_owned(), "write `email`, `sms` or both");
        }
    }
    let default = draft.languages.get(&draft.default_language);
    let any = |has: fn(&Body) -> bool| draft.languages.values().any(has);
    let lacks = |has: fn(&Body) -> bool| any(has) && !default.is_some_and(has);
    if default.is_none() || lacks(|body| body.email.is_some()) || lacks(|body| body.sms.is_some()) {
        let tag = &draft.default_language;
        let reason = format!("not every message is written in the default language `{tag}`");
        tell("default_language", reason, "write it, or choose another default");
    }
}

fn worded(compiler: &mut Compiler<'_>, part: &str, source: &str) {
    if source.trim().is_empty() {
        compiler.mistake(Slip::new("it is empty", "write its words").at(Spot::START, part));
    }
}

fn letter(compiler: &mut Compiler<'_>, language: &str, email: &Email, kind: Kind) -> Option<Letter> {
    let part = &format!("{language}.email");
    let subject_part = format!("{part}.subject");
    worded(compiler, &subject_part, &email.subject);
    let subject = compiler.part(&subject_part, &email.subject, State::Plain);
    let from_name = optional(compiler, &format!("{part}.from_name"), email.from_name.as_deref());
    let preheader = optional(compiler, &format!("{part}.preheader"), email.preheader.as_deref());
    let html = body(compiler, part, language, email);
    let text = optional(compiler, &format!("{part}.text"), email.text.as_deref());
    if kind == Kind::Promotional {
        for program in html.iter().chain(text.iter().flatten()) {
            duties(compiler, program);
        }
    }
    Some(Letter {
        subject: subject?,
        from_name: from_name.ok()?,
        preheader: preheader.ok()?,
        html: html?,
        text: text.ok()?,
    })
}

/// A part has mistakes, which are told.
#[derive(Debug)]
struct Faulty;

/// A part that need not be there.
fn optional(
    compiler: &mut Compiler<'_>,
    part: &str,
    source: Option<&str>,
) -> Result<Option<Arc<Program>>, Faulty> {
    source.map(|source| compiler.part(part, source, State::Plain).ok_or(Faulty)).transpose()
}

fn body(compiler: &mut Compiler<'_>, part: &str, language: &str, email: &Email) -> Option<Arc<Program>> {
    match (&email.html, &email.mjml) {
        (Some(html), None) => {
            let part = format!("{part}.html");
            worded(compiler, &part, html);
            compiler.part(&part, html, State::Text)
        }
        (None, Some(source)) => {
            let part = format!("{part}.mjml");
            let pieces = scan::scan(source).and_then(|pieces| mjml::compiled(language, source, &pieces));
            match pieces {
                Ok(pieces) => compiler.pieces(&part, pieces, State::Text),
                Err((spot, slip)) => {
                    compiler.mistake(slip.at(spot, &part));
                    None
                }
            }
        }
        (Some(_), Some(_)) | (None, None) => {
            let slip = Slip::new("a letter has either `html` or `mjml`", "write one of them");
            compiler.mistake(slip.at(Spot::START, part));
            None
        }
    }
}

/// A promotional letter says who sends it, and how to have no more of them.
fn duties(compiler: &mut Compiler<'_>, program: &Program) {
    for duty in Duty::ALL.into_iter().filter(|duty| !program.prints.contains(duty.variable())) {
        let (reason, remedy) = match duty {
            Duty::Unsubscribe => (
                "a promotional letter has no link to unsubscribe",
                "add <a href=\"{{ links.unsubscribe }}\">Unsubscribe</a>; in a text part {{ links.unsubscribe }}",
            ),
            Duty::Address => (
                "a promotional letter does not name its sender's postal address",
                "add {{ sender.postal_address }}",
            ),
        };
        compiler.mistake(Slip::new(reason, remedy).at(Spot::START, &program.part));
    }
}
