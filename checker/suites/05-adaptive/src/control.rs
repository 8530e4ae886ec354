//! What the controller answers, sample by sample: P2 to P6.

use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, Controller, Sample};
use harness::{Case, fail};

use crate::desk::{between, ms};
use crate::table::Answer::{Free, Grow, Hold, Shrink};
use crate::table::{Line, config_in_words, drawn, expect, sample, times};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("lasting_waits_grow", "P2", lasting_waits_grow)
            .title("the controller grows the pool when waits last")
            .paused()
            .points(1.0)
            .lesson("slow-idle-fine")
            .hints(&[
                "What has to be remembered from one sample to the next, and nothing more?",
                "Count slow samples in a row. At the one that makes `grow_after`, answer `Grow`, \
                 with `waiting` as its number for a beginning, but at least 1.",
                "The answer depends on no particular value of `grow_after`: with 1, the very first \
                 slow sample is enough.",
            ]),
        Case::new("a_spike_holds", "P3", a_spike_holds)
            .title("a spike makes no pool grow")
            .paused()
            .points(0.5)
            .lesson("slow-idle-fine")
            .hints(&[
                "Two slow samples with a good one between them: are they in a row?",
                "Every sample that is not slow sets the count of slow ones back to 0, an idle one as \
                 well as a fine one.",
            ]),
        Case::new("lasting_idleness_shrinks", "P4", lasting_idleness_shrinks)
            .title("the controller shrinks a pool that is idle for long")
            .paused()
            .points(1.0)
            .lesson("slow-idle-fine")
            .hints(&[
                "Growing and shrinking each have a count of their own. When does each begin anew?",
                "At the idle sample that makes `shrink_after` in a row, answer `Shrink` with at \
                 least 1. A slow or a fine sample sets the count back to 0.",
            ]),
        Case::new("fine_holds", "P5", fine_holds)
            .title("a pool that is busy and quick enough is left alone")
            .paused()
            .points(0.5)
            .lesson("hysteresis")
            .hints(&[
                "There is a band between *slow* and *idle* in which nothing happens. Where does it \
                 begin, where does it end, and to whom do its ends belong?",
                "`mean_wait > target_wait` is slow; exactly `target_wait` is not. Twice `in_use` less \
                 than `size` is idle; exactly half is not. And whoever waits is a reason not to \
                 shrink.",
            ]),
        Case::new("keeps_to_the_bounds", "P6", keeps_to_the_bounds)
            .title("never above max, never below min or what is in use")
            .paused()
            .points(0.5)
            .lesson("hysteresis")
            .hints(&[
                "A hundred wait, there are 8 places, and `max` is 10. By how many may the pool grow?",
                "`clamp` is a good friend; so is `Hold`, when there is no room at all.",
                "Sizes may be near `u32::MAX`: which of your sums and products fits no `u32`? \
                 `saturating_add`, `saturating_sub`, or a comparison that needs none.",
            ]),
    ]
}

/// Grows after three slow ones, shrinks after four idle ones.
fn three_and_four() -> AdaptiveConfig {
    AdaptiveConfig { grow_after: 3, shrink_after: 4, ..between(2, 20) }
}

// size, in use, waiting, mean wait, and the answer
const SLOW: Line = (4, 4, 3, ms(50), Hold);
const IDLE: Line = (8, 1, 0, ms(0), Hold);
const FINE: Line = (4, 3, 0, ms(2), Hold);

/// The line with another answer.
fn but(line: Line, answer: crate::table::Answer) -> Line {
    (line.0, line.1, line.2, line.3, answer)
}

fn lasting_waits_grow() {
    let config = three_and_four();
    let lines = [SLOW, SLOW, but(SLOW, Grow)];
    expect(&config, &lines, "the third slow one in a row");
    // Whatever came before.
    let lines = [FINE, IDLE, SLOW, SLOW, but(SLOW, Grow)];
    expect(&config, &lines, "the third slow one in a row, after others");
    // Nobody waits at this moment, but those who did waited long.
    let nobody = (4, 4, 0, ms(50), Hold);
    let lines = [nobody, nobody, but(nobody, Grow)];
    expect(&config, &lines, "the third slow one in a row, though nobody waits at its end");
    // A bare minimum above the target.
    let barely = (4, 4, 1, Duration::from_micros(10_001), Hold);
    let lines = [barely, barely, but(barely, Grow)];
    expect(&config, &lines, "the third with a mean_wait above target_wait, if only by 1 µs");
    // Few are in use, and people wait all the same: connecting takes so long.
    let few = (10, 2, 1, ms(500), Hold);
    let lines = [few, few, but(few, Grow)];
    expect(&config, &lines, "the third slow one in a row, though few places are in use");
    let many = (18, 18, 30, ms(50), Hold);
    let lines = [many, many, but(many, Grow)];
    expect(&config, &lines, "the third slow one in a row, with less room than it takes");
    for grow_after in [1, 2, 7] {
        let config = AdaptiveConfig { grow_after, ..config.clone() };
        let mut lines = times(grow_after as usize, SLOW);
        lines[grow_after as usize - 1].4 = Grow;
        expect(&config, &lines, "the slow one that makes grow_after in a row");
    }
    let config = AdaptiveConfig { target_wait: Duration::ZERO, ..config };
    let short = (4, 4, 1, Duration::from_nanos(1), Hold);
    let lines = [short, short, but(short, Grow)];
    expect(&config, &lines, "the third in a row above a target_wait of zero");
    grows_again();
}

/// It was not enough.
fn grows_again() {
    let config = three_and_four();
    let lines = times(30, but(SLOW, Free));
    let actions = expect(&config, &lines, "a slow one");
    for (index, three) in actions.windows(3).enumerate().skip(2) {
        if !three.iter().any(|action| matches!(action, Action::Grow(_))) {
            let shown = index + 3;
            fail(
                format!(
                    "`Grow` again within three more samples, as long as all are slow ({})",
                    config_in_words(&config)
                ),
                format!("none\n{}", drawn(&lines, &actions[..shown])),
            );
        }
    }
}

fn a_spike_holds() {
    let config = three_and_four();
    let lines = [SLOW, FINE, SLOW, SLOW, FINE, SLOW, SLOW, FINE, SLOW];
    expect(&config, &lines, "no three slow ones in a row");
    let lines = [SLOW, SLOW, IDLE, SLOW, SLOW, IDLE, SLOW];
    expect(&config, &lines, "no three slow ones in a row, for an idle one came between them");
    // At `min` nothing comes of an idle one, and it ends the row all the same.
    let (short, quiet) = ((2, 2, 3, ms(50), Hold), (2, 0, 0, ms(0), Hold));
    let lines = [short, short, quiet, short, short, quiet, short];
    expect(
        &config,
        &lines,
        "no three slow ones in a row, for one that was idle came between, at min",
    );
    let dreadful = (4, 4, 900, Duration::from_secs(25), Hold);
    expect(&config, &[dreadful, dreadful, FINE], "however bad two are, they are not three");
    // After a decision, too, a good one begins the count anew.
    let lines = [SLOW, SLOW, but(SLOW, Grow), FINE, SLOW, SLOW, FINE, SLOW, SLOW];
    expect(&config, &lines, "no three slow ones in a row, since the pool has grown");
    let many = AdaptiveConfig { grow_after: u32::MAX, ..config };
    expect(&many, &times(500, SLOW), "with a grow_after of u32::MAX");
}

fn lasting_idleness_shrinks() {
    let config = three_and_four();
    let lines = [IDLE, IDLE, IDLE, but(IDLE, Shrink)];
    expect(&config, &lines, "the fourth idle one in a row");
    let lines = [IDLE, IDLE, IDLE, FINE, IDLE, IDLE, IDLE, but(IDLE, Shrink)];
    expect(&config, &lines, "the fourth idle one in a row, since a fine one came between them");
    let lines = [IDLE, IDLE, IDLE, SLOW, IDLE, IDLE, IDLE, but(IDLE, Shrink)];
    expect(&config, &lines, "the fourth idle one in a row, since a slow one came between them");
    // At `max` nothing comes of a slow one, and it ends the row all the same.
    let (full, empty) = ((20, 20, 3, ms(50), Hold), (20, 1, 0, ms(0), Hold));
    let lines = [empty, empty, empty, full, empty, empty, empty, but(empty, Shrink)];
    expect(&config, &lines, "the fourth idle one in a row, since a slow one at max came between");
    let slow = (8, 1, 0, ms(50), Hold);
    let lines = [slow, IDLE, IDLE, IDLE, but(IDLE, Shrink)];
    expect(
        &config,
        &lines,
        "the fourth idle one in a row: a slow one is not idle, however few are in use",
    );
    // Just below half, and some had to wait a little.
    let barely = (9, 4, 0, ms(10), Hold);
    let lines = [barely, barely, barely, but(barely, Shrink)];
    expect(&config, &lines, "the fourth of which less than half is in use, 4 of 9");
    let one_too_many = (3, 0, 0, ms(0), Hold);
    let lines = [one_too_many, one_too_many, one_too_many, but(one_too_many, Shrink)];
    expect(&config, &lines, "the fourth idle one in a row, with one place above min");
    for shrink_after in [1, 2, 9] {
        let config = AdaptiveConfig { shrink_after, ..config.clone() };
        let mut lines = times(shrink_after as usize, IDLE);
        lines[shrink_after as usize - 1].4 = Shrink;
        expect(&config, &lines, "the idle one that makes shrink_after in a row");
    }
    let lines = times(30, but(IDLE, Free));
    let actions = expect(&config, &lines, "an idle one");
    for (index, four) in actions.windows(4).enumerate().skip(3) {
        if !four.iter().any(|action| matches!(action, Action::Shrink(_))) {
            let shown = index + 4;
            fail(
                format!(
                    "`Shrink` again within four more samples, as long as all are idle ({})",
                    config_in_words(&config)
                ),
                format!("none\n{}", drawn(&lines, &actions[..shown])),
            );
        }
    }
    // What a decision leaves behind is ended by the next rush.
    let lines = [IDLE, IDLE, IDLE, but(IDLE, Shrink), SLOW, IDLE, IDLE, IDLE, but(IDLE, Shrink)];
    expect(&config, &lines, "the fourth idle one in a row, since a slow one came between them");
}

fn fine_holds() {
    let config = three_and_four();
    let busy = [
        ((4, 4, 0, ms(0), Hold), "all are in use, and nobody has to wait"),
        ((4, 4, 2, ms(9), Hold), "mean_wait is below target_wait, though some wait"),
        ((4, 4, 2, ms(10), Hold), "mean_wait is target_wait, and not above it"),
        ((8, 4, 0, ms(0), Hold), "exactly half is in use"),
        ((8, 5, 0, ms(0), Hold), "more than half is in use"),
        ((19, 10, 0, ms(0), Hold), "more than half is in use, 10 of 19"),
        ((8, 1, 1, ms(3), Hold), "few are in use, but one waits"),
        ((2, 0, 0, ms(0), Hold), "it is idle, and there are min places"),
    ];
    for (line, why) in busy {
        expect(&config, &times(40, line), why);
    }
    let tolerant = AdaptiveConfig { target_wait: Duration::MAX, ..config.clone() };
    let line = (4, 4, 900, Duration::MAX, Hold);
    expect(&tolerant, &times(40, line), "no wait is above a target_wait of Duration::MAX");
    // Each in turn, so that no count of any kind comes to an end.
    let lines: Vec<Line> = busy.iter().map(|(line, _)| *line).cycle().take(80).collect();
    expect(&config, &lines, "none of them is slow or idle");
}

fn keeps_to_the_bounds() {
    // min, max, and samples that would lead far beyond them
    let huge = u32::MAX;
    let tries = [
        (2, 10, vec![(8, 8, 100, ms(500), Free), (9, 9, 1, ms(500), Free)]),
        (2, 10, vec![(8, 8, huge, Duration::MAX, Free), (8, 8, 0, ms(500), Free)]),
        (1, 1, vec![(1, 1, 7, ms(500), Hold), (1, 0, 0, ms(0), Hold)]),
        (2, 10, vec![(10, 10, 100, ms(500), Hold), (10, 0, 100, ms(500), Hold)]),
        (5, 40, vec![(40, 0, 0, ms(0), Free), (6, 0, 0, ms(0), Free), (7, 3, 0, ms(0), Free)]),
        (5, 40, vec![(39, 19, 0, ms(0), Free), (40, 4, 0, ms(0), Free)]),
        (2, huge, vec![(huge - 1, huge - 1, huge, Duration::MAX, Free)]),
        (2, huge, vec![(huge, huge, huge, Duration::MAX, Hold)]),
        (1, huge, vec![(huge, 3_000_000_000, 0, ms(0), Hold)]),
        (1, huge, vec![(huge, 2_147_483_647, 0, ms(0), Free), (huge, 0, 0, ms(0), Free)]),
        (huge, huge, vec![(huge, 0, 0, ms(0), Hold), (huge, huge, 1, ms(500), Hold)]),
    ];
    for (min, max, lines) in tries {
        for line in lines {
            let config = AdaptiveConfig { min, max, ..three_and_four() };
            let lines = times(12, line);
            let (_, in_use, _, mean_wait, _) = line;
            let busy = mean_wait.is_zero() && in_use > 0;
            let why = if busy { "more than half is in use" } else { "there is no room" };
            let actions = expect(&config, &lines, why);
            for shown in 1..=actions.len() {
                within(&config, &lines[..shown], &actions[..shown]);
            }
        }
    }
    // More were in use in the last one than in those before.
    for in_use in [1, 4] {
        let (empty, last) = ((10, 0, 0, ms(0), Free), (10, in_use, 0, ms(0), Free));
        let (config, lines) = (three_and_four(), [empty, empty, empty, last]);
        let actions = expect(&config, &lines, "an idle one");
        within(&config, &lines, &actions);
    }
    // The longest of all rows.
    let mut controller =
        Controller::new(AdaptiveConfig { max: 8, grow_after: huge, ..three_and_four() });
    let full = Sample { size: 8, in_use: 8, waiting: 9, mean_wait: Duration::MAX };
    for _ in 0..10_000 {
        controller.observe(&full);
    }
}

/// Fails if the last of these answers leads out of the bounds.
fn within(config: &AdaptiveConfig, lines: &[Line], actions: &[Action]) {
    let Some((&line, action)) = lines.last().zip(actions.last()) else { return };
    let Sample { size, in_use, .. } = sample(line);
    let (least, most) = (config.min.max(in_use), config.max);
    let (is_fine, what) = match *action {
        Action::Hold => return,
        Action::Grow(places) => {
            let fits = size.checked_add(places).is_some_and(|size| size <= most);
            (places >= 1 && fits, format!("`Grow` by 1 or more, and to {most} at most"))
        }
        Action::Shrink(places) => {
            let fits = size.checked_sub(places).is_some_and(|size| size >= least);
            (
                places >= 1 && fits,
                format!("`Shrink` by 1 or more, and to {least} at least: min, or what was in use"),
            )
        }
    };
    if !is_fine {
        fail(
            format!("{what} ({})", config_in_words(config)),
            format!("{action:?}\n{}", drawn(lines, actions)),
        );
    }
}
