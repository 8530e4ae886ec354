//! The exercise's program, with the reference in place of the student's code.

extern crate pool_benchmark_solution as pool_benchmark;

#[path = "../../../exercises/08-benchmark/program/main.rs"]
mod program;

fn main() -> std::process::ExitCode {
    program::main()
}
