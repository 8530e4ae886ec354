//! What is not modelled is a compile error that names it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Checks a crate of the student's kind with these lines; gives what the compiler says.
fn compile(lines: &str) -> (bool, String) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unmodelled");
    let sim = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in sim");
    let root = sim.parent().and_then(Path::parent).expect("in the repository");
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"student\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n\
         std = {{ package = \"sim-std\", path = '{}' }}\n\
         parking_lot = {{ package = \"sim-parking-lot\", path = '{}' }}\n\n[workspace]\n",
        sim.join("std").display(),
        sim.join("parking_lot").display(),
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    fs::write(folder.join("src/lib.rs"), lines).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--quiet", "--color", "never"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn it_is_named() {
    let (ok, said) = compile(
        "use std::sync::mpsc;\n\
         use std::time::Instant;\n\
         pub fn wait(rx: &mpsc::Receiver<u8>) -> Instant { let _ = rx.recv(); Instant::now() }\n",
    );
    assert!(ok, "{said}");
    let (ok, said) = compile(
        "use std::time::SystemTime;\n\
         use std::sync::mpmc;\n\
         pub fn f() { std::thread::spawnhook(); let _ = std::sync::ReentrantLock::new(1); }\n\
         pub fn g() { let _ = parking_lot::deadlock::check_deadlock(); }\n",
    );
    assert!(!ok);
    for name in [
        "no `SystemTime` in `time`",
        "no `mpmc` in `sync`",
        "`spawnhook` in module `std::thread`",
        "`ReentrantLock` in `sync`",
        "`deadlock` in `parking_lot`",
    ] {
        assert!(said.contains(name), "{name} is missing:\n{said}");
    }
}
