//! The parts of the checker that need nothing but their input, one by one.

#![allow(dead_code, unreachable_pub, reason = "each part is used as a part here")]
#![allow(clippy::format_push_string, reason = "as in the program")]

#[path = "../../src/course/solution.rs"]
mod solution;

#[path = "../../src/instructor/verify/faulty.rs"]
mod faulty;

#[path = "../../src/process/capture.rs"]
mod capture;

#[path = "../../src/report/timeline/mod.rs"]
mod timeline;

#[path = "../../src/instructor/verify/promises.rs"]
mod promises;

#[path = "../../src/student/watch/state.rs"]
mod state;

mod capture_test;
mod faulty_test;
mod promises_test;
mod solution_test;
mod state_test;
mod timeline_test;
