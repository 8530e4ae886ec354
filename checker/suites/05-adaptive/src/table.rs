//! Tables for the controller: samples in, actions out, a line each.

use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, Controller, Sample};
use harness::{clock, fail};

/// What the answer to a sample must be; its number is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Grow,
    Shrink,
    Hold,
    /// Whatever it is, the line is only there for those after it.
    Free,
}

/// A line of a table: size, in use, waiting, mean wait, and the answer.
pub(crate) type Line = (u32, u32, u32, Duration, Answer);

/// The sample of a line.
pub(crate) fn sample((size, in_use, waiting, mean_wait, _): Line) -> Sample {
    Sample { size, in_use, waiting, mean_wait }
}

/// So many lines like this one.
pub(crate) fn times(count: usize, line: Line) -> Vec<Line> {
    vec![line; count]
}

/// Asks a new controller line by line. Fails at the first answer that is not the table's; `why` says
/// what the line is about.
pub(crate) fn expect(config: &AdaptiveConfig, lines: &[Line], why: &str) -> Vec<Action> {
    let mut controller = Controller::new(config.clone());
    let mut actions = Vec::new();
    for (index, &line) in lines.iter().enumerate() {
        let action = controller.observe(&sample(line));
        actions.push(action);
        let expected = line.4;
        let is_right = match (expected, action) {
            (Answer::Free, _)
            | (Answer::Grow, Action::Grow(_))
            | (Answer::Shrink, Action::Shrink(_)) => true,
            (answer, action) => answer == Answer::Hold && action == Action::Hold,
        };
        if !is_right {
            fail(
                format!(
                    "{expected:?} for sample {}: {why} ({})",
                    index + 1,
                    config_in_words(config)
                ),
                format!("{action:?}\n{}", drawn(lines, &actions)),
            );
        }
    }
    actions
}

/// The numbers of the configuration that a controller goes by.
pub(crate) fn config_in_words(config: &AdaptiveConfig) -> String {
    let AdaptiveConfig { min, max, target_wait, grow_after, shrink_after, .. } = config;
    format!(
        "min {min}, max {max}, target_wait {}, grow_after {grow_after}, shrink_after {shrink_after}",
        clock(*target_wait)
    )
}

/// The last lines up to the answer that was given last.
pub(crate) fn drawn(lines: &[Line], actions: &[Action]) -> String {
    const SHOWN: usize = 8;
    let mut rows = vec!["sample   size  in use  waiting  mean wait  answer".to_owned()];
    let first = actions.len().saturating_sub(SHOWN);
    if first > 0 {
        rows.push(format!("… {first} before these"));
    }
    for (index, (line, action)) in lines.iter().zip(actions).enumerate().skip(first) {
        let (size, in_use, waiting, mean_wait, _) = line;
        let (number, wait) = (index + 1, clock(*mean_wait));
        rows.push(format!(
            "{number:<6} {size:>6}  {in_use:>6}  {waiting:>7}  {wait:>9}  {action:?}"
        ));
    }
    rows.join("\n")
}
