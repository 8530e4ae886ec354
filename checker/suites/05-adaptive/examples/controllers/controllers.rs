//! The reference's controller, and three that one finds.

use adaptive_pool::{Action, AdaptiveConfig, Controller, Sample};
use adaptive_pool_suite::mornings::config;

/// Something that steers a pool.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    /// Whether the mean wait it is told leaves out those who still wait.
    pub(crate) of_the_served: bool,
    pub(crate) observe: Box<dyn FnMut(&Sample) -> Action + Send>,
}

/// All that are compared.
pub(crate) fn candidates() -> Vec<Candidate> {
    let mut reference = Controller::new(config());
    let mut served = Controller::new(config());
    let mut by_one = Controller::new(config());
    vec![
        Candidate {
            name: "reference",
            of_the_served: false,
            observe: Box::new(move |sample| reference.observe(sample)),
        },
        Candidate {
            name: "grow by one",
            of_the_served: false,
            observe: Box::new(move |sample| match by_one.observe(sample) {
                Action::Grow(_) => Action::Grow(1),
                other => other,
            }),
        },
        Candidate { name: "no hysteresis", of_the_served: false, observe: Box::new(no_hysteresis) },
        Candidate {
            name: "average of the served",
            of_the_served: true,
            observe: Box::new(move |sample| served.observe(sample)),
        },
    ]
}

/// As many places as are wanted now, at each sample.
fn no_hysteresis(sample: &Sample) -> Action {
    let AdaptiveConfig { min, max, .. } = config();
    let wanted = (sample.in_use + sample.waiting).clamp(min, max);
    match wanted.checked_sub(sample.size) {
        Some(0) => Action::Hold,
        Some(more) => Action::Grow(more),
        None => Action::Shrink(sample.size - wanted),
    }
}
