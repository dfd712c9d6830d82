use crate::Args;
pub(crate) fn compare(_args: &Args, _jitter: bool, _targets: usize) {}
