//! The exercise's example, with the reference in place of the student's code.

extern crate fault_tolerant_pool_solution as fault_tolerant_pool;

#[path = "../../../exercises/07-fault-tolerant/examples/outage.rs"]
mod outage;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    outage::main()
}
