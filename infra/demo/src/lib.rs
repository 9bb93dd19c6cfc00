//! A shop for trying the platform out: its people, and what they do in a year.
//!
//! The shop sells tea. Its people come by its site and its app, a CRM knows
//! some of them, and a till on the counter knows them by their loyalty cards.
//! They share tablets, misspell addresses and lose connections, as people do,
//! and the truth about them is kept, so that what the platform made of it all
//! can be compared.
//!
//! **Invariant:** the same seed gives the same bytes; no clock is read. Nobody
//! here is real: mail goes to `example.com`, and the telephone numbers are
//! those that are kept for fiction.

mod chance;
mod names;
mod person;
mod catalogue;
mod made;
mod visit;
mod web;
mod app;
mod crm;
mod pos;
mod parcel;
mod year;
mod truth;

pub use parcel::{Request, Source};
pub use truth::Truth;
pub use year::{DAYS, Events, PEOPLE_DEFAULT, YEAR_END, events, events_until};

#[cfg(test)]
mod tests;
