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

struct WrappingKey {
    id: Uuid,
    key: Zeroizing<[u8; 32]>,
}

/// The master keys. Whoever holds the file and the key store can open every part that still has its key.
pub struct Keyring {
    wrapping: Vec<WrappingKey>,
    macs: MacKeys,
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringFile {
    v: u32,
    wrapping: Vec<KeyLine>,
    mac: Vec<KeyLine>,
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
        let mut draw = || {
            let (mut id, mut key) = ([0; 16], Zeroizing::new([0; 32]));
            rng.fill_bytes(&mut id);
            rng.fill_bytes(&mut *key);
            (uuid::Builder::from_random_bytes(id).into_uuid(), key)
        };
        let (id, key) = draw();
        let (mac_id, mac_key) = draw();
        Self { wrapping: vec![WrappingKey { id, key }], macs: MacKeys::new(MacKey::new(mac_id, mac_key), []) }
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
        let wrapping = file.wrapping.iter().map(|line| Some(WrappingKey { id: line.id, key: line.bytes()? }));
        let wrapping: Vec<_> = wrapping.collect::<Option<_>>()?;
        let macs = file.mac.iter().map(|line| Some(MacKey::new(line.id, line.bytes()?)));
        let mut macs = macs.collect::<Option<Vec<_>>>()?.into_iter();
        let macs = MacKeys::new(macs.next()?, macs);
        (!wrapping.is_empty()).then_some(Self { wrapping, macs })
    }

    /// Writes the keyring to a file that must not exist yet (mode 0600): to a temporary name, synced, then linked, so
    /// that a crash leaves a whole file or none.
    ///
    /// # Errors
    /// Where there is a file already, or it can't be written.
    pub fn create(&self, path: &Path) -> Result<(), KeyringError> {
        let line = |id, key: &Zeroizing<[u8; 32]>| KeyLine::new(id, key);
        let file = KeyringFile {
            v: 1,
            wrapping: self.wrapping.iter().map(|key| line(key.id, &key.key)).collect(),
            mac: self.macs.keys.iter().map(|key| line(key.id, &key.key)).collect(),
        };
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyringError::Exists(path.to_owned()),
            _ => KeyringError::Io(path.to_owned(), error),
        };
        let text = serde_json::to_vec(&file).map(Zeroizing::new).map_err(|error| failed(error.into()))?;
        create_whole(path, &text).map_err(failed)
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

/// Creates a file of mode 0600 with `content`, whole or not at all, never over another.
fn create_whole(path: &Path, content: &[u8]) -> io::Result<()> {
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
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    linked?;
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
    fn secrets_print_redacted() {
        let keyring = Keyring::generate(&mut UnwrapErr(SysRng));
        assert_eq!(format!("{keyring:?}"), "Keyring(…)");
        let id = keyring.macs().present().id();
        assert_eq!(format!("{:?}", keyring.macs().present()), format!("MacKey({id})"));
    }
}
