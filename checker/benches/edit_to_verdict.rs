//! From an edit to the verdict on task 01, against the bare minimum: cargo's own build of the same
//! packages, and their cases run by nobody in particular.
//!
//! `cargo bench -p checker --bench edit_to_verdict [-- ROUNDS]`; the figures stand in
//! checker/README.md. The two take turns, so that a machine that grows slow is slow for both.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ledger::{Listing, Message, Request, World};

const TASK: &str = "01-basic-pool";
const PACKAGE: &str = "basic-pool";
const TOKEN: &str = "bench";

fn main() -> Result<()> {
    // Cargo passes `--bench`; a number is the count of rounds.
    let rounds = env::args().find_map(|arg| arg.parse().ok()).unwrap_or(11);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace")?;
    let reference = fs::read_to_string(root.join(format!("solutions/{TASK}/src/lib.rs")))?;
    let scratch = tempfile::tempdir()?;

    let checked = scratch.path().join("checked");
    check(root, &checked, &edited(&reference, 0))?;
    let bare = Bare::copy(root, scratch.path())?;
    bare.build(&edited(&reference, 0))?;
    let cases = bare.listing()?;

    let (mut with, mut build, mut run) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let source = edited(&reference, round);
        with.push(check(root, &checked, &source)?);
        build.push(bare.build(&source)?);
        run.push(bare.run(&cases)?);
    }
    let floor: Vec<_> = build.iter().zip(&run).map(|(build, run)| *build + *run).collect();
    let mut ratios: Vec<_> = with
        .iter()
        .zip(&floor)
        .map(|(with, floor)| with.as_secs_f64() / floor.as_secs_f64())
        .collect();
    ratios.sort_by(f64::total_cmp);

    println!("task {TASK}, {rounds} rounds in turn, medians:");
    println!("  edit to verdict     {:7.3} s", median(with));
    println!("  bare build          {:7.3} s", median(build));
    println!("  its {:2} cases, alone {:7.3} s", cases.cases.len(), median(run));
    println!(
        "  ratio               {:7.2}   (verdict / (build + cases), round by round)",
        ratios[ratios.len() / 2]
    );
    Ok(())
}

/// The reference as a student would have edited it in this round.
fn edited(reference: &str, round: u32) -> String {
    format!("{reference}\n#[allow(dead_code)]\nfn edited() -> u32 {{\n    {round}\n}}\n")
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

/// How long the checker takes from this edit to its verdict.
fn check(root: &Path, folder: &Path, source: &str) -> Result<Duration> {
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), source)?;
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_checker"))
        .current_dir(root)
        .args(["check", TASK, "--json", "--source"])
        .arg(folder)
        .output()?;
    let took = began.elapsed();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(took)
}

/// The packages that the checker has generated, in a place where nobody else builds.
struct Bare {
    workspace: PathBuf,
    target: PathBuf,
    source: PathBuf,
}

impl Bare {
    fn copy(root: &Path, scratch: &Path) -> Result<Self> {
        let bare = Self {
            workspace: scratch.join("blocking"),
            target: scratch.join("target"),
            source: scratch.join("bare"),
        };
        fs::create_dir_all(&bare.source)?;
        copy_folder(&root.join("target/checker/blocking"), &bare.workspace)?;
        for world in ["real", "sim"] {
            let manifest = bare.workspace.join(format!("{PACKAGE}-{world}/Cargo.toml"));
            let mut table: toml::Table = toml::from_str(&fs::read_to_string(&manifest)?)?;
            let lib = table.get_mut("lib").and_then(toml::Value::as_table_mut).context("[lib]")?;
            let path = bare.source.join("lib.rs").to_string_lossy().into_owned();
            lib.insert("path".to_owned(), path.into());
            fs::write(&manifest, toml::to_string(&table)?)?;
        }
        Ok(bare)
    }

    /// How long cargo takes to build this edit.
    fn build(&self, source: &str) -> Result<Duration> {
        fs::write(self.source.join("lib.rs"), source)?;
        let began = Instant::now();
        let output = Command::new(env!("CARGO"))
            .current_dir(&self.workspace)
            .args(["build", "--offline", "--target-dir"])
            .arg(&self.target)
            .args(["-p", &format!("{PACKAGE}-suite-real"), "-p", &format!("{PACKAGE}-suite-sim")])
            .output()?;
        let took = began.elapsed();
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(took)
    }

    /// How long all cases take, as many at a time as there are processors.
    fn run(&self, cases: &Listing) -> Result<Duration> {
        let queue: Mutex<VecDeque<_>> = Mutex::new(cases.cases.iter().collect());
        let next = || queue.lock().expect("nobody panics with it").pop_front();
        let began = Instant::now();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..thread::available_parallelism()?.get())
                .map(|_| {
                    scope.spawn(|| {
                        while let Some(case) = next() {
                            let world = if case.world == World::Simulated { "sim" } else { "real" };
                            self.ask(world, Some(case.number))?;
                        }
                        Ok(())
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
        })
        .map(|()| began.elapsed())
    }

    fn listing(&self) -> Result<Listing> {
        match self.ask("real", None)?.pop() {
            Some(Message::Listing(listing)) => Ok(listing),
            other => bail!("no listing, but {other:?}"),
        }
    }

    fn ask(&self, world: &str, case: Option<u32>) -> Result<Vec<Message>> {
        let binary = self.target.join(format!("debug/{PACKAGE}-suite-{world}"));
        let mut process = Command::new(&binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{}", binary.display()))?;
        let request = Request {
            token: TOKEN.to_owned(),
            case,
            seed: None,
            schedules: None,
            source: self.source.clone(),
            postgres: None,
            deadline: None,
            steps: false,
            replay: None,
        };
        let request = serde_json::to_string(&request)?;
        process.stdin.take().context("piped")?.write_all(request.as_bytes())?;
        let output = process.wait_with_output()?;
        ensure!(output.status.success(), "case {case:?} did not end well");
        let text = String::from_utf8(output.stdout)?;
        let lines = text.lines().filter_map(|line| line.strip_prefix(TOKEN));
        lines.map(|json| Ok(serde_json::from_str(json)?)).collect()
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("{}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
