//! How much a template may hold, and how much one rendering may do.
//!
//! Whoever writes templates is trusted with their words, not with the machine: a range of twenty
//! million steps is a slip of the finger, and no letter of anybody else may wait for it.

/// The longest source of one part, in bytes. Gmail cuts letters at 102 KB: this is ample.
pub const SOURCE_MAX: usize = 256 * 1024;

/// The longest HTML that MJML may become, in bytes. It grows about five times.
pub const COMPILED_MAX: usize = 1024 * 1024;

/// The most pieces (texts, outputs, tags) of one part: each becomes a node.
pub const PIECES_MAX: usize = 5_000;

/// The longest `{{ .. }}` or `{% .. %}`, in bytes: the parser of expressions may backtrack in it.
pub const PIECE_MAX: usize = 4_096;

/// The most filters of one `{{ .. }}` or `{% .. %}`.
pub const FILTERS_MAX: usize = 20;

/// How deep `{% if %}` and the like may stand in each other: they are read and rendered by recursion.
pub const BLOCK_DEPTH_MAX: usize = 20;

/// How deep `a[b[c]]` may go: the parser of expressions recurses here.
pub const INDEX_DEPTH_MAX: usize = 4;

/// The most digits of a number in a template: eighteen always fit 64 bits.
pub const DIGITS_MAX: usize = 18;

/// How deep snippets may render each other.
pub const PARTIAL_DEPTH_MAX: usize = 5;

/// How deep the elements of MJML may stand in each other: its parser and its renderer recurse.
pub const MJML_DEPTH_MAX: usize = 64;

/// The most mistakes that are told at once.
pub const MISTAKES_MAX: usize = 100;

/// The most data for one rendering, in bytes: a packed profile and an event are 40 KB at most.
pub const DATA_MAX: usize = 256 * 1024;

/// How deep data may be nested: it is converted, measured and dropped by recursion.
pub const DATA_DEPTH_MAX: usize = 32;

/// The largest value that a filter, `assign` or `capture` may make, in bytes.
pub const VALUE_MAX: usize = 64 * 1024;

/// The most rounds of all loops of one rendering together.
pub const ITERATIONS_MAX: usize = 10_000;

/// The most bytes that one rendering may touch: what it looks up, makes and writes. It bounds time
/// and memory together; the worst templates that were found take a tenth of a second.
pub const WORK_MAX: usize = 32 * 1024 * 1024;

/// What a step costs in bytes of [`WORK_MAX`], however little it handles.
pub const STEP_WORK: usize = 32;

/// The longest HTML of a letter, in bytes.
pub const HTML_MAX: usize = 512 * 1024;

/// The longest text part of a letter, in bytes.
pub const TEXT_MAX: usize = 256 * 1024;

/// The longest line of a header, in bytes: RFC 5322 allows 998.
pub const SUBJECT_MAX: usize = 998;

/// The longest preheader, in bytes: no mail client shows more than some 150 characters.
pub const PREHEADER_MAX: usize = 998;

/// The longest SMS, in characters: ten segments of 160, which is as much as carriers join.
pub const SMS_MAX: usize = 1_600;

/// The longest format of a date, in bytes.
pub const DATE_FORMAT_MAX: usize = 64;
