//! PostgreSQL, and what becomes of it: both the read model and the keys lie there.

use servers::{Nats, Postgres};
use stage::{Folder, Separate, until};

use crate::weather::Weather;

#[tokio::test]
async fn it_is_killed_and_comes_back() {
    let (folder, mut postgres) = (Folder::new(), Postgres::start());
    let nats = Nats::shared();
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), &postgres).await;
    let weather = Weather::fair(separate.several(2, 2).await).await;
    for _ in 0..2 {
        postgres.kill();
        for seat in &weather.services.projections {
            until("it is not ready", async || seat.is_red().await.then_some(())).await;
        }
        let login = weather.stack.login("w0@acme.example", "whatever").await;
        login.problem(503, "read_model_unavailable");
        postgres.start_again();
        weather.work_goes_on().await;
    }
    weather.clears().await;
}

#[tokio::test]
async fn it_stands_still_for_a_while() {
    let (folder, postgres) = (Folder::new(), Postgres::start());
    let nats = Nats::shared();
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), &postgres).await;
    let weather = Weather::fair(separate.several(1, 2).await).await;
    postgres.pause();
    for seat in &weather.services.projections {
        until("it is not ready", async || seat.is_red().await.then_some(())).await;
    }
    postgres.resume();
    weather.clears().await;
}
