//! What people and programs read; a format to a file.
//!
//! Text has its colours in it; whoever prints it does so through `anstream`, which takes them out
//! where nobody wants them.

mod failure;
pub mod json;
pub mod steps;
pub mod style;
pub mod terminal;
pub mod text;
pub mod timeline;
