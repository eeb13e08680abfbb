//! The keyring file: the master keys that wrap the keys of parts, and the keys that authenticate entries.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use domain::KeyId;
use hmac::{Hmac, Mac};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{NotOurs, PartKey};

/// The first part of what is authenticated with a wrapped key, before the key's own id.
const WRAP_CONTEXT: &[u8] = b"postkey wrapped key v1";

/// A part's key, encrypted under a master key: id of the master key (16 bytes) ‖ nonce (24) ‖ ciphertext and tag (48),
/// XChaCha20-Poly1305 over the context and the part key's own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey(pub Vec<u8>);

/// The id of a key that authenticates entries, as it stands before the MAC in an entry.
pub type MacKeyId = Uuid;

/// A key that authenticates entries: HMAC-SHA-256 (RFC 2104).
#[derive(Clone)]
pub struct MacKey {
    id: MacKeyId,
    key: Zeroizing<[u8; 32]>,
}

impl MacKey {
    /// Takes a key as it is.
    pub const fn new(id: MacKeyId, key: Zeroizing<[u8; 32]>) -> Self {
        Self { id, key }
    }

    /// The key's id.
    pub const fn id(&self) -> MacKeyId {
        self.id
    }

    /// The MAC over the parts, one after the other.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.over(parts).finalize().into_bytes().into()
    }

    /// Whether `mac` is the MAC over the parts; in constant time.
    pub fn verifies(&self, parts: &[&[u8]], mac: &[u8]) -> bool {
        self.over(parts).verify_slice(mac).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&*self.key)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        for part in parts {
            hmac.update(part);
        }
        hmac
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MacKey({})", self.id)
    }
}

/// The keys that authenticate entries: the present one, and those that older entries carry.
#[derive(Clone, Debug)]
pub struct MacKeys {
    keys: Vec<MacKey>,
}

impl MacKeys {
    /// The present key first; at least one.
    pub fn new(present: MacKey, older: impl IntoIterator<Item = MacKey>) -> Self {
        Self { keys: std::iter::once(present).chain(older).collect() }
    }

    /// The key that new entries are authenticated with.
    pub fn present(&self) -> &MacKey {
        &self.keys[0]
    }

    /// The key of this id.
    pub fn get(&self, id: MacKeyId) -> Option<&MacKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}

#[derive(Clone)]
struct WrappingKey {
    id: Uuid,
    key: Zeroizing<[u8; 32]>,
}

/// The master keys. Whoever holds the file and the key store can open every part that still has its key.
pub struct Keyring {
    /// The present one first; the next one, where there is one, last.
    wrapping: Vec<WrappingKey>,
    /// In the same order.
    macs: MacKeys,
    has_next: bool,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(…)")
    }
}

/// Why there is no keyring. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file is not there.
    #[error("the keyring {} is missing: restore it from your backup; without it nothing in the log can be read", .0.display())]
    Missing(PathBuf),
    /// There is a file already.
    #[error("there is a keyring {} already; it is never overwritten", .0.display())]
    Exists(PathBuf),
    /// Others may read the file.
    #[error("the keyring {} can be read by others than its owner: chmod 600 it", .0.display())]
    Exposed(PathBuf),
    /// The file can't be read or written.
    #[error("the keyring {}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// The file is no keyring.
    #[error("{} is not a keyring: restore it from your backup", .0.display())]
    Malformed(PathBuf),
}

/// Of each list, the present key stands first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringFile {
    v: u32,
    wrapping: Vec<KeyLine>,
    mac: Vec<KeyLine>,
    /// What becomes the present ones next: every host has to be able to read with them before any writes with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<NextKeys>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NextKeys {
    wrapping: KeyLine,
    mac: KeyLine,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyLine {
    id: Uuid,
    key: Zeroizing<String>,
}

impl KeyLine {
    fn new(id: Uuid, key: &[u8; 32]) -> Self {
        Self { id, key: Zeroizing::new(STANDARD.encode(key)) }
    }

    fn bytes(&self) -> Option<Zeroizing<[u8; 32]>> {
        let decoded = Zeroizing::new(STANDARD.decode(&*self.key).ok()?);
        Some(Zeroizing::new(<[u8; 32]>::try_from(decoded.as_slice()).ok()?))
    }
}

impl Keyring {
    /// Draws a keyring of one master key and one key for MACs.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let (wrapping, mac) = draw(rng);
        Self { wrapping: vec![wrapping], macs: MacKeys::new(mac, []), has_next: false }
    }

    /// The same with a master key and a key for MACs that are to become the present ones; as it is where it has such.
    #[must_use]
    pub fn prepared(&self, rng: &mut dyn CryptoRng) -> Self {
        let (mut wrapping, mut macs) = (self.wrapping.clone(), self.macs.clone());
        if !self.has_next {
            let (next, mac) = draw(rng);
            wrapping.push(next);
            macs.keys.push(mac);
        }
        Self { wrapping, macs, has_next: true }
    }

    /// The same with another present master key and key for MACs: those that were prepared, or new ones. The old ones stay,
    /// for what was made with them.
    #[must_use]
    pub fn rotated(&self, rng: &mut dyn CryptoRng) -> Self {
        let Self { mut wrapping, mut macs, .. } = self.prepared(rng);
        wrapping.rotate_right(1);
        macs.keys.rotate_right(1);
        Self { wrapping, macs, has_next: false }
    }

    /// The same without the master keys of before. Keys for MACs stay for ever: entries carry what was made with them.
    #[must_use]
    pub fn without_old(&self) -> Self {
        let next = self.wrapping.last().filter(|_| self.has_next);
        let wrapping = self.wrapping.first().into_iter().chain(next).cloned().collect();
        Self { wrapping, macs: self.macs.clone(), has_next: self.has_next }
    }

    /// How many master keys there are that wrap nothing any more, or will not soon.
    pub fn old(&self) -> usize {
        self.wrapping.len() - 1 - usize::from(self.has_next)
    }

    /// Whether there are keys that are to become the present ones.
    pub const fn has_next(&self) -> bool {
        self.has_next
    }

    /// Reads the keyring file.
    ///
    /// # Errors
    /// Where it is missing, unreadable, readable by others, or no keyring.
    pub fn load(path: &Path) -> Result<Self, KeyringError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => KeyringError::Missing(path.to_owned()),
            _ => KeyringError::Io(path.to_owned(), error),
        };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyringError::Exposed(path.to_owned()));
        }
        let text = Zeroizing::new(fs::read(path).map_err(failed)?);
        Self::parse(&text).ok_or_else(|| KeyringError::Malformed(path.to_owned()))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let file: KeyringFile = serde_json::from_slice(text).ok().filter(|file: &KeyringFile| file.v == 1)?;
        if file.wrapping.is_empty() || file.mac.is_empty() {
            return None;
        }
        let has_next = file.next.is_some();
        let (next, next_mac) = file.next.map(|next| (next.wrapping, next.mac)).unzip();
        let wrapping = file.wrapping.into_iter().chain(next);
        let wrapping = wrapping.map(|line| Some(WrappingKey { id: line.id, key: line.bytes()? }));
        let macs = file.mac.into_iter().chain(next_mac).map(|line| Some(MacKey::new(line.id, line.bytes()?)));
        let mut macs = macs.collect::<Option<Vec<_>>>()?.into_iter();
        let macs = MacKeys::new(macs.next()?, macs);
        Some(Self { wrapping: wrapping.collect::<Option<_>>()?, macs, has_next })
    }

    fn text(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let mut wrapping: Vec<_> = self.wrapping.iter().map(|key| KeyLine::new(key.id, &key.key)).collect();
        let mut mac: Vec<_> = self.macs.keys.iter().map(|key| KeyLine::new(key.id, &key.key)).collect();
        let next = if self.has_next { wrapping.pop().zip(mac.pop()) } else { None };
        let next = next.map(|(wrapping, mac)| NextKeys { wrapping, mac });
        serde_json::to_vec(&KeyringFile { v: 1, wrapping, mac, next }).map(Zeroizing::new)
    }

    /// Writes the keyring to a file that must not exist yet (mode 0600): to a temporary name, synced, then linked, so
    /// that a crash leaves a whole file or none.
    ///
    /// # Errors
    /// Where there is a file already, or it can't be written.
    pub fn create(&self, path: &Path) -> Result<(), KeyringError> {
        self.write(path, |temporary| {
            let linked = fs::hard_link(temporary, path);
            fs::remove_file(temporary)?;
            linked
        })
    }

    /// Writes the keyring in the place of another: whoever reads the file finds one of the two, whole, also after a crash.
    /// Of several who replace it at once, all but the last lose their keys: the caller sees to it that there is one.
    ///
    /// # Errors
    /// Where it can't be written. Then the old one stands, or the new one.
    pub fn replace(&self, path: &Path) -> Result<(), KeyringError> {
        self.write(path, |temporary| fs::rename(temporary, path))
    }

    fn write(&self, path: &Path, put: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), KeyringError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyringError::Exists(path.to_owned()),
            _ => KeyringError::Io(path.to_owned(), error),
        };
        let text = self.text().map_err(|error| failed(error.into()))?;
        write_whole(path, &text, put).map_err(failed)
    }

    /// The keys that authenticate entries.
    pub const fn macs(&self) -> &MacKeys {
        &self.macs
    }

    /// Wraps a part's key under the present master key.
    pub fn wrap(&self, id: KeyId, key: &PartKey, rng: &mut dyn CryptoRng) -> WrappedKey {
        let master = &self.wrapping[0];
        let mut nonce = [0; 24];
        rng.fill_bytes(&mut nonce);
        let aad = [WRAP_CONTEXT, id.as_bytes()].concat();
        let sealed = XChaCha20Poly1305::new((&*master.key).into())
            .encrypt(&XNonce::from(nonce), Payload { msg: key.as_bytes(), aad: &aad })
            .unwrap_or_else(|_| unreachable!("32 bytes are below the cipher's limit"));
        WrappedKey([&master.id.as_bytes()[..], &nonce, &sealed].concat())
    }

    /// Whether it was wrapped under the present master key, as far as it says.
    pub fn wraps_as(&self, wrapped: &WrappedKey) -> bool {
        wrapped.0.starts_with(self.wrapping[0].id.as_bytes())
    }

    /// Unwraps a part's key.
    ///
    /// # Errors
    /// Where it was wrapped by another keyring, for another id, or has been changed.
    pub fn unwrap(&self, id: KeyId, wrapped: &WrappedKey) -> Result<PartKey, NotOurs> {
        let (master, rest) = wrapped.0.split_first_chunk::<16>().ok_or(NotOurs)?;
        let (nonce, sealed) = rest.split_first_chunk::<24>().ok_or(NotOurs)?;
        let master = self.wrapping.iter().find(|key| key.id.as_bytes() == master).ok_or(NotOurs)?;
        let aad = [WRAP_CONTEXT, id.as_bytes()].concat();
        let key = XChaCha20Poly1305::new((&*master.key).into())
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| NotOurs)?;
        let key = <[u8; 32]>::try_from(key.as_slice()).map_err(|_| NotOurs)?;
        Ok(PartKey::from_bytes(Zeroizing::new(key)))
    }
}

fn draw(rng: &mut dyn CryptoRng) -> (WrappingKey, MacKey) {
    let mut draw = || {
        let (mut id, mut key) = ([0; 16], Zeroizing::new([0; 32]));
        rng.fill_bytes(&mut id);
        rng.fill_bytes(&mut *key);
        (uuid::Builder::from_random_bytes(id).into_uuid(), key)
    };
    let (id, key) = draw();
    let (mac_id, mac_key) = draw();
    (WrappingKey { id, key }, MacKey::new(mac_id, mac_key))
}

/// Writes a file of mode 0600 with `content` under a temporary name, syncs it, and has it `put` in its place.
fn write_whole(path: &Path, content: &[u8], put: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = path.with_added_extension("new");
    // What a crash has left there may be anybody's to read.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    put(&temporary)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    use super::*;

    fn id(n: u128) -> KeyId {
        KeyId::new(Uuid::from_u128(n))
    }

    #[test]
    fn a_wrapped_key_unwraps_under_its_keyring_and_id_only() {
        let rng = &mut UnwrapErr(SysRng);
        let (ours, theirs) = (Keyring::generate(rng), Keyring::generate(rng));
        let key = PartKey::generate(rng);
        let wrapped = ours.wrap(id(1), &key, rng);
        assert_eq!(ours.unwrap(id(1), &wrapped).unwrap().as_bytes(), key.as_bytes());
        assert!(ours.unwrap(id(2), &wrapped).is_err());
        assert!(theirs.unwrap(id(1), &wrapped).is_err());
        for i in 0..wrapped.0.len() {
            let mut changed = wrapped.clone();
            changed.0[i] ^= 1;
            assert!(ours.unwrap(id(1), &changed).is_err(), "byte {i}");
        }
    }

    #[test]
    fn a_keyring_survives_its_file_and_is_never_overwritten() {
        let rng = &mut UnwrapErr(SysRng);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring");
        let ours = Keyring::generate(rng);
        ours.create(&path).unwrap();
        let wrapped = ours.wrap(id(1), &PartKey::generate(rng), rng);
        let read = Keyring::load(&path).unwrap();
        assert!(read.unwrap(id(1), &wrapped).is_ok());
        assert_eq!(read.macs().present().mac(&[b"x"]), ours.macs().present().mac(&[b"x"]));
        assert!(matches!(Keyring::generate(rng).create(&path), Err(KeyringError::Exists(_))));
        assert!(Keyring::load(&path).unwrap().unwrap(id(1), &wrapped).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_keyring_that_is_missing_exposed_or_malformed_is_refused() {
        let rng = &mut UnwrapErr(SysRng);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring");
        assert!(matches!(Keyring::load(&path), Err(KeyringError::Missing(_))));
        Keyring::generate(rng).create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Keyring::load(&path), Err(KeyringError::Exposed(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let whole = fs::read(&path).unwrap();
        for text in [&whole[..whole.len() / 2], b"", b"{}", br#"{"v":1,"wrapping":[],"mac":[]}"#] {
            fs::write(&path, text).unwrap();
            assert!(matches!(Keyring::load(&path), Err(KeyringError::Malformed(_))));
        }
    }

    #[test]
    fn a_rotated_keyring_reads_what_older_ones_wrote_and_writes_what_prepared_ones_read() {
        let rng = &mut UnwrapErr(SysRng);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring");
        let first = Keyring::generate(rng);
        let key = PartKey::generate(rng);
        let old = first.wrap(id(1), &key, rng);
        first.create(&path).unwrap();
        let stored = |keyring: &Keyring| {
            keyring.replace(&path).unwrap();
            Keyring::load(&path).unwrap()
        };
        let prepared = stored(&first.prepared(rng));
        assert!(prepared.has_next() && prepared.wraps_as(&old) && prepared.old() == 0);
        assert_eq!(prepared.macs().present().id(), first.macs().present().id());
        assert_eq!(prepared.text().unwrap(), prepared.prepared(rng).text().unwrap(), "prepared once");
        let rotated = stored(&prepared.rotated(rng));
        assert!(!rotated.has_next() && !rotated.wraps_as(&old) && rotated.old() == 1);
        assert!(rotated.unwrap(id(1), &old).is_ok());
        let new = rotated.wrap(id(1), &key, rng);
        assert!(prepared.unwrap(id(1), &new).is_ok(), "whoever has the prepared one");
        assert!(prepared.macs().get(rotated.macs().present().id()).is_some());
        assert!(first.unwrap(id(1), &new).is_err());
        let last = stored(&rotated.rotated(rng).without_old());
        assert_eq!(last.old(), 0);
        assert!(last.unwrap(id(1), &old).is_err() && last.unwrap(id(1), &new).is_err());
        for mac in [first.macs().present().id(), rotated.macs().present().id()] {
            assert!(last.macs().get(mac).is_some(), "keys for MACs stay");
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn secrets_print_redacted() {
        let keyring = Keyring::generate(&mut UnwrapErr(SysRng));
        assert_eq!(format!("{keyring:?}"), "Keyring(…)");
        let id = keyring.macs().present().id();
        assert_eq!(format!("{:?}", keyring.macs().present()), format!("MacKey({id})"));
    }
}
