//! Serving HTTP/1.1 so that no client can hold the service: not by sending slowly, nor by not reading, nor by staying.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::write_deadline::WriteDeadline;
use crate::{Entropy, Metrics, layers, observed};

/// How long a request's head may take, and how long a connection may idle between two requests.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long a client may read nothing of what it is sent.
const READS_WITHIN: Duration = Duration::from_secs(30);
/// How long requests in flight are waited for, once the service is told to stop.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// How much of a request's head is taken; tokens, keys and reasons together need a few KiB.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// How many connections are served at a time; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 4_096;
/// How long to wait where no connection can be accepted: out of file descriptors, most likely.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// In a request's extensions: the address that its connection came from. Behind a proxy that is the proxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Serves `router` behind [`layers`] until `stop`: then it accepts nothing more, lets requests in flight end for up to
/// ten seconds, and drops the rest. Handlers that answer for longer (streams, long polls) should watch the same token.
pub async fn serve(
    router: Router,
    entropy: Arc<dyn Entropy>,
    metrics: Option<Metrics>,
    listener: TcpListener,
    stop: CancellationToken,
) -> io::Result<()> {
    serve_layered(layers(router, entropy, metrics), listener, stop).await
}

/// The same for pages: what no handler answers is the router's own to answer, behind [`observed`].
pub async fn serve_pages(
    router: Router,
    entropy: Arc<dyn Entropy>,
    metrics: Option<Metrics>,
    listener: TcpListener,
    stop: CancellationToken,
) -> io::Result<()> {
    serve_layered(observed(router, entropy, metrics), listener, stop).await
}

async fn serve_layered(router: Router, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some((stream, peer)) = next_connection(&listener, &stop, &mut connections).await {
        // Taken before the task begins, so that a flood waits outside. It is never closed.
        let Some(Ok(place)) = stop.run_until_cancelled(Arc::clone(&places).acquire_owned()).await else { break };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            let _place = place;
            converse(stream, Peer(peer), router, stop).await;
        });
    }
    drop(listener);

    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(ENDS_WITHIN, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests were still in flight and are dropped");
        connections.shutdown().await;
    }
    Ok(())
}

/// The next connection; `None` once it is time to stop.
async fn next_connection(
    listener: &TcpListener,
    stop: &CancellationToken,
    connections: &mut JoinSet<()>,
) -> Option<(TcpStream, IpAddr)> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return None,
            // Ended ones are collected as they end. A task that panicked has been told of by the panic hook.
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => return Some((stream, peer.ip().to_canonical())),
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "can't accept a connection");
                    stop.run_until_cancelled(tokio::time::sleep(ACCEPT_AGAIN_AFTER)).await?;
                }
            },
        }
    }
}

/// Whether it was the client that gave up before it was served.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers one connection's requests until it ends or is told to.
async fn converse(stream: TcpStream, peer: Peer, router: Router, stop: CancellationToken) {
    // Answers are small; waiting to fill a packet would only delay them. A failure costs that delay.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(WriteDeadline::new(stream, READS_WITHIN)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients break off all the time. hyper's errors name the kind of failure and nothing that was sent.
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::*;
    use crate::staged::Counting;
    use crate::{Body, NoFields, listen};

    async fn connect(listener: &TcpListener) -> TcpStream {
        TcpStream::connect(listener.local_addr().unwrap()).await.unwrap()
    }

    async fn local() -> TcpListener {
        listen("127.0.0.1:0".parse().unwrap(), false).await.unwrap()
    }

    async fn all(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_request_in_flight_is_answered_and_nobody_else_is_let_in_once_it_is_time_to_stop() {
        let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (handler_begun, handler_finish) = (Arc::clone(&begun), Arc::clone(&finish));
        let slow = get(move || async move {
            handler_begun.notify_one();
            handler_finish.notified().await;
            "done"
        });
        let (listener, stop) = (local().await, CancellationToken::new());
        let address = listener.local_addr().unwrap();
        let mut idle = connect(&listener).await;
        let mut busy = connect(&listener).await;
        let router = Router::new().route("/slow", slow);
        let serving = tokio::spawn(serve(router, Arc::new(Counting::default()), None, listener, stop.clone()));

        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        begun.notified().await;
        stop.cancel();
        assert_eq!(all(&mut idle).await, "");
        assert!(TcpStream::connect(address).await.is_err());

        finish.notify_one();
        let answer = all(&mut busy).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done"), "{answer}");
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn problems_reach_the_wire_with_their_length_and_headers() {
        let (listener, stop) = (local().await, CancellationToken::new());
        let mut client = connect(&listener).await;
        let router = Router::new().route("/x", post(|Body(NoFields): Body<NoFields>| async {}));
        let serving = tokio::spawn(serve(router, Arc::new(Counting::default()), None, listener, stop.clone()));

        client.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let answer = all(&mut client).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
        assert!(head.contains("allow: POST") && head.contains("x-request-id: "), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(body.contains("\"request_id\":\""), "{body}");
        stop.cancel();
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_sender_of_too_large_a_body_sees_the_refusal() {
        let (listener, stop) = (local().await, CancellationToken::new());
        let mut client = connect(&listener).await;
        let router = Router::new().route("/x", post(|Body(NoFields): Body<NoFields>| async {}));
        let serving = tokio::spawn(serve(router, Arc::new(Counting::default()), None, listener, stop.clone()));

        client.write_all(b"POST /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n").await.unwrap();
        client.write_all(b"content-type: application/json\r\ncontent-length: 900000\r\n\r\n").await.unwrap();
        client.write_all(&[b' '; 900_000]).await.unwrap();
        assert!(all(&mut client).await.starts_with("HTTP/1.1 413 "));
        stop.cancel();
        serving.await.unwrap().unwrap();
    }
}
