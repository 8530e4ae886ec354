//! The search for a schedule with few switches between threads under which a case still fails as it did.
//!
//! It goes downhill: from the smallest schedule found so far, smaller ones are made and tried, the
//! boldest changes first, as delta debugging does. What they are depends on the first schedule and on
//! what the tries say, on nothing else; so the same failure is always shown in the same way.

use std::collections::HashSet;
use std::ops::Range;

use ledger::{Schedule, Size, Turn};

/// A schedule with so many turns is tried about `MOST_TURNS / turns` times, so that the search for a
/// long one does not last longer.
const MOST_TURNS: usize = 60_000;
/// No more and no fewer tries than this, whatever its length.
const TRIES: (usize, usize) = (100, 1_500);
/// How often a schedule may be found: each time ends a process.
const MOST_FOUND: usize = 40;

/// A smaller schedule than `first` under which the case fails in the same way; `None` if none was found.
///
/// `run` is given candidates, and a size. It runs them in their order until the case fails in the same
/// way, and in a smaller schedule than that: under which candidate, and how it went.
pub fn shrink(
    first: &Schedule,
    mut run: impl FnMut(&[Schedule], Size) -> Option<(usize, Schedule)>,
) -> Option<Schedule> {
    let mut left = (MOST_TURNS / first.turns.len().max(1)).clamp(TRIES.0, TRIES.1);
    let mut tried: HashSet<Schedule> = HashSet::from([first.clone()]);
    let mut best: Option<Schedule> = None;
    let mut candidates = simplest(first);
    let mut is_searching = false;
    for _ in 0..MOST_FOUND {
        candidates.retain(|candidate| !tried.contains(candidate));
        candidates.truncate(left);
        let smallest = best.as_ref().unwrap_or(first);
        if candidates.is_empty() || smallest.size() == Size::default() {
            break;
        }
        let found = run(&candidates, smallest.size());
        let used = found.as_ref().map_or(candidates.len(), |(index, _)| index + 1);
        let used = used.min(candidates.len());
        left -= used;
        tried.extend(candidates.drain(..used));
        match found.map(|(_, how)| how).filter(|how| how.size() < smallest.size()) {
            Some(how) => {
                candidates = smaller(&how);
                tried.insert(how.clone());
                best = Some(how);
            }
            // None of the simplest fails: the search proper begins.
            None if !is_searching => candidates = smaller(first),
            None => {}
        }
        is_searching = true;
    }
    best
}

/// What needs no search: nobody is preempted, the one who can goes on; and the same turns with
/// nothing else decided.
fn simplest(first: &Schedule) -> Vec<Schedule> {
    let plain = Schedule { turns: first.turns.clone(), draws: Vec::new() };
    let draws_alone = Schedule { turns: Vec::new(), draws: first.draws.clone() };
    vec![Schedule::default(), draws_alone, plain]
}

/// Schedules that are smaller than this one, the boldest first: in longer and shorter stretches of
/// it, each thread has but one turn, or nobody has; then two turns of a thread become one; then
/// single preemptions are left out.
fn smaller(schedule: &Schedule) -> Vec<Schedule> {
    let turns = &schedule.turns;
    let mut candidates = vec![turns.clone()];
    let with = |stretch: Range<usize>, instead: Vec<Turn>| {
        joined([&turns[..stretch.start], &instead, &turns[stretch.end..]].concat())
    };
    let mut length = turns.len();
    while length > 0 {
        for from in (0..turns.len()).step_by(length) {
            let stretch = from..(from + length).min(turns.len());
            candidates.push(with(stretch.clone(), Vec::new()));
            let each = in_order(&turns[stretch.clone()]);
            candidates.extend(each.map(|turns| with(stretch.clone(), turns)));
        }
        length /= 2;
    }
    for (from, turn) in turns.iter().enumerate() {
        let behind = turns[from + 1..].iter().position(|next| next.thread == turn.thread);
        if let Some(behind) = behind {
            let stretch = from..from + behind + 2;
            let each = in_order(&turns[stretch.clone()]);
            candidates.extend(each.map(|turns| with(stretch.clone(), turns)));
        }
    }
    for (index, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.decisions.is_some()) {
        let mut uncut = turns.clone();
        uncut[index] = Turn { decisions: None, ..*turn };
        candidates.push(joined(uncut));
    }
    let of_turns = |turns| Schedule { turns, draws: Vec::new() };
    let plain: Vec<Schedule> = candidates.iter().cloned().map(of_turns).collect();
    if schedule.draws.is_empty() {
        return plain;
    }
    let drawn =
        candidates.into_iter().map(|turns| Schedule { turns, draws: schedule.draws.clone() });
    drawn.zip(plain).flat_map(|(drawn, plain)| [plain, drawn]).collect()
}

/// One turn for each thread, as long as its turns together: in the order in which the threads come
/// first, and in that in which they come last.
fn in_order(turns: &[Turn]) -> [Vec<Turn>; 2] {
    let as_first = one_turn_each(turns.iter());
    let mut as_last = one_turn_each(turns.iter().rev());
    as_last.reverse();
    [as_first, as_last]
}

fn one_turn_each<'a>(turns: impl Iterator<Item = &'a Turn>) -> Vec<Turn> {
    let mut each: Vec<Turn> = Vec::new();
    for turn in turns {
        match each.iter_mut().find(|known| known.thread == turn.thread) {
            Some(known) => *known = together(*known, *turn),
            None => each.push(*turn),
        }
    }
    each
}

/// The turns, those made one that a thread has after it was preempted by nobody.
fn joined(turns: Vec<Turn>) -> Vec<Turn> {
    let mut joined: Vec<Turn> = Vec::new();
    for turn in turns {
        match joined.last_mut() {
            Some(last) if last.thread == turn.thread && last.decisions.is_some() => {
                *last = together(*last, turn);
            }
            _ => joined.push(turn),
        }
    }
    joined
}

fn together(one: Turn, other: Turn) -> Turn {
    let decisions = one.decisions.zip(other.decisions).map(|(one, other)| one + other);
    Turn { thread: one.thread, decisions }
}
