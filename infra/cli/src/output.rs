//! What the program says, and how it fails.

use std::error::Error;
use std::io::Write as _;

/// A failure with its whole chain of causes; printed once, at the end.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// Writes a line for the person who runs the program. A closed pipe ends the
/// listening, not the work.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

pub(crate) fn lines(texts: &[String]) {
    for text in texts {
        line(text);
    }
}

/// Says how far a long work is, beside its result.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

pub(crate) fn error(failed: &Failed) {
    let text = runtime::failure::chain(failed.as_ref());
    let _ = writeln!(std::io::stderr().lock(), "tributary: {text}");
}
