//! Holding README, suite and cases against each other.

use std::time::Duration;

use ledger::{CaseInfo, Level, Listing, World};

use super::promises::*;

fn case(name: &str, promise: &str) -> CaseInfo {
    CaseInfo {
        number: 0,
        name: name.into(),
        promise: promise.into(),
        title: String::new(),
        points: 1.0,
        level: Level::Core,
        world: World::Real,
        schedules: 1,
        deadline: Duration::from_secs(1),
        hints: vec!["think".into()],
        lesson: String::new(),
        resources: vec![],
        held_out: false,
        databases: false,
    }
}

#[test]
fn a_readmes_promises_are_read_in_several_styles() {
    let readme = "P0x is none.\n\n**P1** — Never *more* than\n  `max` ones.\n- **P2.** Two\n- P3: Three\n\nmore\n### P4. Four\nPool\n";
    let read = of_readme(readme);
    let expected =
        [("P1", "Never more than max ones."), ("P2", "Two"), ("P3", "Three"), ("P4", "Four Pool")];
    assert_eq!(read, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[test]
fn disagreements_are_told() {
    let promises = [("P1", "One"), ("P2", "Two"), ("P3", "Three")];
    let listing = Listing {
        promises: promises.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        cases: vec![case("a", "P1"), case("b", "P9"), case("c", "P2")],
    };
    let kills = ["a", "c", "gone"].map(str::to_owned).into();
    let told = disagreements("- P1. One\n- P2. Zwei\n- P4. Four\n", &listing, &kills);
    assert_eq!(
        told,
        [
            "P2 reads differently: README “Zwei”, suite “Two”",
            "P3 is promised by the suite and not by the README",
            "P3 has no case",
            "P4 is promised by the README and not by the suite",
            "b quotes P9, which nobody promises",
            "b is the named killer of no faulty variant",
            "a faulty variant names the case gone, which does not exist",
        ]
    );
}
