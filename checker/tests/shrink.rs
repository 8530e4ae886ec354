//! The search for a small failing schedule, with threads that are made up: each is a list of operations,
//! and a schedule fails if it does what the test looks for.

#![allow(unreachable_pub, reason = "the part is used as a part here")]

use ledger::{Schedule, Turn};

#[path = "../src/judge/shrink.rs"]
mod shrink;

use shrink::shrink;

/// Made-up threads: so many operations each, after some of which a thread waits for another one's end.
struct Story {
    operations: Vec<u64>,
    /// Whether the case fails if the threads have done this, in this order.
    fails: fn(&[usize]) -> bool,
}

impl Story {
    /// Runs as the schedule says, as the simulation would: what happened, and whether that fails.
    fn run(&self, schedule: &Schedule) -> Option<Schedule> {
        let (mut left, mut done) = (self.operations.clone(), Vec::new());
        let mut turns = schedule.turns.iter().copied();
        let mut turn = turns.next();
        let mut current = 0;
        while left.iter().any(|left| *left > 0) {
            current = loop {
                match &mut turn {
                    Some(Turn { thread, decisions })
                        if left[*thread] > 0 && *decisions != Some(0) =>
                    {
                        *decisions = decisions.map(|decisions| decisions - 1);
                        break *thread;
                    }
                    Some(_) => turn = turns.next(),
                    None if left[current] > 0 => break current,
                    None => break left.iter().position(|left| *left > 0)?,
                }
            };
            left[current] -= 1;
            done.push(current);
        }
        (self.fails)(&done).then(|| self.as_it_went(&done))
    }

    fn as_it_went(&self, done: &[usize]) -> Schedule {
        let mut left = self.operations.clone();
        let mut turns: Vec<Turn> = Vec::new();
        for stretch in done.chunk_by(|one, other| one == other) {
            let (thread, length) = (stretch[0], stretch.len() as u64);
            left[thread] -= length;
            turns.push(Turn { thread, decisions: (left[thread] > 0).then_some(length) });
        }
        Schedule { turns, draws: Vec::new() }
    }

    /// A schedule that fails: the first of many in which any thread may have each turn.
    fn first(&self) -> Schedule {
        let mut random = 1_u64;
        let mut below = |most: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(random >> 33).unwrap() % most
        };
        let fails = (0..100_000).find_map(|_| {
            let (mut left, mut done) = (self.operations.clone(), Vec::new());
            while left.iter().any(|left| *left > 0) {
                let thread = below(left.len());
                if left[thread] > 0 {
                    left[thread] -= 1;
                    done.push(thread);
                }
            }
            (self.fails)(&done).then(|| self.as_it_went(&done))
        });
        fails.expect("some schedule fails")
    }

    /// Shrinks a failing schedule: into what, in how many calls and tries.
    fn shrunk(&self) -> (Option<Schedule>, usize, usize) {
        let first = self.first();
        let (mut calls, mut tries) = (0, 0);
        let shrunk = shrink(&first, |candidates, smallest| {
            calls += 1;
            candidates.iter().enumerate().find_map(|(index, candidate)| {
                tries += 1;
                let how = self.run(candidate).filter(|how| how.size() < smallest)?;
                Some((index, how))
            })
        });
        (shrunk, calls, tries)
    }
}

fn position(done: &[usize], thread: usize, number: usize) -> usize {
    let mut of_thread = done.iter().enumerate().filter(|(_, doer)| **doer == thread);
    of_thread.nth(number).map(|(place, _)| place).unwrap()
}

#[test]
fn what_fails_in_any_order_is_shown_without_a_preemption() {
    let story = Story { operations: vec![20, 20, 20], fails: |_| true };
    let (shrunk, _, tries) = story.shrunk();
    let shrunk = shrunk.unwrap();
    assert_eq!((shrunk.size().preemptions, shrunk.size().other_switches), (0, 2));
    assert!(tries < 20, "{tries}");
}

#[test]
fn one_preemption_that_is_needed_is_kept() {
    // Thread 2 comes between two operations of thread 1: a check, then an act.
    let story = Story {
        operations: vec![10, 15, 12],
        fails: |done| (position(done, 1, 6)..position(done, 1, 7)).contains(&position(done, 2, 4)),
    };
    let (shrunk, calls, tries) = story.shrunk();
    let shrunk = shrunk.unwrap();
    assert_eq!(shrunk.size().preemptions, 1, "{shrunk:?}");
    assert!(calls <= 40 && tries <= 1_500, "{calls} {tries}");
}

#[test]
fn two_preemptions_that_are_needed_are_kept() {
    // Thread 0 comes between two operations of thread 1, and thread 1 between two of thread 0.
    let story = Story {
        operations: vec![12, 12, 12],
        fails: |done| {
            let among = |thread, number, other, with| {
                (position(done, thread, number)..position(done, thread, number + 1))
                    .contains(&position(done, other, with))
            };
            among(1, 3, 0, 4) && among(0, 8, 1, 8)
        },
    };
    let shrunk = story.shrunk().0.unwrap();
    assert_eq!(shrunk.size().preemptions, 2, "{shrunk:?}");
}

#[test]
fn the_same_schedule_is_shrunk_in_the_same_way() {
    let story = || Story {
        operations: vec![9, 9, 9, 9],
        fails: |done| position(done, 3, 2) < position(done, 0, 5),
    };
    assert_eq!(story().shrunk(), story().shrunk());
}

#[test]
fn what_never_fails_again_stays_as_it_is_and_the_search_ends() {
    let turn = |number: usize| Turn { thread: number % 2, decisions: Some(1) };
    let first = Schedule { turns: (0..600).map(turn).collect(), draws: Vec::new() };
    let (mut calls, mut tries) = (0, 0);
    let shrunk = shrink(&first, |candidates, _| {
        calls += 1;
        tries += candidates.len();
        None
    });
    assert_eq!((shrunk, calls, tries), (None, 2, 250));
}

#[test]
fn what_was_decided_besides_is_dropped_if_it_does_not_matter() {
    let turns = vec![Turn { thread: 0, decisions: Some(3) }, Turn { thread: 1, decisions: None }];
    let first = Schedule { turns, draws: vec![1, 2] };
    let free = shrink(&first, |candidates, _| {
        let place = candidates.iter().position(|candidate| candidate.turns == first.turns);
        place.map(|place| (place, candidates[place].clone()))
    });
    assert_eq!(free.unwrap().draws, Vec::<usize>::new());
    let tied = shrink(&first, |candidates, _| {
        let place = candidates.iter().position(|candidate| candidate.draws == first.draws);
        place.map(|place| (place, candidates[place].clone()))
    });
    assert_eq!(tied.unwrap(), Schedule { turns: Vec::new(), draws: vec![1, 2] });
}
