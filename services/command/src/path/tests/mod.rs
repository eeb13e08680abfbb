//! Commands in process, over a log in memory, with whatever goes wrong on the way.

mod erasure;
mod every_command;
mod failures;
mod own;
mod own_repeats;
mod races;
mod repeats;

use crate::staged::{Instance, World};

const DOMAIN: &str = "acme.example";
const PASSWORD: &str = "C0rrect-horse-battery";

/// A world with one service, the instance that made it, and another.
async fn two_instances() -> (World, Instance, Instance) {
    let world = World::new().await;
    let (one, two) = (world.instance(), world.instance());
    one.provision(DOMAIN).send().await.done(201);
    (world, one, two)
}
