//! The exercise's example, with the reference in place of the student's code.

extern crate priority_pool_solution as priority_pool;

#[path = "../../../exercises/06-priority/examples/rush.rs"]
mod rush;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    rush::main()
}
