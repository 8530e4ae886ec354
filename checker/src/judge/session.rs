//! What one call of the program holds from its beginning to its end.

use anyhow::Result;
use ledger::CaseInfo;

use crate::course::Course;
use crate::judge::build::compile::{Builder, Suite};
use crate::judge::databases::Databases;
use crate::judge::key::Keys;
use crate::judge::progress::Watcher;
use crate::judge::run::{self, Resources, Runner};
use crate::judge::verdict::CaseVerdict;
use crate::process::cancel::Cancel;

/// The course, and what is found out or started only once.
#[derive(Debug)]
pub struct Session {
    /// The course.
    pub course: Course,
    /// Set by Ctrl-C.
    pub cancel: Cancel,
    /// The PostgreSQL that database cases run on.
    pub databases: Databases,
    /// What verdicts are stored under.
    pub keys: Keys,
    /// What only one case at a time may use.
    resources: Resources,
}

impl Session {
    /// Finds the course.
    pub fn begin() -> Result<Self> {
        Ok(Self {
            course: Course::find()?,
            cancel: Cancel::on_interrupt()?,
            databases: Databases::default(),
            keys: Keys::default(),
            resources: Resources::default(),
        })
    }

    /// Builds what belongs to the course.
    pub fn builder<'a>(&'a self, watcher: Watcher<'a>, cancel: &'a Cancel) -> Builder<'a> {
        Builder { course: &self.course, keys: &self.keys, watcher, cancel }
    }

    /// [Runs cases](Runner::cases) on what this call has.
    pub fn run(
        &self,
        suite: &Suite,
        cases: &[CaseInfo],
        options: run::Options,
        watcher: Watcher<'_>,
        cancel: &Cancel,
    ) -> Result<Vec<CaseVerdict>> {
        let postgres = |cancel: &Cancel| self.databases.line(&self.builder(&|_| {}, cancel));
        let runner = Runner { resources: &self.resources, postgres: &postgres, watcher, cancel };
        runner.cases(suite, cases, options)
    }
}
