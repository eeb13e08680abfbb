//! Entry bundles: the entries beside the tiles of level 0 (C2SP tlog-tiles, "Log entries").

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::tile::{PathError, Place, Tile, parts};

/// A bundle: 256 entries that stand beside each other, fewer where the log ended in it.
///
/// Shown and parsed as its path under the log's prefix, `tile/entries/<N>[.p/<W>]`, as strictly as a [`Tile`]'s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bundle {
    /// Which one, from 0.
    pub index: u64,
    /// How many entries it has, 1 to 256.
    pub width: u16,
}

/// Why bytes are no bundle, or an entry has no place in one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BundleError {
    /// A bundle gives an entry's length in two bytes.
    #[error("an entry of {0} bytes has no place in a bundle: 65,535 are the most")]
    TooLong(usize),
    /// The bytes end inside an entry.
    #[error("the bundle ends inside its entry {0}")]
    CutOff(usize),
}

impl Bundle {
    /// All the bundles that a log of `size` entries is served as, from the left.
    pub fn of_log(size: u64) -> impl Iterator<Item = Self> {
        parts(size).map(|(index, width)| Self { index, width })
    }

    /// The indexes of its entries, which are those of their leaves.
    pub const fn entries(&self) -> Range<u64> {
        self.leaves().nodes()
    }

    /// Whether a log of `size` entries has all of them.
    pub fn is_in(&self, size: u64) -> bool {
        self.leaves().is_in(size)
    }

    /// The tile of the hashes of its entries.
    pub const fn leaves(&self) -> Tile {
        Tile { level: 0, index: self.index, width: self.width }
    }

    /// Adds an entry to a bundle's bytes: its length, two bytes, big-endian, then the entry.
    ///
    /// # Errors
    /// Where the entry is too long; `bytes` is then as it was.
    pub fn add(bytes: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
        Ok(())
    }

    /// The entries of a bundle's bytes. How many there have to be is the caller's to check.
    ///
    /// # Errors
    /// Where the bytes end inside an entry.
    pub fn read(bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
        let mut entries = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let cut_off = BundleError::CutOff(entries.len());
            let (length, after) = rest.split_first_chunk::<2>().ok_or(cut_off)?;
            let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(cut_off)?;
            entries.push(entry);
            rest = after;
        }
        Ok(entries)
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/entries/{}", Place { index: self.index, width: self.width })
    }
}

impl FromStr for Bundle {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        let Place { index, width } = path.strip_prefix("tile/entries/").ok_or(PathError)?.parse()?;
        Ok(Self { index, width })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_length_prefixed_entries() {
        let mut bytes = Vec::new();
        for entry in [&b"first"[..], b"", b"third"] {
            Bundle::add(&mut bytes, entry).expect("short");
        }
        assert_eq!(bytes, b"\0\x05first\0\0\0\x05third");
        assert_eq!(Bundle::read(&bytes), Ok(vec![&b"first"[..], b"", b"third"]));
        assert_eq!(Bundle::read(&bytes[..bytes.len() - 1]), Err(BundleError::CutOff(2)));
        assert_eq!(Bundle::read(&bytes[..8]), Err(BundleError::CutOff(1)));
        assert_eq!(Bundle::read(b""), Ok(vec![]));
    }

    #[test]
    fn the_longest_entry_is_what_two_bytes_count() {
        let mut bytes = Vec::new();
        assert_eq!(Bundle::add(&mut bytes, &vec![7; 65_536]), Err(BundleError::TooLong(65_536)));
        assert_eq!(bytes, []);
        Bundle::add(&mut bytes, &vec![7; 65_535]).expect("it fits");
        assert_eq!(Bundle::read(&bytes).map(|entries| entries[0].len()), Ok(65_535));
    }

    #[test]
    fn a_bundle_stands_beside_its_tile() {
        let bundle: Bundle = "tile/entries/x001/000.p/3".parse().expect("a path");
        assert_eq!(bundle, Bundle { index: 1000, width: 3 });
        assert_eq!(bundle.to_string(), "tile/entries/x001/000.p/3");
        assert_eq!(bundle.entries(), 256_000..256_003);
        assert!(bundle.is_in(256_003) && !bundle.is_in(256_002));
        assert_eq!("tile/0/000".parse::<Bundle>(), Err(PathError));
        assert_eq!("tile/entries/0".parse::<Bundle>(), Err(PathError));
        let paths: Vec<String> = Bundle::of_log(513).map(|bundle| bundle.to_string()).collect();
        assert_eq!(paths, ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/1"]);
    }
}
