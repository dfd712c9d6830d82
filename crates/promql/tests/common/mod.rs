//! What several tests share: random expressions and random data, from a seed.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod expr;
