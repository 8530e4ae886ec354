//! The checker.

fn main() {}
