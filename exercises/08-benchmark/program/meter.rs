//! Between the benchmark and the database: counts what comes through.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fixtures::AsyncManageConnection;
use fixtures::db::{Line, Lines};
use indicatif::ProgressBar;
use pool_benchmark::Queries;

/// Not more kinds of errors are kept: they are for people.
const KINDS: usize = 5;

/// Opens connections to a database, and counts.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    lines: Lines,
    refused: Arc<AtomicU64>,
    errors: Arc<Mutex<BTreeMap<String, u64>>>,
    bar: ProgressBar,
    /// How far the bar moves with each request.
    weight: u64,
}

impl Meter {
    pub(crate) fn new(lines: &Lines, bar: &ProgressBar, weight: u64) -> Self {
        Self {
            lines: lines.clone(),
            refused: Arc::default(),
            errors: Arc::default(),
            bar: bar.clone(),
            weight,
        }
    }

    /// How many connections were asked for and not given.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// What went wrong, in the database's words, and how often.
    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, error: &impl ToString) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let error = error.to_string();
        if errors.len() < KINDS || errors.contains_key(&error) {
            *errors.entry(error).or_default() += 1;
        }
    }
}

impl AsyncManageConnection for Meter {
    type Connection = Line;
    type Error = <Lines as AsyncManageConnection>::Error;

    async fn connect(&self) -> Result<Line, Self::Error> {
        let answer = self.lines.connect().await;
        if let Err(error) = &answer {
            self.note(error);
            self.refused.fetch_add(1, Ordering::Relaxed);
            self.bar.inc(self.weight);
        }
        answer
    }

    async fn is_valid(&self, line: &mut Line) -> Result<(), Self::Error> {
        self.lines.is_valid(line).await
    }

    fn has_broken(&self, line: &mut Line) -> bool {
        self.lines.has_broken(line)
    }
}

impl Queries for Meter {
    async fn query(&self, line: &mut Line, sql: &str) -> Result<(), Self::Error> {
        let answer = line.execute(sql).await;
        if let Err(error) = &answer {
            self.note(error);
        }
        self.bar.inc(self.weight);
        answer.map(|_| ())
    }
}
