//! A stand-in for tokio, over which a student's crate is compiled when its steps are to be told: the
//! tasks that it starts are given names. All else is tokio's own.

pub use task::spawn;
pub use tokio::*;

/// Tasks.
pub mod task {
    pub use tokio::task::*;

    pub use crate::join_set::JoinSet;
    pub use crate::spawn::spawn;
}

mod join_set;
mod spawn;
