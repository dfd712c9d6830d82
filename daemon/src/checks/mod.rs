//! The check engine: when a check runs ([`schedule`], [`scheduler`]), how one run goes ([`runner`]), and what
//! is kept and published of its result ([`unit`], [`results`], [`publish`]).

pub mod group;
pub mod observer;
pub mod pause;
pub mod publish;
pub mod results;
pub mod runner;

pub mod schedule;
pub mod scheduler;

pub mod series;
pub mod unit;
