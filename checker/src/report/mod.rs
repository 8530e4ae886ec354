//! What people and programs read; a format to a file.
//!
//! Text has its colours in it; whoever prints it does so through `anstream`, which takes them out
//! where nobody wants them.

pub mod json;
pub mod text;
pub mod timeline;
