//! What watch does when something happens: events in, actions out, no terminal and no clock.
//!
//! Whether to check again is decided by content alone. A save, whatever the editor does to the
//! file system for it, only makes the shell look; a look is [`Event::Looked`] with the hash of what
//! stands there. Each check begins with a look and ends with one, so nothing is lost between.

/// The hash of what stands in a task's `src/`, or of the sentence that says why it cannot be read.
pub type Hash = String;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The source of the current task was read, and this was there.
    Looked(Hash),
    /// A check ended, by itself or because it was cancelled. `hash` is what it looked at.
    Checked { hash: Hash, cancelled: bool },
    /// A key was pressed.
    Key(Key),
    /// Ctrl-C, or a signal that asks the program to end.
    Interrupted,
}

/// The keys that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Next,
    Hint,
    List,
    All,
    Quit,
    /// Any other: it shows what the keys are.
    Other,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the source of the current task and report [`Event::Looked`].
    Look,
    /// Begin a check of the task; it looks first and reports [`Event::Checked`] when it ends.
    Check { task: usize },
    /// Begin a check of all tasks.
    CheckAll,
    /// End the check that runs; it still reports.
    Cancel,
    /// Show the verdict of the check that has just ended.
    ShowVerdict,
    /// Show the hint of this level for the first failing case, counted from 1.
    ShowHint(u32),
    /// Show all tasks and their state.
    ShowList,
    /// Say this in a line of its own.
    Say(&'static str),
    /// Restore the terminal and end.
    Quit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Run {
    /// Nothing runs; this was checked last.
    Idle { checked: Option<Hash> },
    /// A check runs; `seen` is the first look since it began.
    Running { seen: Option<Hash> },
    /// It was cancelled, and this comes when it has ended.
    Ending { then: Then },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Check,
    CheckAll,
    Quit,
}

/// What watch knows.
#[derive(Debug)]
pub struct State {
    tasks: usize,
    task: usize,
    run: Run,
    /// The highest level of hint shown since the last verdict.
    hinted: u32,
}

impl State {
    /// Watches the task of this number, of so many.
    pub fn new(task: usize, tasks: usize) -> (Self, Vec<Action>) {
        let state = Self { tasks, task, run: Run::Running { seen: None }, hinted: 0 };
        (state, vec![Action::Check { task }, Action::Look])
    }

    /// The task that is being watched.
    pub fn task(&self) -> usize {
        self.task
    }

    /// Whether a check is under way.
    pub fn is_running(&self) -> bool {
        !matches!(self.run, Run::Idle { .. })
    }

    /// Takes an event in.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Looked(hash) => self.looked(hash),
            Event::Checked { hash, cancelled } => self.checked(hash, cancelled),
            Event::Key(Key::Quit) | Event::Interrupted => self.end(Then::Quit),
            Event::Key(Key::All) => self.end(Then::CheckAll),
            Event::Key(Key::Next) if self.tasks < 2 => vec![Action::Say("This is the only task.")],
            Event::Key(Key::Next) => {
                self.task = (self.task + 1) % self.tasks;
                self.end(Then::Check)
            }
            Event::Key(Key::List) => vec![Action::ShowList],
            Event::Key(Key::Hint) if self.is_running() => {
                vec![Action::Say("Hints come with the verdict, in a moment.")]
            }
            Event::Key(Key::Hint) => {
                self.hinted += 1;
                vec![Action::ShowHint(self.hinted)]
            }
            Event::Key(Key::Other) => {
                vec![Action::Say("Keys: n next task, h hint, l list, a check all, q quit.")]
            }
        }
    }

    fn looked(&mut self, hash: Hash) -> Vec<Action> {
        match &mut self.run {
            Run::Idle { checked } if checked.as_ref() == Some(&hash) => vec![],
            Run::Idle { .. } => self.begin(Then::Check),
            Run::Running { seen: Some(seen) } if *seen == hash => vec![],
            Run::Running { seen: seen @ None } => {
                *seen = Some(hash);
                vec![]
            }
            Run::Running { .. } => self.end(Then::Check),
            Run::Ending { .. } => vec![],
        }
    }

    fn checked(&mut self, hash: Hash, cancelled: bool) -> Vec<Action> {
        match self.run {
            Run::Ending { then } => self.begin(then),
            Run::Running { .. } if cancelled => self.begin(Then::Quit),
            Run::Running { .. } | Run::Idle { .. } => {
                self.hinted = 0;
                self.run = Run::Idle { checked: Some(hash) };
                vec![Action::ShowVerdict, Action::Look]
            }
        }
    }

    /// Ends what runs, then does this; at once if nothing runs.
    fn end(&mut self, then: Then) -> Vec<Action> {
        match &mut self.run {
            Run::Idle { .. } => self.begin(then),
            Run::Running { .. } => {
                self.run = Run::Ending { then };
                vec![Action::Cancel]
            }
            // Whoever asks a second time to quit is not made to wait.
            Run::Ending { then: Then::Quit } => vec![Action::Quit],
            Run::Ending { then: planned } => {
                *planned = then;
                vec![]
            }
        }
    }

    fn begin(&mut self, what: Then) -> Vec<Action> {
        self.run = Run::Running { seen: None };
        match what {
            Then::Check => vec![Action::Check { task: self.task }, Action::Look],
            Then::CheckAll => vec![Action::CheckAll, Action::Look],
            Then::Quit => vec![Action::Quit],
        }
    }
}
