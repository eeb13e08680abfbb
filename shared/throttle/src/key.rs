//! Accounts and origins as keys of tables.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// An account or an origin, as a keyed hash.
pub(crate) type Key = [u8; 16];

/// Makes keys.
pub(crate) struct Keys {
    /// Keyed once; each key continues a clone.
    keyed: Hmac<Sha256>,
}

impl Keys {
    pub fn new(key: &[u8; 32]) -> Self {
        let keyed =
            Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        Self { keyed }
    }

    /// An account's.
    pub fn account(&self, account: &str) -> Key {
        self.key(b"account", account.as_bytes())
    }

    /// That of an IPv4 address, or of an IPv6 address's network.
    pub fn origin(&self, origin: IpAddr) -> Key {
        match origin.to_canonical() {
            IpAddr::V4(v4) => self.key(b"origin4", &v4.octets()),
            IpAddr::V6(v6) => self.key(b"origin6", &v6.octets()[..8]),
        }
    }

    fn key(&self, kind: &[u8; 7], name: &[u8]) -> Key {
        let mac = self.keyed.clone().chain_update(kind).chain_update(name).finalize().into_bytes();
        let mut key = Key::default();
        key.copy_from_slice(&mac[..16]);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_of_one_customer_is_one_origin_and_so_are_the_spellings_of_an_ipv4_address() {
        let keys = Keys::new(&[1; 32]);
        let origin = |text: &str| keys.origin(text.parse().unwrap());
        assert_eq!(origin("2001:db8:0:1::1"), origin("2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert_ne!(origin("2001:db8:0:1::1"), origin("2001:db8:0:2::1"));
        assert_eq!(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
    }

    #[test]
    fn keys_differ_by_kind_and_by_start() {
        let keys = Keys::new(&[1; 32]);
        assert_ne!(keys.key(b"account", b"a"), keys.key(b"origin4", b"a"));
        assert_ne!(keys.key(b"account", b"a"), Keys::new(&[2; 32]).key(b"account", b"a"));
    }
}
