//! Where a service listens: on loopback, unless it was told in so many words that it stands behind a proxy.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why a service can't listen; one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Passwords and tokens would cross a network in the clear.
    #[error(
        "{0} is not loopback, and postkey speaks plain HTTP: put a proxy that ends TLS in front and say \
         --insecure-listen, or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
    /// Somebody else has the port.
    #[error(
        "port {} on {} is in use: stop what listens there, or choose another port (0 picks a free one)",
        .0.port(),
        .0.ip()
    )]
    InUse(SocketAddr),
    /// The system does not let us.
    #[error("may not listen on {0}: ports below 1024 take a privilege; choose a higher one")]
    Denied(SocketAddr),
    /// The address is none of this machine's.
    #[error("{0} is no address of this machine: choose one that is, such as 127.0.0.1")]
    NotOurs(SocketAddr),
    /// Anything else.
    #[error("can't listen on {address}: {source}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on `address`. Without `insecure`, on loopback only.
pub async fn listen(address: SocketAddr, insecure: bool) -> Result<TcpListener, ListenError> {
    if !insecure && !address.ip().to_canonical().is_loopback() {
        return Err(ListenError::Exposed(address));
    }
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(address),
        io::ErrorKind::PermissionDenied => ListenError::Denied(address),
        io::ErrorKind::AddrNotAvailable => ListenError::NotOurs(address),
        _ => ListenError::Other { address, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_is_listened_on_unless_told_otherwise() {
        for address in ["127.0.0.1:0", "127.9.9.9:0", "[::ffff:127.0.0.1]:0"] {
            assert!(listen(address.parse().unwrap(), false).await.is_ok(), "{address}");
        }
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let refused = listen(address.parse().unwrap(), false).await.unwrap_err().to_string();
            assert!(refused.contains("--insecure-listen") && !refused.contains('\n'), "{refused}");
        }
        assert!(listen("0.0.0.0:0".parse().unwrap(), true).await.is_ok());
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = listen("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        let address = first.local_addr().unwrap();
        let refused = listen(address, false).await.unwrap_err();
        assert!(matches!(refused, ListenError::InUse(_)));
        assert!(refused.to_string().contains(&address.port().to_string()));
    }
}
