//! The frame of every page, and how a text becomes a part of one.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::time::Timestamp;
use sha2::{Digest as _, Sha256};

const STYLE: &str = "
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 1.5rem auto; padding: 0 1rem;
    color: #1c2126; background: #fff }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #dfe3e6;
    overflow-wrap: anywhere }
th { font-weight: 600; white-space: nowrap; width: 1% }
thead th { width: auto } td.when { white-space: nowrap }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f5f6f7; padding: .8rem; margin: 0;
    font: 13px/1.45 ui-monospace, monospace }
pre.sms { font: inherit; max-width: 24rem; border-radius: 1rem; background: #e4f0e6 }
iframe { width: 100%; height: 40rem; border: 1px solid #dfe3e6; background: #fff }
.bounced, .complained { color: #a4262c } .quiet { color: #5b6670 } a { color: #0b5cad }
input { font: inherit; padding: .2rem .4rem }
";

pub(super) const BACK: &str = "<p><a href=\"/_local/sent\">All sent messages</a></p>";

/// What a browser may do with a page: show it in its style, and the frame in it.
pub(super) fn policy() -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; frame-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'self'",
        STANDARD.encode(Sha256::digest(STYLE))
    )
}

/// A page; the title is a text, the body is HTML.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n",
        escaped(title)
    )
}

/// A text as it may stand in an element or in a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // HTML has no zero, and a return would become a line feed.
            '\0' => out.push('\u{fffd}'),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
    out
}

/// A text whose direction of writing turns nothing around it.
pub(super) fn apart(text: &str) -> String {
    format!("<bdi>{}</bdi>", escaped(text))
}

/// A table of names and values.
pub(super) fn table<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::from("<table><tbody>\n");
    for (name, value) in rows {
        // Writing into a text never fails.
        let _ = writeln!(out, "<tr><th>{}</th><td>{}</td></tr>", apart(name), apart(value));
    }
    out + "</tbody></table>\n"
}

/// A moment as people read it, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    let written = at.rfc3339();
    written.get(..19).map_or_else(|| written.clone(), |start| format!("{} UTC", start.replace('T', " ")))
}
