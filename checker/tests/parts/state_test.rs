//! What watch decides.

use super::state::*;

const CHECK: [Action; 2] = [Action::Check { task: 0 }, Action::Look];

fn looked(hash: &str) -> Event {
    Event::Looked(hash.to_owned())
}

fn checked(hash: &str) -> Event {
    Event::Checked { hash: hash.to_owned(), cancelled: false }
}

fn cancelled() -> Event {
    Event::Checked { hash: String::new(), cancelled: true }
}

/// A state that has checked `a` and waits.
fn idle() -> State {
    let (mut state, actions) = State::new(0, 2);
    assert_eq!(actions, CHECK);
    assert_eq!(state.on(looked("a")), []);
    assert_eq!(state.on(checked("a")), [Action::ShowVerdict, Action::Look]);
    assert_eq!(state.on(looked("a")), []);
    state
}

#[test]
fn a_save_is_checked_once_however_often_it_is_seen() {
    let mut state = idle();
    assert_eq!(state.on(looked("b")), CHECK);
    assert_eq!(state.on(looked("b")), []);
    assert_eq!(state.on(looked("b")), []);
    assert_eq!(state.on(checked("b")), [Action::ShowVerdict, Action::Look]);
    assert_eq!(state.on(looked("b")), []);
}

#[test]
fn a_save_during_a_run_restarts_it() {
    let mut state = idle();
    state.on(looked("b"));
    state.on(looked("b"));
    assert_eq!(state.on(looked("c")), [Action::Cancel]);
    assert_eq!(state.on(looked("d")), []);
    assert_eq!(state.on(cancelled()), CHECK);
    assert_eq!(state.on(looked("d")), []);
    assert_eq!(state.on(checked("d")), [Action::ShowVerdict, Action::Look]);
}

#[test]
fn a_save_that_no_event_told_of_is_found_by_the_look_at_the_end() {
    let mut state = idle();
    state.on(looked("b"));
    state.on(looked("b"));
    state.on(checked("b"));
    assert_eq!(state.on(looked("c")), CHECK);
}

#[test]
fn hints_rise_by_level_and_begin_anew_with_a_verdict() {
    let mut state = idle();
    assert_eq!(state.on(Event::Key(Key::Hint)), [Action::ShowHint(1)]);
    assert_eq!(state.on(Event::Key(Key::Hint)), [Action::ShowHint(2)]);
    state.on(looked("b"));
    assert!(matches!(state.on(Event::Key(Key::Hint))[..], [Action::Say(_)]));
    state.on(checked("b"));
    assert_eq!(state.on(Event::Key(Key::Hint)), [Action::ShowHint(1)]);
}

#[test]
fn the_next_task_comes_round_and_ends_what_runs() {
    let mut state = idle();
    let second = [Action::Check { task: 1 }, Action::Look];
    assert_eq!(state.on(Event::Key(Key::Next)), second);
    assert_eq!(state.on(Event::Key(Key::Next)), [Action::Cancel]);
    assert_eq!(state.on(cancelled()), CHECK);
    let (mut only, _) = State::new(0, 1);
    assert!(matches!(only.on(Event::Key(Key::Next))[..], [Action::Say(_)]));
}

#[test]
fn quitting_waits_for_the_run_unless_asked_twice() {
    assert_eq!(idle().on(Event::Key(Key::Quit)), [Action::Quit]);
    let mut state = idle();
    assert_eq!(state.on(Event::Key(Key::All)), [Action::CheckAll, Action::Look]);
    assert_eq!(state.on(Event::Interrupted), [Action::Cancel]);
    assert_eq!(state.on(cancelled()), [Action::Quit]);
    let mut state = idle();
    state.on(looked("b"));
    assert_eq!(state.on(Event::Key(Key::Quit)), [Action::Cancel]);
    assert_eq!(state.on(Event::Key(Key::Quit)), [Action::Quit]);
}
