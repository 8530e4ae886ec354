//! Real servers, of which the primary is killed: P4, P5, P8 and P16 in one story. It is worth no
//! points, for most machines have no PostgreSQL; and it shows what an outage costs.

use std::time::Duration;

use fault_tolerant_pool::{Cluster, ClusterConfig, ClusterConnection, ClusterError};
use fixtures::db::outage::{self, Here, Lender, Loan, Outage};
use fixtures::db::{PostgresLine, PostgresServer, servers};
use harness::{Case, fail};
use tokio::runtime::Builder;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("outlives_a_real_primary", "P8", outlives_a_real_primary)
            .title("PostgreSQL's primary is killed under load, reads go on, and it comes back")
            .real()
            .on_databases()
            .hard()
            .uses("postgres")
            .deadline(Duration::from_secs(30))
            .lesson("a-real-outage")
            .hints(&[
                "Does everything else pass? Then look for a clock that is not tokio's, or for \
                 something that works only because nothing takes time.",
                "A connection of a killed server breaks in use: what does its guard say to the \
                 breaker when it is dropped, and where does the connection go?",
            ]),
    ]
}

/// The cluster under test, as the story knows one.
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

type Got = Result<ClusterConnection<PostgresServer>, ClusterError>;

fn lend(got: Got) -> Result<Box<dyn Loan>, String> {
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

fn outlives_a_real_primary() {
    let told = servers();
    let Some(control) = told.replicated else {
        harness::skip(told.skipped.unwrap_or_else(|| {
            "the PostgreSQL in DATABASE_URL is nobody's to kill; without it, the checker makes \
             servers of its own"
                .to_owned()
        }));
    };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let of_no_use = "the servers are of no use";
        let servers = match control.replicate().await {
            Ok(servers) => servers,
            Err(error) => harness::skip(format!("{of_no_use}: {error}")),
        };
        harness::ran_on(servers.server());
        let mut all = match servers.servers() {
            Ok(all) => all.into_iter(),
            Err(error) => harness::skip(format!("{of_no_use}: {error}")),
        };
        let primary = all.next().expect("a primary");
        let config = ClusterConfig {
            failure_threshold: outage::FAILURE_THRESHOLD,
            open_for: outage::OPEN_FOR,
            attempt_timeout: outage::ATTEMPT_TIMEOUT,
            max_lag: Some(outage::MAX_LAG),
            max_connections: outage::MAX_CONNECTIONS,
        };
        let cluster = match Cluster::new(primary, all.collect(), config) {
            Ok(cluster) => Desk(cluster),
            Err(error) => fail("`Cluster::new` to take three servers", error.to_string()),
        };
        match outage::play(&cluster, &servers).await {
            Ok(outage) => judge(&outage),
            Err(error) => harness::skip(format!("{of_no_use}: {error}")),
        }
        cluster.0.close().await;
    });
}

fn judge(outage: &Outage) {
    println!("{outage}");
    let (unserved, why) = &outage.unserved;
    if *unserved > 0 {
        fail(
            "a server for each read: one replica is always there",
            format!("{unserved} reads without, the first for: {why}"),
        );
    }
    if outage.mistaken > 0 {
        fail(
            "`server()` to say whose connection it is",
            format!("another server on {} connections", outage.mistaken),
        );
    }
    let [primary, replica, paused] = outage.reads_without_primary[..] else {
        fail("three servers", format!("{}", outage.reads_without_primary.len()))
    };
    if replica == 0 || paused > 0 {
        fail(
            "while the primary is dead, reads on the replica that replays, and none on the one \
             whose replay is paused",
            format!(
                "{primary} on the primary, {replica} on replica 1, {paused} on the paused replica 2"
            ),
        );
    }
    if outage.refused == 0 {
        fail("writes to be refused while the primary is dead", "none was");
    }
    if outage.slowest_refusal >= outage::ATTEMPT_TIMEOUT {
        fail("a write to be refused at once", format!("one took {:?}", outage.slowest_refusal));
    }
    let (rejected, why) = &outage.rejected;
    if *rejected > 0 {
        fail(
            "no write anywhere but on the primary",
            format!("{rejected} that a server rejected, the first for: {why}"),
        );
    }
    if outage.lost() > 0 || outage.acknowledged.iter().skip(1).any(|writes| *writes > 0) {
        fail(
            "each acknowledged write on the primary",
            format!("{} lost; acknowledged, by server: {:?}", outage.lost(), outage.acknowledged),
        );
    }
    if outage.failed_back.is_none() {
        fail("a write on the primary soon after it is back", "none within 4 s");
    }
}
