//! The PostgreSQL that database cases run on: there if the machine has one, told of if not, and gone
//! without a trace when the checker is, however that ends.

#![cfg(target_os = "linux")]

mod stage;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use stage::{Line, put};

/// For so long what has been told to end may still be seen, and what was started not yet.
const PATIENCE: Duration = Duration::from_mins(3);
/// So often the checker is killed.
const MOMENTS: u32 = 20;

/// Hands what it is told of a PostgreSQL to the submission.
const SUITE: &str = r#"//! A desk that is told of a server.
use harness::{Case, Suite};
use std::sync::Mutex;

static TOLD: Mutex<String> = Mutex::new(String::new());

fn act(scene: &str) {
    let line = TOLD.lock().unwrap().clone();
    if line.contains("\"ready\"") {
        harness::ran_on("a server");
    } else {
        harness::left_out(line.as_str());
    }
    match desk::act(scene, &line) {
        1 => {}
        got => harness::fail("1", got.to_string()),
    }
}

pub fn suite() -> Suite {
    let case = |name: &str, body| {
        Case::new(name, "P1", body).real().on_databases().uses("desk").points(1.0).hints(&["Look."])
    };
    Suite::new(&[("P1", "Every scene gives 1.")])
        .with_databases(|line| line.clone_into(&mut TOLD.lock().unwrap()))
        .case(case("first", || act("first")))
        .case(case("second", || act("second")))
}

harness::main!(suite);
"#;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A small course whose cases run on databases: it has the real service and no sqlx.
fn course() -> &'static Path {
    static COURSE: OnceLock<PathBuf> = OnceLock::new();
    COURSE.get_or_init(|| make_course("desk", &[]))
}

/// The same without some of what it stands on.
fn make_course(name: &str, without: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let all = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let all: toml::Table = all.parse().unwrap();
    let mut dependencies = all["workspace"]["dependencies"].as_table().unwrap().clone();
    for said in dependencies.iter_mut().filter_map(|(_, said)| said.as_table_mut()) {
        if let Some(path) = said.get_mut("path") {
            let whole = repository().join(path.as_str().unwrap());
            *path = whole.to_str().unwrap().into();
        }
    }
    dependencies.retain(|name, _| !without.contains(&name));
    let table = |name: &str, value| toml::Table::from_iter([(name.to_owned(), value)]);
    let manifest = table("workspace", table("dependencies", dependencies.into()).into());
    put(&root.join("Cargo.toml"), &toml::to_string(&manifest).unwrap());
    let lock = fs::read_to_string(repository().join("Cargo.lock")).unwrap();
    put(&root.join("Cargo.lock"), &lock);
    put(&root.join("exercises/01-desk/src/lib.rs"), "");
    put(&root.join("solutions/01-desk/src/lib.rs"), "");
    put(&root.join("checker/suites/01-desk/src/lib.rs"), SUITE);
    put(
        &root.join("checker/suites/01-desk/suite.toml"),
        "title = \"A desk\"\npoints = 2.0\nfamily = \"plain\"\npackage = \"desk\"\n\
         suite_dependencies = [\"harness\"]\n",
    );
    root
}

/// The checker, about to check a submission that plays the two scenes so; it is told of no server
/// but the machine's own.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn playing(first: &str, second: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let code = format!(
            "pub fn act(scene: &str, line: &str) -> u32 {{\n    let _ = line;\n    \
             if scene == \"first\" {{ {first} }} else {{ {second} }}\n}}\n"
        );
        put(&folder.path().join("src/lib.rs"), &code);
        Self { folder }
    }

    /// A checker that uses a verdict if there is one already.
    fn checker(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
        command.args(["check", "01", "--json", "--source"]).arg(self.folder.path());
        command.current_dir(course()).stdin(Stdio::null()).stdout(Stdio::piped());
        command.env_remove("DATABASE_URL").env("TMPDIR", self.temporary());
        command
    }

    /// Where the checker's temporary files go.
    fn temporary(&self) -> PathBuf {
        let folder = self.folder.path().join("temporary");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// The temporary files, and the processes that were told of their place.
    fn remains(&self) -> Vec<String> {
        let folder = self.temporary();
        let name = folder.to_str().unwrap();
        let told = processes().into_iter().filter_map(|(pid, _, comm)| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains(name).then(|| format!("{comm} ({pid})"))
        });
        told.chain(files(&folder)).collect()
    }
}

/// The files and folders in a folder, however deep.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path());
    paths.flat_map(|path| [vec![path.display().to_string()], files(&path)].concat()).collect()
}

/// The cases of the one task that a checker has checked.
fn cases(output: &Output) -> Vec<Value> {
    let json: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    json["tasks"][0]["cases"].as_array().unwrap().clone()
}

/// Whether this machine can have a PostgreSQL; says so if not.
fn has_postgres() -> bool {
    static LEFT_OUT: OnceLock<Value> = OnceLock::new();
    let left_out = LEFT_OUT.get_or_init(|| {
        let output = Desk::playing("1", "1").checker().output().unwrap();
        cases(&output)[0]["left_out"].clone()
    });
    let is_there = left_out.as_array().unwrap().is_empty();
    if !is_there {
        println!("skipped: {left_out}");
    }
    is_there
}

/// The running servers that a checker has had started, as the system knows them.
#[derive(Debug)]
struct Server {
    service: i32,
    folder: PathBuf,
    /// The service's own, and those of replicated servers if there were some when this was looked up.
    postmasters: Vec<i32>,
    /// Who worked for them then: once its postmaster is dead, nothing else tells whose a process was.
    workers: Vec<i32>,
}

impl Server {
    /// Waits for the one of this checker.
    fn of(checker: &Child) -> Self {
        wait_for("the server", || {
            let parent = i32::try_from(checker.id()).unwrap();
            let is_service = |(pid, of, name): (i32, i32, String)| {
                (of == parent && name.starts_with("postgres-servi")).then_some(pid)
            };
            let service = processes().into_iter().find_map(is_service)?;
            let folder = folders(service).pop()?;
            postmaster(&folder.join("data"))?;
            let mut server = Self { service, folder, postmasters: vec![], workers: vec![] };
            server.look_again();
            Some(server)
        })
    }

    /// Looks up which processes there are now, besides those that are known.
    fn look_again(&mut self) {
        let parts = fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        self.postmasters.extend(parts.filter_map(|part| postmaster(&part.path())));
        let is_worker =
            |(pid, of, _): (i32, i32, String)| self.postmasters.contains(&of).then_some(pid);
        self.workers.extend(processes().into_iter().filter_map(is_worker));
    }

    /// Waits until there is a primary with its replicas.
    fn wait_for_replicas(&self) {
        wait_for("the replicas", || postmaster(&self.folder.join("replica-2")));
    }

    /// What there still is of it: processes, files, shared memory.
    fn remains(&self) -> Vec<String> {
        let name = self.folder.to_str().unwrap();
        let of_it = |(pid, parent, comm): (i32, i32, String)| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let known = self.postmasters.contains(&pid) || self.workers.contains(&pid);
            let own = pid == self.service || known || self.postmasters.contains(&parent);
            (own || line.contains(name)).then(|| format!("{comm} ({pid})"))
        };
        let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
        let segments = segments.lines().skip(1).filter_map(|line| {
            let creator: i32 = line.split_whitespace().nth(4)?.parse().ok()?;
            self.postmasters.contains(&creator).then(|| format!("shared memory: {line}"))
        });
        let files = folders(self.service).into_iter().map(|path| path.display().to_string());
        processes().into_iter().filter_map(of_it).chain(segments).chain(files).collect()
    }

    fn is_gone_soon(&self) {
        nothing_soon(|| self.remains());
    }
}

/// The process of the server on these files, if there is one.
fn postmaster(data: &Path) -> Option<i32> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    file.lines().next()?.parse().ok()
}

/// Waits until nothing remains.
fn nothing_soon(look: impl Fn() -> Vec<String>) {
    let began = Instant::now();
    while let remains @ [_, ..] = look().as_slice() {
        assert!(began.elapsed() < PATIENCE, "{remains:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "no sign of {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// All processes that have not ended: (pid, parent, name).
fn processes() -> Vec<(i32, i32, String)> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let read = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let is_alive = !matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        is_alive.then(|| (pid, parent, name.to_owned()))
    };
    entries.filter_map(read).collect()
}

/// The folders of this service's server.
fn folders(service: i32) -> Vec<PathBuf> {
    let prefix = format!("pool-course-pg-{service}-");
    let entries = ["/dev/shm", "/tmp"].into_iter().flat_map(|root| fs::read_dir(root).into_iter());
    let paths = entries.flatten().filter_map(Result::ok).map(|entry| entry.path());
    paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&prefix)).collect()
}

/// A folder in which there is no PostgreSQL; the service looks nowhere else then.
const NO_POSTGRES: &str = "/var/empty";

/// The checker on the reference of a task of this repository.
fn reference(task: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
    command.args(["check", task, "--solutions", "--fresh"]).args(args);
    command.current_dir(repository()).env_remove("DATABASE_URL");
    command
}

/// What a checker prints; whether the reference keeps all promises, others test.
fn said(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// The servers that the cases of a task name, each once.
fn servers(task: &Value) -> BTreeSet<String> {
    let cases = task["cases"].as_array().unwrap().iter();
    let named = cases.flat_map(|case| case["servers"].as_array().unwrap());
    named.map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_servers_and_their_versions_are_named() {
    if !has_postgres() {
        return;
    }
    for (task, kinds) in [("03", ["PostgreSQL", "SQLite"].as_slice()), ("04", &["PostgreSQL"])] {
        let json: Value = serde_json::from_str(&said(&mut reference(task, &["--json"]))).unwrap();
        let servers = servers(&json["tasks"][0]);
        let (names, versions): (Vec<&str>, Vec<&str>) =
            servers.iter().map(|server| server.split_once(' ').unwrap()).unzip();
        assert_eq!(names, kinds, "task {task}");
        assert!(versions.iter().all(|version| version.starts_with(|c: char| c.is_ascii_digit())));
        let text = said(&mut reference(task, &[]));
        let line = text.lines().find(|line| line.contains("ran on")).unwrap();
        assert!(servers.iter().all(|server| line.contains(server)), "{line}");
        assert!(!text.contains("left out"), "{text}");
    }
}

#[test]
fn without_postgres_the_points_are_the_same_and_the_report_says_how_to_get_it() {
    let hidden = |args| {
        let mut command = reference("03", args);
        said(command.env("POOL_COURSE_POSTGRES_BIN", NO_POSTGRES))
    };
    let json: Value = serde_json::from_str(&hidden(&["--json"])).unwrap();
    assert_eq!((&json["points"], &json["max_points"]), (&10.0.into(), &10.0.into()), "{json:#}");
    assert_eq!(json["tasks"][0]["state"], "passed");
    assert!(servers(&json["tasks"][0]).iter().all(|server| server.starts_with("SQLite")));
    let text = hidden(&[]);
    let told: Vec<&str> = text.split("left out").skip(1).collect();
    let [told] = told[..] else { panic!("not once: {text}") };
    assert!(told.contains(NO_POSTGRES) && told.contains("install"), "{text}");
    // A case that has nothing else to run on is skipped, for the same reason.
    let mut alone = reference("04", &["--case", "heals_on_a_real_server", "--json"]);
    let json = said(alone.env("POOL_COURSE_POSTGRES_BIN", NO_POSTGRES));
    let json: Value = serde_json::from_str(&json).unwrap();
    let case = &json["tasks"][0]["cases"][0];
    assert_eq!(case["outcome"], "skipped");
    assert!(case["message"].as_str().unwrap().contains("install"), "{case}");
}

#[test]
fn a_verdict_without_postgres_is_given_again_when_there_is_one() {
    let desk = Desk::playing("2 - 1", "1");
    let without = || {
        let output = desk.checker().env("POOL_COURSE_POSTGRES_BIN", NO_POSTGRES).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        cases(&output)
    };
    for case in without() {
        assert_eq!((&case["outcome"], &case["points"]), (&"passed".into(), &1.0.into()), "{case}");
        let why = case["left_out"][0].as_str().unwrap();
        assert!(why.contains(NO_POSTGRES) && why.contains("install"), "{why}");
    }
    if !has_postgres() {
        return;
    }
    for case in cases(&desk.checker().output().unwrap()) {
        let whole = (Value::Array(vec![]), Value::Array(vec!["a server".into()]));
        assert_eq!((case["left_out"].clone(), case["servers"].clone()), whole);
    }
    // That one counts from now on.
    assert_eq!(without()[0]["servers"][0], "a server");
}

#[test]
fn a_server_of_ones_own_is_handed_over() {
    let url = "postgres://somebody@example.invalid/theirs";
    let told = format!("u32::from(line == {url:?})");
    let output = Desk::playing(&told, &told).checker().env("DATABASE_URL", url).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // Another kind of database is none of the checker's business.
    let other = Desk::playing("u32::from(line.starts_with('{'))", "1");
    let output = other.checker().env("DATABASE_URL", "sqlite://desk.db").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_service_that_cannot_be_had_is_a_reason_and_no_failure() {
    // It needs something that this course does not know of.
    let without = make_course("desk-without-a-service", &["ctrlc"]);
    // What both courses stand on is compiled once.
    let [there, here] = [course(), &without].map(|root| root.join("target/checker/build"));
    fs::create_dir_all(&there).unwrap();
    fs::create_dir_all(here.parent().unwrap()).unwrap();
    let _ = std::os::unix::fs::symlink(there, here); // from an earlier run
    let desk = Desk::playing("1", "1");
    let output = desk.checker().current_dir(without).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for case in cases(&output) {
        assert_eq!((&case["outcome"], &case["points"]), (&"passed".into(), &1.0.into()), "{case}");
        let why = case["left_out"][0].as_str().unwrap();
        assert!(why.contains("its service cannot be started") && why.contains("ctrlc"), "{why}");
    }
}

#[test]
fn one_server_serves_all_cases_and_is_replaced_when_it_ends() {
    if !has_postgres() {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let told = |name: &str| notes.path().join(name).display().to_string();
    let note = |name: &str| format!("std::fs::write({:?}, line).unwrap();", told(name));
    let read = |name: &str| fs::read_to_string(told(name)).unwrap();
    let (one, other) = (note("one"), note("other"));
    let both = Desk::playing(&format!("{one} 1"), &format!("{other} 1"));
    assert_eq!(both.checker().output().unwrap().status.code(), Some(0));
    assert_eq!(read("one"), read("other"));

    let (line, go) = (Line::new(notes.path()), told("go"));
    assert!(Command::new("mkfifo").arg(&go).status().unwrap().success());
    let wait = format!(
        "{one} std::fs::write({:?}, \"up\\n\").unwrap(); std::fs::read({go:?}).unwrap(); 1",
        line.path.to_str().unwrap()
    );
    let desk = Desk::playing(&wait, &format!("{other} 1"));
    let checker = desk.checker().spawn().unwrap();
    let server = Server::of(&checker);
    line.hear().wait_for_silence();
    kill_process(Pid::from_raw(server.service).unwrap(), Signal::TERM).unwrap();
    server.is_gone_soon();
    drop(fs::File::options().write(true).open(&go).unwrap());
    assert_eq!(checker.wait_with_output().unwrap().status.code(), Some(0));
    assert!(read("one").contains("ready") && read("other").contains("ready"));
    assert_ne!(read("one"), read("other"));
}

/// A case that waits for ever and has a temporary file.
const WAITING: &str = "std::fs::write(std::env::temp_dir().join(\"rows\"), line).unwrap(); \
                       loop { std::thread::park() }";

/// Kills a checker while its case waits and a server runs; nothing of either may stay.
fn kill(desk: &Desk, when: impl FnOnce(), end: impl FnOnce(Pid)) -> Option<i32> {
    let code = kill_checker(&mut desk.checker(), |_| when(), end);
    nothing_soon(|| desk.remains());
    code
}

/// Kills a checker when its servers are as they are to be; nothing of them may stay.
fn kill_checker(
    checker: &mut Command,
    when: impl FnOnce(&Server),
    end: impl FnOnce(Pid),
) -> Option<i32> {
    let mut checker = checker.stderr(Stdio::null()).process_group(0).spawn().unwrap();
    let mut server = Server::of(&checker);
    when(&server);
    server.look_again();
    end(Pid::from_child(&checker));
    let status = checker.wait().unwrap();
    server.is_gone_soon();
    status.code()
}

/// The checker on the case in which a real primary is killed, with a place of its own for temporary
/// files; everything is built already.
fn outage(temporary: &Path) -> Command {
    let mut command = reference("07", &["--case", "outlives_a_real_primary", "--json"]);
    command.env("TMPDIR", temporary).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

#[test]
fn nothing_is_left_when_the_checker_is_killed_at_any_moment() {
    if !has_postgres() {
        return;
    }
    let desk = Desk::playing(WAITING, "1");
    let kill_it = |checker| kill_process(checker, Signal::KILL).unwrap();
    // From when the server has just begun to when a case has been at it for a while.
    for moment in 0..MOMENTS {
        // Not to wait for anything: the moment is what is drawn.
        let when = || thread::sleep(moment * Duration::from_millis(20));
        assert_eq!(kill(&desk, when, kill_it), None);
    }
    let has_rows = || files(&desk.temporary()).iter().any(|file| file.ends_with("/rows"));
    let when = || wait_for("a temporary file", || has_rows().then_some(()));
    assert_eq!(kill(&desk, when, kill_it), None);
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    if !has_postgres() {
        return;
    }
    let desk = Desk::playing(WAITING, "1");
    for moment in 0..3 {
        let when = || thread::sleep(moment * Duration::from_millis(150));
        // As a terminal does it: to the whole group.
        let ctrl_c = |checker| kill_process_group(checker, Signal::INT).unwrap();
        assert_eq!(kill(&desk, when, ctrl_c), Some(130));
    }
}

#[test]
fn nothing_is_left_of_a_cluster_when_the_checker_is_killed_at_any_moment_of_its_outage() {
    if !has_postgres() {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    assert!(outage(temporary.path()).status().unwrap().success());
    let kill_it = |checker| kill_process(checker, Signal::KILL).unwrap();
    let mut killed = 0;
    // Five times while the servers are being made, and then all along the case, which takes 1.1 s from
    // when they are there.
    for moment in 0..MOMENTS {
        let when = |server: &Server| {
            let step = match moment.checked_sub(5) {
                None => moment * Duration::from_millis(40),
                Some(later) => {
                    server.wait_for_replicas();
                    later * Duration::from_millis(65)
                }
            };
            // Not to wait for anything: the moment is what is drawn.
            thread::sleep(step);
        };
        let code = kill_checker(&mut outage(temporary.path()), when, kill_it);
        // On a busy machine the last moments may come too late.
        assert!(code.is_none_or(|code| code == 0), "{code:?} at moment {moment}");
        killed += u32::from(code.is_none());
        nothing_soon(|| files(temporary.path()));
    }
    assert!(killed > MOMENTS / 2, "only {killed} were killed before the end");
}

#[test]
fn nothing_is_left_of_a_cluster_after_ctrl_c() {
    if !has_postgres() {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    assert!(outage(temporary.path()).status().unwrap().success());
    for moment in 0..3 {
        let when = |server: &Server| {
            server.wait_for_replicas();
            thread::sleep(moment * Duration::from_millis(300));
        };
        let ctrl_c = |checker| kill_process_group(checker, Signal::INT).unwrap();
        assert_eq!(kill_checker(&mut outage(temporary.path()), when, ctrl_c), Some(130));
        nothing_soon(|| files(temporary.path()));
    }
}
