//! Watch: a verdict at each save. `state` decides, `terminal` and `files` are its senses, and this
//! carries out what it wants.

use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::course::{Source, Task, starter};
use crate::judge::check::{self, Options};
use crate::judge::progress::{Bar, Step};
use crate::judge::session::Session;
use crate::judge::snapshot;
use crate::judge::verdict::TaskVerdict;
use crate::process::cancel::{Cancel, Interrupted};
use crate::report::terminal::width;
use crate::report::text;
use crate::student::hint;
use crate::student::lint;
use crate::student::list::standings;

mod files;
mod state;
mod terminal;

use files::{Files, SETTLE};
use state::{Action, Event, Hash, State};
use terminal::Terminal;

/// How often to see whether a signal asked the program to end.
const GLANCE: Duration = Duration::from_millis(100);
const KEYS: &str = "n next task · h hint · l list · a check all · q quit";

/// What reaches the loop.
#[derive(Clone)]
enum Message {
    Event(Event),
    /// Something may have been saved.
    Sign,
    /// The first failing case of the source with this hash, while others still run.
    Failing(Hash, TaskVerdict),
    /// A check ended so.
    Done(Hash, Done),
    /// Advice on the source with this hash.
    Advice(Hash, String),
}

#[derive(Clone)]
enum Done {
    Verdicts(Vec<TaskVerdict>),
    Cancelled,
    /// The check itself could not be done.
    Impossible(String),
}

/// Watches until told to quit.
pub fn run(session: &Session, poll: bool) -> Result<ExitCode> {
    let (send, receive) = mpsc::channel();
    let exercises = session.course.root.join("exercises");
    let files = Files::watch(&exercises, poll, send.clone(), Message::Sign);
    let standings = standings(session);
    let next = standings.iter().position(|standing| !standing.is_done());
    let tasks = standings.len();
    let (state, actions) = State::new(next.unwrap_or(tasks.saturating_sub(1)), tasks);
    let terminal = Terminal::take(send.clone(), Message::Event)?;
    let interrupted = thread::scope(|scope| {
        let cancel = session.cancel.child();
        let mut watch = Watch { session, scope, send, state, cancel, verdict: None, shown: None };
        watch.go_on(&receive, &files, actions)
    })?;
    drop(terminal);
    Ok(if interrupted || session.cancel.is_set() { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

struct Watch<'scope, 'env> {
    session: &'env Session,
    scope: &'scope Scope<'scope, 'env>,
    send: Sender<Message>,
    state: State,
    /// Ends the check that runs, or the advice on the last one.
    cancel: Cancel,
    /// The verdict to give hints on.
    verdict: Option<TaskVerdict>,
    /// What the last check leaves to be shown.
    shown: Option<Done>,
}

impl Drop for Watch<'_, '_> {
    fn drop(&mut self) {
        // Also when a panic unwinds: the terminal is put back once what runs has ended.
        self.cancel.cancel();
    }
}

impl<'env> Watch<'_, 'env> {
    /// Until the end; says whether it was interrupted.
    fn go_on(
        &mut self,
        receive: &Receiver<Message>,
        files: &Files,
        first: Vec<Action>,
    ) -> Result<bool> {
        let (mut interrupted, mut look_at) = (false, Instant::now() + files.every);
        let mut actions = first;
        loop {
            if self.act(actions, files) {
                return Ok(interrupted);
            }
            actions = Vec::new();
            let wait = look_at.saturating_duration_since(Instant::now()).min(GLANCE);
            let event = match receive.recv_timeout(wait) {
                Ok(Message::Event(event)) => event,
                Ok(Message::Sign) => {
                    look_at = look_at.min(Instant::now() + SETTLE);
                    continue;
                }
                Ok(Message::Done(hash, done)) => {
                    let cancelled = matches!(done, Done::Cancelled);
                    self.shown = Some(done);
                    Event::Checked { hash, cancelled }
                }
                Ok(Message::Failing(hash, verdict)) => {
                    if self.state.is_running() && hash == self.look() {
                        Terminal::clear();
                        anstream::print!("{}", text::first_failure(&verdict, width()));
                    }
                    continue;
                }
                Ok(Message::Advice(hash, advice)) => {
                    if !self.state.is_running() && hash == self.look() {
                        anstream::println!("{advice}");
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => Event::Interrupted,
                Err(RecvTimeoutError::Timeout) if self.session.cancel.is_set() => {
                    Event::Interrupted
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < look_at => continue,
                Err(RecvTimeoutError::Timeout) => {
                    look_at = Instant::now() + files.every;
                    Event::Looked(self.look())
                }
            };
            interrupted |= event == Event::Interrupted;
            actions = self.state.on(event);
        }
    }

    /// Carries out what the state wants; true at the end.
    fn act(&mut self, actions: Vec<Action>, files: &Files) -> bool {
        let mut actions = std::collections::VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Look => {
                    let hash = self.look();
                    actions.extend(self.state.on(Event::Looked(hash)));
                }
                Action::Check { task } => self.check(vec![&self.session.course.tasks[task]]),
                Action::CheckAll => self.check(self.session.course.tasks.iter().collect()),
                Action::Cancel => self.cancel.cancel(),
                Action::ShowVerdict => self.show(files),
                Action::ShowHint(level) => self.hint(level as usize),
                Action::ShowList => self.list(),
                Action::Say(text) => anstream::println!("{text}"),
                Action::Quit => return true,
            }
        }
        false
    }

    fn task(&self) -> &'env Task {
        &self.session.course.tasks[self.state.task()]
    }

    fn look(&self) -> Hash {
        snapshot::look(&self.session.course.exercise(self.task()))
    }

    /// Begins a check of these tasks on a thread of its own.
    fn check(&mut self, tasks: Vec<&'env Task>) {
        self.cancel.cancel();
        self.cancel = self.session.cancel.child();
        let (session, send, cancel) = (self.session, self.send.clone(), self.cancel.clone());
        let hash = self.look();
        self.scope.spawn(move || {
            let failing = |verdict| drop(send.send(Message::Failing(hash.clone(), verdict)));
            let done = verdicts(session, &tasks, &failing, &cancel);
            // Nobody listens any more when watch has ended.
            let _ = send.send(Message::Done(hash.clone(), done.clone()));
            if let Done::Verdicts(verdicts) = done
                && let [verdict] = verdicts.as_slice()
                && let Some(advice) = lint::advice(session, verdict, &cancel)
            {
                let _ = send.send(Message::Advice(hash, advice));
            }
        });
    }

    fn show(&mut self, files: &Files) {
        let shown = self.shown.take();
        Terminal::clear();
        match shown {
            Some(Done::Verdicts(verdicts)) if verdicts.len() == 1 => {
                for verdict in verdicts {
                    anstream::print!("{}", text::task(&verdict, width()));
                    self.verdict = Some(verdict);
                }
            }
            Some(Done::Verdicts(verdicts)) => {
                anstream::print!("{}", text::sum(&verdicts));
                let name = &self.task().name;
                self.verdict = verdicts.into_iter().find(|verdict| verdict.task == *name);
            }
            Some(Done::Impossible(why)) => anstream::println!("{why}"),
            Some(Done::Cancelled) | None => {}
        }
        if let Some(trouble) = &files.trouble {
            anstream::println!("{trouble}");
        }
        anstream::println!("\nwatching {}\n{KEYS}", self.watched());
    }

    /// The file that a save is waited for of.
    fn watched(&self) -> String {
        let course = &self.session.course;
        course.shown(&starter::lib(&course.exercise(self.task())))
    }

    fn hint(&self, level: usize) {
        let Some(verdict) = &self.verdict else {
            anstream::println!("There is no verdict to give a hint on.");
            return;
        };
        match hint::case(verdict, None) {
            Ok(Some(case)) => {
                let next = |_| String::from("h again for the next one");
                anstream::print!("{}", hint::text(case, level, next, width()));
            }
            _ if verdict.cases.is_empty() => anstream::println!("First it has to compile."),
            _ => anstream::println!("All cases pass: there is nothing to hint at."),
        }
    }

    fn list(&self) {
        anstream::print!("{}", text::list(&standings(self.session)));
    }
}

/// The verdicts on these tasks. Of one that is checked alone, `failing` hears the first failing case at
/// once, as a verdict that holds nothing else.
fn verdicts(
    session: &Session,
    tasks: &[&Task],
    failing: &(dyn Fn(TaskVerdict) + Sync),
    cancel: &Cancel,
) -> Done {
    let bar = Bar::default();
    let mut verdicts = Vec::new();
    for task in tasks {
        let source = Source::exercise(&session.course, task);
        let options = Options::default();
        let promises = OnceLock::new();
        let watch = |step: Step<'_>| {
            match &step {
                Step::Promises(known) => drop(promises.set(known.to_vec())),
                Step::FirstFailure(case) if tasks.len() == 1 => {
                    let promises = promises.get().cloned().unwrap_or_default();
                    failing(check::of_case(task, &source.shown, promises, (*case).clone()));
                }
                _ => {}
            }
            bar.show(&step);
        };
        match check::check(session, task, &source, &options, &watch, cancel) {
            Ok(verdict) => verdicts.push(verdict),
            Err(error) if error.is::<Interrupted>() => return Done::Cancelled,
            Err(error) => return Done::Impossible(format!("{error:#}")),
        }
    }
    Done::Verdicts(verdicts)
}
