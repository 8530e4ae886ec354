use adaptive_pool::AdaptivePool;
use adaptive_pool_suite::{chart, mornings, traffic::*};
use fixtures::exchange::Exchange;
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    for s in &SCRIPTS {
        let ex = Exchange::for_tasks();
        ex.connect_takes(mornings::CONNECT);
        let pool = AdaptivePool::new(ex.async_manager(), mornings::config()).await.unwrap();
        let t = std::time::Instant::now();
        let p = play(s, &ex, || {
            let pool = pool.clone();
            async move { pool.get().await.ok() }
        })
        .await;
        println!(
            "{} longest {:?} mean {:?} cs {:.0} resizes {} orders {} real {:?}",
            s.name,
            p.longest(),
            p.mean(),
            p.connection_seconds(),
            p.resizes,
            p.waits.len(),
            t.elapsed()
        );
        println!("{}", chart::draw(&p, s.seconds));
    }
}
