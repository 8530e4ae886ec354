//! A desk on paper: a load that stays the same, and the samples that a pool of some size would take.

use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, Controller, Sample};
use harness::fail;

use crate::desk::ms;
use crate::table::config_in_words;

/// When people begin to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// When fewer connections are there than they want.
    WhenShort,
    /// Already when the last one is in use: then somebody just has to wait a little.
    WhenFull,
}

/// So many connections are wanted, all the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) wanted: u32,
    pub(crate) waits: Waits,
}

impl Load {
    /// The size at which nobody waits too long.
    pub(crate) fn needs(self) -> u32 {
        match self.waits {
            Waits::WhenShort => self.wanted,
            Waits::WhenFull => self.wanted + 1,
        }
    }

    fn sample(self, size: u32, target: Duration) -> Sample {
        let in_use = self.wanted.min(size);
        let waiting = self.wanted - in_use;
        let mean_wait = if size >= self.needs() {
            Duration::ZERO
        } else if waiting == 0 {
            2 * target
        } else {
            20 * target
        };
        Sample { size, in_use, waiting, mean_wait }
    }
}

/// A controller, the pool that it steers, and what it has answered so far.
pub(crate) struct Steered<'a> {
    config: &'a AdaptiveConfig,
    controller: Controller,
    pub(crate) size: u32,
    history: Vec<(Sample, Action)>,
}

impl<'a> Steered<'a> {
    pub(crate) fn new(config: &'a AdaptiveConfig, size: u32) -> Self {
        Self { config, controller: Controller::new(config.clone()), size, history: Vec::new() }
    }

    /// A sample, and what the controller makes of it: the pool obeys at once.
    pub(crate) fn step(&mut self, load: Load) -> Action {
        let sample = load.sample(self.size, self.config.target_wait.max(ms(1)));
        let action = self.controller.observe(&sample);
        self.history.push((sample, action));
        let size = match action {
            Action::Grow(places) => self.size.checked_add(places),
            Action::Shrink(places) => self.size.checked_sub(places),
            Action::Hold => Some(self.size),
        };
        let bounds = self.config.min..=self.config.max;
        match size.filter(|size| bounds.contains(size)) {
            Some(size) => self.size = size,
            None => self.fail("a size from min to max", &format!("{action:?}")),
        }
        action
    }

    /// Fails, and tells how it went.
    pub(crate) fn fail(&self, expected: &str, got: &str) -> ! {
        fail(
            format!("{expected} ({})", config_in_words(self.config)),
            format!("{got}\n{}", self.told()),
        )
    }

    /// The last samples that were answered by anything but `Hold`, and the very last.
    fn told(&self) -> String {
        const SHOWN: usize = 9;
        let last = self.history.len().saturating_sub(1);
        let told: Vec<_> = self
            .history
            .iter()
            .enumerate()
            .filter(|(index, (_, action))| *action != Action::Hold || *index == last)
            .collect();
        let mut rows = vec!["sample   size  in use  waiting  answer".to_owned()];
        let first = told.len().saturating_sub(SHOWN);
        if first > 0 {
            rows.push(format!("… {first} decisions before these"));
        }
        for (index, (Sample { size, in_use, waiting, .. }, action)) in &told[first..] {
            let number = index + 1;
            rows.push(format!("{number:<6} {size:>6}  {in_use:>6}  {waiting:>7}  {action:?}"));
        }
        rows.join("\n")
    }
}
