//! The exercise's example, with the reference in place of the student's code.

extern crate adaptive_pool_solution as adaptive_pool;

#[path = "../../../exercises/05-adaptive/examples/day.rs"]
mod day;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    day::main()
}
