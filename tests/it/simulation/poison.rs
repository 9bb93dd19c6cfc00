//! Messages that can never be read harm only themselves.
