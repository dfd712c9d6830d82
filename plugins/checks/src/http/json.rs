//! Assertions on a JSON body: `"$.db": up`.
//!
//! The paths are a small part of JSONPath (RFC 9535): `$`, `.name`, `['name']`, `[0]`, `[-1]` from the end, and
//! `[*]` or `.*` for every member. What a wildcard selects must hold for every match, and there must be one.

mod assertion;
mod path;

pub(super) use assertion::Assertion;
