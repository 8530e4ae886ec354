//! Drawing a case's ledger.

use std::time::Duration;

use ledger::{Conn, Event, What};

use super::timeline::*;

fn event(at: u64, thread: &str, what: What) -> Event {
    Event { at: Duration::from_millis(at), thread: format!("thread {thread}"), what }
}

fn opened(at: u64, conn: u32) -> [Event; 2] {
    let conn = Conn(conn);
    [event(at, "main", What::Connecting { conn }), event(at, "main", What::Opened { conn })]
}

fn story() -> Vec<Event> {
    let (one, two) = (Conn(1), Conn(2));
    let mut events = Vec::new();
    events.extend(opened(0, 1));
    events.extend(opened(0, 2));
    events.extend([
        event(0, "A", What::Asked),
        event(0, "A", What::Got { conn: one }),
        event(5, "B", What::Asked),
        event(5, "B", What::Got { conn: two }),
        event(10, "D", What::Asked),
        event(60, "A", What::Returned { conn: one }),
        event(70, "B", What::Broke { conn: two }),
        event(80, "B", What::Returned { conn: two }),
        event(80, "B", What::Closed { conn: two }),
        event(100, "D", What::GaveUp { error: "Timeout".into() }),
    ]);
    events
}

#[test]
fn a_forgotten_waiter_is_seen_at_a_glance() {
    let picture = draw(&story(), 100);
    let rows: Vec<&str> = picture.lines().collect();
    assert!(rows[0].trim_start().starts_with("0 ms"), "{picture}");
    assert!(rows[1].starts_with("conn 1") && rows[1].contains("A "), "{picture}");
    assert!(rows[2].starts_with("conn 2") && rows[2].ends_with("broken, closed"), "{picture}");
    assert!(rows[3].starts_with("thread D") && rows[3].contains("· waiting ·"), "{picture}");
    assert!(picture.contains("Timeout: conn 1 was idle from 60 ms on"), "{picture}");
}

#[test]
fn what_became_idle_too_late_is_no_reason() {
    let mut events = story();
    events.retain(|event| event.at < Duration::from_millis(60));
    events.extend([
        event(90, "A", What::Returned { conn: Conn(1) }),
        event(90, "D", What::GaveUp { error: "Closed".into() }),
    ]);
    let picture = draw(&events, 100);
    assert!(picture.contains("Closed") && !picture.contains("was idle"), "{picture}");
}

#[test]
fn a_long_story_is_cut_to_its_end_and_says_so() {
    let mut events = opened(0, 1).to_vec();
    for round in 0..200 {
        let conn = Conn(1);
        events.push(event(round, "A", What::Asked));
        events.push(event(round, "A", What::Got { conn }));
        events.push(event(round, "A", What::Returned { conn }));
    }
    let picture = draw(&events, 80);
    assert!(picture.contains("earlier events"), "{picture}");
    assert!(picture.lines().all(|line| line.chars().count() <= 80), "{picture}");
}

/// Two connections, pinged at once; the second does not answer, and is closed later.
fn a_round() -> Vec<Event> {
    let (one, two) = (Conn(1), Conn(2));
    let mut events = [opened(0, 1), opened(0, 2)].concat();
    events.extend([
        event(100, "pool", What::Pinging { conn: one }),
        event(100, "pool", What::Pinging { conn: two }),
        event(130, "pool", What::Pinged { conn: one, alive: true }),
        event(130, "A", What::Asked),
        event(130, "A", What::Got { conn: one }),
        event(300, "pool", What::Closed { conn: two }),
    ]);
    events
}

#[test]
fn a_ping_is_seen_and_whether_it_was_answered() {
    let picture = draw(&a_round(), 100);
    let row = |name: &str| picture.lines().find(|line| line.starts_with(name)).unwrap();
    let (one, two) = (row("conn 1"), row("conn 2"));
    assert!(one.contains("┄??") && one.contains("?•"), "{picture}");
    assert!(two.contains("┄??") && !two.contains('•'), "{picture}");
    let begins = |row: &str| row.chars().position(|sign| sign == '?').unwrap();
    assert_eq!(begins(one), begins(two), "{picture}");
    let legend = legend(&picture);
    assert!(legend.contains("?? being pinged   • answered"), "{legend}");
}

#[test]
fn a_ping_of_one_that_is_lent_out_is_told() {
    let conn = Conn(1);
    let mut events = opened(0, 1).to_vec();
    events.extend([
        event(0, "A", What::Asked),
        event(0, "A", What::Got { conn }),
        event(50, "pool", What::Pinging { conn }),
        event(60, "pool", What::Pinged { conn, alive: true }),
    ]);
    let picture = draw(&events, 100);
    assert!(picture.contains("pinged while thread A held it"), "{picture}");
}

#[test]
fn many_connections_are_cut_to_those_that_matter() {
    let mut events = Vec::new();
    for conn in 1..=12 {
        events.extend(opened(u64::from(conn), conn));
    }
    let picture = draw(&events, 140);
    assert!(picture.contains("conn 12"), "{picture}");
    assert!(picture.contains("4 connections"), "{picture}");
}

#[test]
fn a_connection_with_a_long_number_keeps_it() {
    let picture = draw(&[opened(0, 11_217), opened(5, 11_218)].concat(), 100);
    assert!(picture.contains("conn 11217") && picture.contains("conn 11218"), "{picture}");
}
