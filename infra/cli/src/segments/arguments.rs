//! The commands about segments, and their options.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::segment::stored::SegmentId;

use crate::arguments::Target;
use crate::identity::Who;
use crate::operate::arguments::{Owner, Place};

/// A list made by hand and a file of people.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[arg(value_parser = SegmentId::parse)]
    pub(crate) segment: SegmentId,
    /// The table: a file, or `-` for the standard input.
    pub(crate) file: PathBuf,
    /// The source that tells of them, where a workspace has several.
    #[arg(long)]
    pub(crate) source: Option<String>,
    #[command(flatten)]
    pub(crate) owner: Owner,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SegmentsCommand {
    /// Publishes a segment, new or changed: who meets its condition is in; or a
    /// computed trait.
    ///
    /// Events are asked within a minute; everybody else is asked from three
    /// minutes on, and a changed segment comes into force when all were.
    Set {
        /// Its id: a-z, 0-9 and -.
        #[arg(value_parser = SegmentId::parse)]
        segment: SegmentId,
        /// The definition, YAML or JSON: a file, or `-` for the standard input.
        file: PathBuf,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Says how many people a definition would hold, before it is published: who
    /// some of them are, and in which segments they are as well.
    ///
    /// A sample is asked; how far its figure may be off is said with it.
    Preview {
        /// The definition, YAML or JSON: a file, or `-` for the standard input.
        file: PathBuf,
        /// The segment that it is to change, if there is one.
        #[arg(long, value_parser = SegmentId::parse)]
        segment: Option<SegmentId>,
        /// People who are asked at least, if there are as many.
        #[arg(long, default_value_t = 2_000)]
        sample: u32,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Puts the people of a file on a list made by hand, which it makes if there
    /// is none.
    ///
    /// The file is a table (CSV) whose first line names the kind of identifier of
    /// each column: `email`, `user_id` and so on. Who is not known yet becomes a
    /// profile.
    Append {
        #[command(flatten)]
        list: List,
    },
    /// Makes the people of a file all who are on a list made by hand.
    ///
    /// Those who are new on it enter at once; those whom the file does not name
    /// leave together, once everybody was asked.
    Replace {
        #[command(flatten)]
        list: List,
    },
    /// Takes the people of a file off a list made by hand.
    Remove {
        #[command(flatten)]
        list: List,
    },
    /// Ends a segment: everybody leaves it.
    End {
        #[arg(value_parser = SegmentId::parse)]
        segment: SegmentId,
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Lists the segments, and how far everybody was asked about new ones.
    List {
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Prints a segment's definition, as `set` takes it.
    Show {
        #[arg(value_parser = SegmentId::parse)]
        segment: SegmentId,
        #[command(flatten)]
        target: Target,
    },
    /// Prints the members of a segment, one a line: JSON, or CSV.
    Members {
        #[arg(value_parser = SegmentId::parse)]
        segment: SegmentId,
        /// Prints a table for spreadsheets.
        #[arg(long)]
        csv: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Says how many people were in a segment, day by day.
    Sizes {
        #[arg(value_parser = SegmentId::parse)]
        segment: SegmentId,
        #[command(flatten)]
        target: Target,
        /// Prints JSON, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Says in which segments somebody is, and what changed when.
    Of {
        /// An e-mail address, KIND:VALUE, or a profile's id.
        who: Who,
        #[command(flatten)]
        target: Target,
        /// Prints JSON, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Says which condition of a segment holds for somebody, on what data, and
    /// until when.
    Explain {
        #[arg(value_parser = SegmentId::parse)]
        segment: SegmentId,
        /// An e-mail address, KIND:VALUE, or a profile's id.
        who: Who,
        #[command(flatten)]
        target: Target,
        /// Prints JSON, for scripts.
        #[arg(long)]
        json: bool,
    },
}
