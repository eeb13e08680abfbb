//! A bare axum server that answers the JSON that it is sent: what no service over HTTP can be faster than.

use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::failure::{Failure, Named};

/// Where it answers.
pub const PATH: &str = "/echo";

/// Serves until the process is killed, on a port of its own on loopback, and says where.
///
/// # Errors
/// Where it can't listen.
pub fn serve() -> Result<(), Failure> {
    // As the product's own.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().named("the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.named("the echo")?;
        super::write(&format!("http://{}\n", listener.local_addr().named("the echo")?))?;
        let router = Router::new().route(PATH, post(|Json(body): Json<Value>| async move { Json(body) }));
        axum::serve(listener, router).await.named("the echo")
    })
}
