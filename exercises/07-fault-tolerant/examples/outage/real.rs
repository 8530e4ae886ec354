//! The outage on a real PostgreSQL, a primary and two replicas that are gone afterwards.

use std::error::Error;

use fault_tolerant_pool::{Cluster, ClusterConfig, ClusterConnection, ClusterError};
use fixtures::db::outage::{self, Here, Lender, Loan, Outage};
use fixtures::db::{PostgresLine, PostgresServer, Replicated, Service};

/// Plays it once and tells of it, or several times and prints a table. Returns why it cannot be
/// played here, if so.
pub(crate) fn play(runs: usize) -> Result<Option<String>, Box<dyn Error>> {
    let (_service, told) = Service::start()?;
    let Some(control) = told.replicated else {
        let given = "the PostgreSQL in DATABASE_URL is not to be killed";
        return Ok(Some(told.skipped.unwrap_or_else(|| given.to_owned())));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for run in 1..=runs {
            let servers = control.replicate().await?;
            let outage = once(&servers).await?;
            if runs == 1 {
                println!("{}\n\n{outage}", servers.server());
                continue;
            }
            if run == 1 {
                println!("{}\n\n{HEADING}", servers.server());
            }
            println!("{}", row(run, &outage));
        }
        Ok(None)
    })
}

async fn once(servers: &Replicated) -> Result<Outage, Box<dyn Error>> {
    let mut all = servers.servers()?.into_iter();
    let primary = all.next().ok_or("there is no primary")?;
    let config = ClusterConfig {
        failure_threshold: outage::FAILURE_THRESHOLD,
        open_for: outage::OPEN_FOR,
        attempt_timeout: outage::ATTEMPT_TIMEOUT,
        max_lag: Some(outage::MAX_LAG),
        max_connections: outage::MAX_CONNECTIONS,
    };
    let desk = Desk(Cluster::new(primary, all.collect(), config)?);
    let outage = outage::play(&desk, servers).await?;
    desk.0.close().await;
    Ok(outage)
}

const HEADING: &str = "\
| run | longest gap in reads | writes refused | slowest refusal | acknowledged | of them lost | cut short | failed back after |
|----:|---------------------:|---------------:|----------------:|-------------:|-------------:|----------:|------------------:|";

fn row(run: usize, outage: &Outage) -> String {
    let back =
        outage.failed_back.map_or_else(|| "never".to_owned(), |t| format!("{} ms", t.as_millis()));
    format!(
        "| {run} | {} ms | {} | {} ms | {} | {} | {} | {back} |",
        outage.longest_gap.as_millis(),
        outage.refused,
        outage.slowest_refusal.as_millis(),
        outage.acknowledged.iter().sum::<usize>(),
        outage.lost(),
        outage.unanswered,
    )
}

/// The cluster, as the story knows one.
struct Desk(Cluster<PostgresServer>);

struct Borrowed(ClusterConnection<PostgresServer>);

impl Loan for Borrowed {
    fn server(&self) -> usize {
        self.0.server()
    }

    fn line(&mut self) -> &mut PostgresLine {
        &mut self.0
    }
}

fn lend(
    got: Result<ClusterConnection<PostgresServer>, ClusterError>,
) -> Result<Box<dyn Loan>, String> {
    got.map(|conn| Box::new(Borrowed(conn)) as Box<dyn Loan>).map_err(|error| error.to_string())
}

impl Lender for Desk {
    fn read(&self) -> Here<'_, Result<Box<dyn Loan>, String>> {
        Box::pin(async { lend(self.0.read().await) })
    }

    fn write(&self) -> Here<'_, Result<Box<dyn Loan>, String>> {
        Box::pin(async { lend(self.0.write().await) })
    }
}
