//! The exercise's example, with the reference in place of the student's code.

extern crate pool_separation_solution as pool_separation;

#[path = "../../../exercises/03-pool-separation/examples/desk.rs"]
mod desk;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    desk::main()
}
