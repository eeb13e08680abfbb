//! A way from one node of a cluster to another, that can be cut.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Passes connections on to a port of this machine. While it is cut nothing comes through and nobody is told so: connections
/// stay, new ones are taken and hear nothing. Once it is mended, what was held back arrives, as after a network's failure
/// that was shorter than TCP's patience.
#[derive(Debug)]
pub(crate) struct Way {
    port: u16,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Cut,
    /// Nobody needs it any more.
    Over,
}

impl Gate {
    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }

    /// Waits while the way is cut; false once it is over.
    fn lets_through(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.changed.wait_while(state, |state| *state == State::Cut);
        *state.unwrap_or_else(PoisonError::into_inner) == State::Open
    }
}

impl Way {
    /// A way to this port of 127.0.0.1.
    pub(crate) fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let gate = Arc::new(Gate::default());
        let ours = Arc::clone(&gate);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let gate = Arc::clone(&ours);
                if *gate.state.lock().unwrap_or_else(PoisonError::into_inner) == State::Over {
                    return;
                }
                thread::spawn(move || connect(&client, target, &gate));
            }
        });
        Self { port, gate }
    }

    /// Where it begins.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets nothing through any more.
    pub(crate) fn cut(&self) {
        self.gate.set(State::Cut);
    }

    /// Lets everything through again.
    pub(crate) fn mend(&self) {
        self.gate.set(State::Open);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.gate.set(State::Over);
        // Who listens looks up.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn connect(client: &TcpStream, target: u16, gate: &Arc<Gate>) {
    if !gate.lets_through() {
        return;
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { return };
    let ends =
        |from: &TcpStream, to: &TcpStream| Some((from.try_clone().ok()?, to.try_clone().ok()?, Arc::clone(gate)));
    let Some((from, to, its_gate)) = ends(&server, client) else { return };
    thread::spawn(move || pass(&from, &to, &its_gate));
    pass(client, &server, gate);
}

/// Passes on what one end says, until it has ended; then the other hears so.
fn pass(mut from: &TcpStream, mut to: &TcpStream, gate: &Gate) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !gate.lets_through() || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    gate.lets_through();
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
