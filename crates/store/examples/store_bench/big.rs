use crate::Args;
pub(crate) fn run(_args: &Args) {}
