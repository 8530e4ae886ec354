//! Watch, as a person has it: the real program on a terminal, keys and saves.

#![cfg(unix)]

mod made_up;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use made_up::{Course, SOLUTION, STARTER};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const LIB: &str = "exercises/01-sums/src/lib.rs";
const READY: &str = "q quit";
/// Nothing here takes long; this is when a test stops hoping.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the program has printed, and whether that was all.
type Screen = Arc<(Mutex<(String, bool)>, Condvar)>;

/// A checker that watches a course, and the terminal that it does so on.
struct Watch {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Option<Box<dyn Child + Send + Sync>>,
    /// The terminal's modes before the program began.
    modes: String,
    screen: Screen,
    /// How much of the screen has been seen.
    seen: usize,
}

impl Watch {
    fn begin(course: &Course, args: &[&str]) -> Self {
        let size = PtySize { rows: 40, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_checker"));
        command.args(args);
        command.cwd(course.root());
        command.env("TERM", "xterm");
        let modes = modes(&*pair.master);
        let child = Some(pair.slave.spawn_command(command).unwrap());
        let mut output = pair.master.try_clone_reader().unwrap();
        let screen = Screen::default();
        let written = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                written.0.lock().unwrap().0 += &String::from_utf8_lossy(&bytes[..count]);
                written.1.notify_all();
            }
            written.0.lock().unwrap().1 = true;
            written.1.notify_all();
        });
        let keys = pair.master.take_writer().unwrap();
        Self { master: pair.master, keys, child, modes, screen, seen: 0 }
    }

    /// Waits until this is printed, after all that was waited for before; gives what is between.
    fn expect(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut screen = self.screen.0.lock().unwrap();
        loop {
            if let Some(at) = screen.0[self.seen..].find(text) {
                let end = self.seen + at + text.len();
                let between = screen.0[self.seen..end].to_owned();
                self.seen = end;
                return between;
            }
            let left = until.saturating_duration_since(Instant::now());
            let rest = &screen.0[self.seen..];
            assert!(!left.is_zero() && !screen.1, "no {text:?} in: {rest}");
            screen = self.screen.1.wait_timeout(screen, left).unwrap().0;
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for the end: its exit code, and whether the terminal is as it was.
    fn end(&mut self) -> (u32, bool) {
        let (sender, ended) = std::sync::mpsc::channel();
        let mut child = self.child.take().unwrap();
        let mut killer = child.clone_killer();
        thread::spawn(move || sender.send(child.wait().unwrap().exit_code()));
        let code = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            killer.kill().unwrap();
            panic!("it does not end")
        });
        (code, modes(&*self.master) == self.modes)
    }
}

/// The terminal's modes, in words that can be compared.
fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap())
}

/// Waits for what nobody announces.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A source whose first case never ends, and the file in which its process writes its number.
fn endless(course: &Course) -> (String, PathBuf) {
    let begun = course.path("begun");
    let path = begun.to_str().unwrap();
    let body = format!(
        "std::fs::write({path:?}, std::process::id().to_string()).unwrap();\n    \
         loop {{\n        std::thread::park();\n    }}"
    );
    (SOLUTION.replace("a + b", &body), begun)
}

/// Waits until the endless case runs, and gives its process.
fn process(begun: &Path) -> String {
    let read = || fs::read_to_string(begun).unwrap_or_default();
    wait_until("the case begins", || !read().is_empty());
    read()
}

fn is_gone(process: &str) -> bool {
    let kill = Command::new("kill").args(["-0", process]).stderr(Stdio::null()).status();
    !kill.unwrap().success()
}

#[test]
fn each_save_brings_a_verdict_however_it_is_saved() {
    let course = Course::new();
    let mut watch = Watch::begin(&course, &[]);
    let first = watch.expect(READY);
    assert!(first.contains(LIB), "{first}");
    assert_ne!(modes(&*watch.master), watch.modes, "keys come one by one");
    course.put(LIB, &SOLUTION.replace("a + b", "b.abs_diff(a)"));
    watch.expect("2 + 3 is 1, not 5");
    watch.expect(READY);
    // As vim and many others save: another file takes the name.
    course.put("exercises/01-sums/src/4913", &SOLUTION.replace("2 * a", "3 * a"));
    fs::rename(course.path("exercises/01-sums/src/4913"), course.path(LIB)).unwrap();
    watch.expect("twice 4 is 12, not 8");
    watch.expect(READY);
    course.put(LIB, "pub fn sum(a: u32) -> Sum { a }");
    watch.expect("cannot find type `Sum`");
    watch.expect(READY);
    fs::remove_dir_all(course.path("exercises/01-sums/src")).unwrap();
    watch.expect("is missing");
    watch.expect(READY);
    course.put(LIB, &SOLUTION.replace("2 * a", "return 2 * a;"));
    watch.expect("2 of 2");
    watch.expect(READY);
    if Command::new("cargo").args(["clippy", "--version"]).output().unwrap().status.success() {
        watch.expect("for no points");
        watch.expect("needless_return");
    }
    watch.press("q");
    assert_eq!(watch.end(), (0, true));
}

#[test]
fn a_save_during_a_run_ends_it_and_is_not_lost() {
    let course = Course::new();
    let (source, begun) = endless(&course);
    course.put(LIB, &source);
    let mut watch = Watch::begin(&course, &["--poll"]);
    let process = process(&begun);
    course.put(LIB, &SOLUTION.replace("2 * a", "3 * a"));
    let between = watch.expect("twice 4 is 12, not 8");
    assert!(!between.contains("deadline"), "{between}");
    assert!(is_gone(&process));
    watch.expect(READY);
    watch.press("q");
    assert_eq!(watch.end(), (0, true));
}

#[test]
fn keys_do_what_they_say() {
    let course = Course::new();
    course.put(LIB, STARTER);
    let mut watch = Watch::begin(&course, &[]);
    watch.expect(READY);
    watch.press("h");
    watch.expect("think adds");
    watch.press("h");
    watch.expect("look adds");
    watch.press("l");
    watch.expect("01-sums");
    watch.press("n");
    watch.expect("only task");
    watch.press("x");
    watch.expect("a check all");
    watch.press("a");
    watch.expect(READY);
    watch.press("q");
    assert_eq!(watch.end(), (0, true));
}

#[test]
fn interrupted_in_a_run_it_leaves_nothing_behind() {
    for signal in [false, true] {
        let course = Course::new();
        let (source, begun) = endless(&course);
        course.put(LIB, &source);
        let mut watch = Watch::begin(&course, &[]);
        let process = process(&begun);
        if signal {
            let checker = watch.child.as_ref().unwrap().process_id().unwrap().to_string();
            assert!(Command::new("kill").arg(checker).status().unwrap().success());
        } else {
            watch.press("\u{3}");
        }
        assert_eq!(watch.end(), (130, true));
        assert!(is_gone(&process));
    }
}
