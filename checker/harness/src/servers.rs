//! On which servers a case ran, and what of it could not run here: said by the body, kept in the
//! record however the case ends.

use std::sync::{Mutex, PoisonError};

static RAN_ON: Mutex<Vec<String>> = Mutex::new(Vec::new());
static LEFT_OUT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The case runs on this server: `PostgreSQL 15.18`. Once said is enough.
pub fn ran_on(server: impl Into<String>) {
    add(&RAN_ON, server.into());
}

/// A part of the case cannot run here, for this reason, which is shown to whoever reads the
/// verdict. It costs no points: what did run decides.
pub fn left_out(why: impl Into<String>) {
    add(&LEFT_OUT, why.into());
}

/// What was said so far: the servers, and what was left out.
pub(crate) fn said() -> (Vec<String>, Vec<String>) {
    let all =
        |list: &Mutex<Vec<String>>| list.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (all(&RAN_ON), all(&LEFT_OUT))
}

fn add(list: &Mutex<Vec<String>>, text: String) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    if !list.contains(&text) {
        list.push(text);
    }
}
