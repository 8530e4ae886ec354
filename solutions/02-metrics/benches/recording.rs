//! What recording costs.
fn main() {}
