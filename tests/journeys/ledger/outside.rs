//! A verifier that was written by others (Cloudflare's `signed_note` and `tlog_tiles`), and fetches what it needs over HTTP
//! by C2SP's paths. It has the ledger's public key, and nothing else of ours.

use std::collections::HashMap;

use signed_note::{Note, StandardVerifier, VerifierList};
use stage::{Api, until};
use tlog_tiles::{Checkpoint, Error, Hash, Tile, TileHashReader, TileReader};

/// A checkpoint whose signatures were verified, and by how many of the given keys.
pub struct Verified {
    pub size: u64,
    pub root: Hash,
    pub origin: String,
    pub signatures: usize,
}

/// Verifies a checkpoint with these public keys.
pub fn verified(note: &str, public_keys: &[&str]) -> Result<Verified, String> {
    let verifier = |key: &&str| StandardVerifier::new(key).map_err(|error| format!("{key}: {error}"));
    let keys: Vec<_> = public_keys.iter().map(verifier).collect::<Result<_, _>>()?;
    let keys = VerifierList::new(keys.into_iter().map(|key| Box::new(key) as Box<dyn signed_note::Verifier>).collect());
    let note = Note::from_bytes(note.as_bytes()).map_err(|error| error.to_string())?;
    let (signatures, _) = note.verify(&keys).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|error| error.to_string())?;
    assert_eq!(checkpoint.extension(), "");
    let (size, root, origin) = (checkpoint.size(), *checkpoint.hash(), checkpoint.origin().to_owned());
    Ok(Verified { size, root, origin, signatures: signatures.len() })
}

/// The newest checkpoint once it holds a position, as it is served.
pub async fn checkpoint_of(auditor: &Api, position: u64) -> String {
    until("a checkpoint holds the position", async || {
        let answer = auditor.get("/ledger/checkpoint").await;
        let size = answer.text.lines().nth(1).and_then(|size| size.parse::<u64>().ok());
        (answer.status == 200 && size >= Some(position)).then_some(answer.text)
    })
    .await
}

/// `<N>[.p/<W>]` as C2SP tlog-tiles writes it.
fn index(index: u64, width: u64) -> String {
    let last = format!("{:03}", index % 1000);
    let before = if index >= 1000 { format!("x{:03}/", index / 1000) } else { String::new() };
    let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
    format!("{before}{last}{partial}")
}

async fn bytes(auditor: &Api, path: &str) -> Vec<u8> {
    let answer = auditor.get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("cache-control"), "private, max-age=31536000, immutable");
    answer.bytes
}

/// Every tile of a log, by level and index.
pub struct Fetched(HashMap<(u8, u64), Vec<u8>>);

impl Fetched {
    /// Fetches every tile and every bundle of a log of so many entries, and holds them against each other: the leaves are the
    /// hashes of the entries, and a level is the hashes of the full tiles below.
    pub async fn all(auditor: &Api, size: u64) -> Self {
        let mut tiles = HashMap::new();
        let (mut level, mut nodes) = (0, size);
        while nodes > 0 {
            for tile in 0..nodes.div_ceil(256) {
                let width = (nodes - tile * 256).min(256);
                let hashes = bytes(auditor, &format!("/ledger/tile/{level}/{}", index(tile, width))).await;
                assert_eq!(hashes.len() as u64, width * 32);
                if level == 0 {
                    let bundle = bytes(auditor, &format!("/ledger/tile/entries/{}", index(tile, width))).await;
                    let leaves: Vec<u8> =
                        entries(&bundle).into_iter().flat_map(|entry| tlog_tiles::record_hash(entry).0).collect();
                    assert_eq!(leaves, hashes, "bundle {tile}");
                }
                tiles.insert((level, tile), hashes);
            }
            (level, nodes) = (level + 1, nodes / 256);
        }
        Self(tiles)
    }

    /// Their proofs are made of hashes that they have checked against the root.
    pub fn of_tree(&self, checkpoint: &Verified) -> TileHashReader<'_> {
        TileHashReader::new(checkpoint.size, checkpoint.root, self)
    }

    /// The hash of an entry, by its position.
    pub fn leaf(&self, position: u64) -> Hash {
        let (tile, at) = ((position - 1) / 256, ((position - 1) % 256) as usize);
        Hash(self.0[&(0, tile)][at * 32..][..32].try_into().unwrap())
    }
}

/// The entries of a bundle: each after its length, two bytes, big-endian.
pub fn entries(mut bundle: &[u8]) -> Vec<&[u8]> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        entries.push(entry);
        bundle = rest;
    }
    assert!(bundle.is_empty());
    entries
}

impl TileReader for Fetched {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let of = |tile: &Tile| self.0[&(tile.level(), tile.level_index())][..tile.width() as usize * 32].to_vec();
        Ok(tiles.iter().map(of).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}
