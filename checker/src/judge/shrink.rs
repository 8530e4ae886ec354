//! The search for a schedule with few switches between threads under which a case still fails as it did.
//!
//! It goes downhill: from the smallest schedule found so far, smaller ones are made and tried, the
//! boldest changes first, as delta debugging does. What they are depends on the first schedule and on
//! what the tries say, on nothing else; so the same failure is always shown in the same way.

use std::collections::HashSet;
use std::iter::{once, successors};
use std::ops::Range;

use ledger::{Schedule, Size, Turn};

/// A schedule with so many turns is tried about `MOST_TURNS / turns` times, so that the search for a
/// long one does not last longer.
const MOST_TURNS: usize = 150_000;
/// No more and no fewer tries than this, whatever its length.
const TRIES: (usize, usize) = (30, 1_500);
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
    let mut known: HashSet<Schedule> = HashSet::from([first.clone()]);
    let mut best = first.clone();
    let mut candidates = simplest(first);
    let mut is_searching = false;
    for _ in 0..MOST_FOUND {
        candidates.truncate(left);
        if candidates.is_empty() || best.size() == Size::default() {
            break;
        }
        let found = run(&candidates, best.size());
        let used = found.as_ref().map_or(candidates.len(), |(index, _)| index + 1);
        left -= used.min(candidates.len());
        known.extend(candidates.drain(..used.min(candidates.len())));
        let better = found.map(|(_, how)| how).filter(|how| how.size() < best.size());
        // If none of the simplest fails, the search begins all the same.
        if better.is_some() || !is_searching {
            best = better.unwrap_or(best);
            let mut fresh = HashSet::new();
            let is_new = |new: &Schedule| !known.contains(new) && fresh.insert(new.clone());
            candidates = smaller(&best).filter(is_new).take(left).collect();
        }
        is_searching = true;
    }
    Some(best).filter(|best| best != first)
}

/// What needs no search: nobody is preempted, the one who can goes on; and the same turns with
/// nothing else decided.
fn simplest(first: &Schedule) -> Vec<Schedule> {
    let plain = Schedule { turns: first.turns.clone(), draws: Vec::new() };
    let draws_alone = Schedule { turns: Vec::new(), draws: first.draws.clone() };
    vec![Schedule::default(), draws_alone, plain]
}

/// Schedules that are smaller than this one, the boldest first: in longer and shorter stretches of
/// it, nobody has a turn, or each thread has but one; then two turns of a thread become one; then
/// single preemptions are left out. Made one by one, for of a long one there are many.
fn smaller(schedule: &Schedule) -> impl Iterator<Item = Schedule> {
    let turns = &schedule.turns[..];
    let lengths = successors(Some(turns.len()), |length| Some(length / 2));
    let stretches = lengths.take_while(|length| *length > 0).flat_map(move |length| {
        let from = (0..turns.len()).step_by(length);
        from.map(move |from| from..(from + length).min(turns.len()))
    });
    let emptier = stretches.flat_map(move |stretch| {
        let [as_first, as_last] = in_order(&turns[stretch.clone()]);
        [Vec::new(), as_first, as_last].map(|instead| replaced(turns, &stretch, &instead))
    });
    let paired = (0..turns.len()).flat_map(move |from| {
        let thread = turns[from].thread;
        let next = turns[from + 1..].iter().position(|next| next.thread == thread);
        let stretch = next.map(|next| from..from + next + 2);
        let one_turn = |stretch: Range<usize>| {
            in_order(&turns[stretch.clone()]).map(|instead| replaced(turns, &stretch, &instead))
        };
        stretch.map(one_turn).into_iter().flatten()
    });
    let preemptions = (0..turns.len()).filter(move |index| turns[*index].decisions.is_some());
    let uncut = preemptions.map(move |index| {
        let uncut = Turn { decisions: None, ..turns[index] };
        replaced(turns, &(index..index + 1), &[uncut])
    });
    let changed = once(turns.to_vec()).chain(emptier).chain(paired).chain(uncut);
    changed.flat_map(|turns| {
        let plain = Schedule { turns: turns.clone(), draws: Vec::new() };
        let drawn = Schedule { turns, draws: schedule.draws.clone() };
        [plain, drawn]
    })
}

/// The turns with others instead of a stretch of them.
fn replaced(turns: &[Turn], stretch: &Range<usize>, instead: &[Turn]) -> Vec<Turn> {
    joined([&turns[..stretch.start], instead, &turns[stretch.end..]].concat())
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
