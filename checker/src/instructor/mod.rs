//! What only instructors ask for; the students' edition is built without this folder.

pub mod pack;
pub mod starters;
pub mod verify;
