//! A way to a server on which answers are seen, lost, and changed.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes connections on, and breaks them as it is told.
pub struct Proxy {
    url: String,
    orders: Arc<Orders>,
}

#[derive(Default)]
struct Orders {
    /// How many acknowledgements still to swallow, each with its connection.
    acks_to_lose: AtomicUsize,
    acks_lost: AtomicUsize,
    /// After how many bytes from the server each connection breaks; 0 for never.
    breaks_after: AtomicUsize,
    broken: AtomicUsize,
    refusals_in_flight: AtomicUsize,
    /// How many directly read entries still to leave out.
    entries_to_lose: AtomicUsize,
    /// Which version the server greets as, instead of its own.
    version: OnceLock<&'static str>,
}

impl Proxy {
    /// In front of one server, of a URL with a login.
    pub async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (login, server) = url.rsplit_once('@').expect("a login");
        let url = format!("{login}@{}", listener.local_addr().expect("bound"));
        let (orders, server) = (Arc::new(Orders::default()), server.to_owned());
        let told = Arc::clone(&orders);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(&server).await {
                    tokio::spawn(pass(client, server, Arc::clone(&told)));
                }
            }
        });
        Self { url, orders }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on the server greets as one of this version.
    pub fn greet_as(&self, version: &'static str) {
        self.orders.version.set(version).expect("it greets as one version only");
    }

    pub fn lose_acks(&self, count: usize) {
        self.orders.acks_to_lose.store(count, Ordering::SeqCst);
    }

    pub fn acks_lost(&self) -> usize {
        self.orders.acks_lost.load(Ordering::SeqCst)
    }

    /// Leaves out entries from the middle of answers, and nothing else.
    pub fn lose_entries(&self, count: usize) {
        self.orders.entries_to_lose.store(count, Ordering::SeqCst);
    }

    /// How many it has still to leave out.
    pub fn entries_to_lose(&self) -> usize {
        self.orders.entries_to_lose.load(Ordering::SeqCst)
    }

    pub fn break_after(&self, bytes: usize) {
        self.orders.breaks_after.store(bytes, Ordering::SeqCst);
    }

    pub fn broken(&self) -> usize {
        self.orders.broken.load(Ordering::SeqCst)
    }

    /// How often a server has said 10164: refused while another append is on its way.
    pub fn refusals_in_flight(&self) -> usize {
        self.orders.refusals_in_flight.load(Ordering::SeqCst)
    }
}

async fn pass(client: TcpStream, server: TcpStream, orders: Arc<Orders>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let upwards = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    };
    let downwards = async {
        let (mut buffer, mut passed) = (vec![0; 64 * 1024], 0);
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            let mut chunk = buffer[..read].to_vec();
            if let Some(entry) = directly_read(&chunk).filter(|_| take_one(&orders.entries_to_lose)) {
                chunk.drain(entry);
            }
            if let Some(version) = orders.version.get().filter(|_| chunk.starts_with(b"INFO ")) {
                chunk = greeting_of(&chunk, version);
            }
            let read = chunk.len();
            orders.refusals_in_flight.fetch_add(count(&chunk, b"\"err_code\":10164"), Ordering::SeqCst);
            if count(&chunk, b"{\"stream\":\"POSTKEY\"") > 0 && take_one(&orders.acks_to_lose) {
                orders.acks_lost.fetch_add(1, Ordering::SeqCst);
                return;
            }
            let limit = orders.breaks_after.load(Ordering::SeqCst);
            let rest = if limit == 0 { read } else { limit.saturating_sub(passed).min(read) };
            if to_client.write_all(&chunk[..rest]).await.is_err() {
                return;
            }
            passed += read;
            if rest < read {
                orders.broken.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    };
    // Whichever ends first breaks both.
    tokio::select! {
        () = upwards => {}
        () = downwards => {}
    }
}

/// A server's first line with another version: `INFO {"server_id":"…","version":"2.15.1",…}`.
fn greeting_of(line: &[u8], version: &str) -> Vec<u8> {
    let line = String::from_utf8_lossy(line);
    let (before, after) = line.split_once("\"version\":\"").expect("a server says its version");
    let (_, after) = after.split_once('"').expect("a string");
    format!("{before}\"version\":\"{version}\"{after}").into_bytes()
}

/// A whole message of an answer of many that is not its first: `HMSG <subject> <sid> <bytes of headers> <bytes>`, a line's
/// end, so many bytes, a line's end (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).
fn directly_read(chunk: &[u8]) -> Option<Range<usize>> {
    let find = |from: usize, what: &[u8]| Some(from + chunk[from..].windows(what.len()).position(|at| at == what)?);
    let mut from = 0;
    while let Some(begin) = find(from, b"\r\nHMSG ") {
        from = begin + 2;
        let line_end = find(from, b"\r\n")?;
        let line = std::str::from_utf8(&chunk[from..line_end]).ok()?;
        let bytes: usize = line.rsplit(' ').next()?.parse().ok()?;
        let end = line_end + 2 + bytes + 2;
        let message = chunk.get(from..end)?;
        if count(message, b"Nats-Last-Sequence: ") == 1 && count(message, b"Nats-Last-Sequence: 0") == 0 {
            return Some(from..end);
        }
    }
    None
}

fn count(bytes: &[u8], pattern: &[u8]) -> usize {
    bytes.windows(pattern.len()).filter(|window| *window == pattern).count()
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
