//! What a student asks for.

pub mod check;
pub mod hint;
pub mod lint;
pub mod list;
pub mod reset;
pub mod watch;
