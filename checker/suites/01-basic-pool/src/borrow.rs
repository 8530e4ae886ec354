//! Borrowing and giving back on one thread: P3 to P6.

use harness::{Case, clock, fail};

use crate::desk::{Desk, between, ms};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("lends_a_connection", "P3", lends_a_connection)
            .title("a guard is its connection")
            .points(0.5)
            .lesson("anatomy-of-a-pool")
            .hints(&[
                "What must the guard own so that `deref` can give a reference to it?",
                "The guard holds the connection itself, taken out of the pool: two guards can then \
                 never share one.",
            ]),
        Case::new("takes_it_back", "P4", takes_it_back)
            .title("dropping a guard gives the connection back")
            .points(0.5)
            .lesson("the-guard")
            .hints(&[
                "`Drop::drop` gets `&mut self`. How does a value leave a struct that is only \
                 borrowed?",
                "An `Option` field can be emptied with `take()`. Then put the connection back \
                 where idle ones live, and count again.",
            ]),
        Case::new("reuses_an_idle_one", "P5", reuses_an_idle_one)
            .title("an idle connection is used again")
            .points(0.5)
            .lesson("anatomy-of-a-pool")
            .hints(&[
                "In which order does `get` look for a connection?",
                "First look among the idle ones; only when there is none, think of opening one.",
            ]),
        Case::new("grows_lazily", "P6", grows_lazily)
            .title("a pool grows when it must, one by one, up to max_connections")
            .points(0.5)
            .lesson("parameters")
            .hints(&[
                "With no idle connection and room left, is there any reason to wait?",
                "Compare the number of connections with max_connections and open exactly one if it \
                 is less. Try it on paper with a max of 3 and 2 in use.",
            ]),
    ]
}

fn lends_a_connection() {
    let desk = Desk::open(between(1, 2));
    let mut first = desk.need("from a pool with one idle connection");
    first.order();
    let mut second = desk.need("while one of two is in use");
    second.order();
    if first.id() == second.id() {
        fail(
            "two guards to hold two connections",
            format!("conn {} in both at the same time", first.id()),
        );
    }
    desk.expect_status(0, 2, "while two guards are held");
}

fn takes_it_back() {
    let desk = Desk::open(between(0, 2));
    let first = desk.need("from an empty pool with room for two");
    let second = desk.need("while one of two is in use");
    desk.expect_status(0, 2, "while two guards are held");
    drop(first);
    desk.expect_status(1, 1, "after one of two guards has been dropped");
    drop(second);
    desk.expect_status(2, 0, "after both guards have been dropped");
    desk.expect_sessions(2, "after both guards have been dropped");
}

fn reuses_an_idle_one() {
    let desk = Desk::open(between(0, 3));
    let first = desk.need("from an empty pool").id();
    for round in 2..=5 {
        let mut held = desk.need("that was given back before");
        held.order();
        if held.id() != first {
            fail(
                format!("conn {first}, which is idle, for the trader number {round} of 5"),
                format!("conn {}, opened although conn {first} was idle", held.id()),
            );
        }
    }
    desk.expect_sessions(1, "after five traders, one after the other");

    // One of two has broken, whichever is looked at first: the other one is idle all the same.
    for broken in [1, 2] {
        let desk = Desk::open(between(2, 3));
        desk.exchange.kill(broken);
        let held = desk.need("while two are idle, one of them broken");
        if desk.exchange.opened() > 2 {
            fail(
                format!("conn {}, which is idle, when conn {broken} is found broken", 3 - broken),
                format!("conn {}, opened although conn {} was idle", held.id(), 3 - broken),
            );
        }
    }
}

fn grows_lazily() {
    let desk = Desk::open(between(1, 3));
    let asked = desk.now();
    let mut held = vec![desk.need("from a pool with one idle connection")];
    desk.expect_sessions(1, "while one trader uses the pool");
    for already in 1..3_u32 {
        held.push(desk.need(&format!("while {already} of 3 are in use")));
        desk.expect_status(0, already + 1, &format!("after {} gets", already + 1));
    }
    let waited = desk.now().saturating_sub(asked);
    if waited > ms(0) {
        fail(
            "three connections at once from a pool that may have 3: opening takes no time here",
            format!("the third only after {} of waiting", clock(waited)),
        );
    }

    // The largest number there is: room for as many as anybody needs.
    let desk = Desk::open(between(0, u32::MAX));
    let asked = desk.now();
    let held = [(); 3].map(|()| desk.need_at(asked, "with max_connections u32::MAX"));
    drop(held);
}
