//! How cases are run.

/// What a run of cases may do otherwise than the suite says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The first seed; `None`: the fixed one.
    pub seed: Option<u64>,
    /// How many schedules at most; `None`: as many as each case says.
    pub schedules: Option<u64>,
    /// How many processes at once; `None`: as many as there are cores.
    pub jobs: Option<usize>,
    /// Whether a failing case is to be told step by step.
    pub steps: bool,
    /// Whether somebody looks at the first failing case: then its schedule is shrunk and told.
    pub small: bool,
}
