//! What the template of a message says: checked when it is saved, rendered for one person.
//!
//! **Invariant:** nothing here waits, reads a clock or a file, or runs for longer than its bounds
//! allow, whatever the template says; and no value of a person leaves the place in which it stands.

mod limits;
mod place;
mod draft;
mod language;
mod scan;
mod words;
mod context;
mod tree;
mod tags;
mod compile;
mod mjml;
mod value;
mod meter;
mod scope;
mod filters;
mod escape;
mod render;
mod html;
mod template;

pub use draft::{Body, Draft, Email, Kind, Partials, Sms};
pub use html::{Link, links, rewrite, with_pixel};
pub use limits::*;
pub use meter::{Refusal, RenderError};
pub use place::{Mistake, Place};
pub use template::{RenderedEmail, RenderedSms, Template};
pub use value::{Data, Fields};

#[cfg(test)]
mod tests;
