//! Tiles, and their paths (C2SP tlog-tiles, "Merkle Tree").

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::node::TILE_HEIGHT;

/// How many hashes a full tile has, and how many entries a full bundle.
const FULL: u16 = 1 << TILE_HEIGHT;
/// The highest level that a path may name (C2SP tlog-tiles). No tree of 64 bits has tiles above level 7.
const MAX_LEVEL: u8 = 63;
/// The first index whose tile's nodes would no longer be counted in 64 bits.
const INDEX_END: u64 = 1 << (u64::BITS - TILE_HEIGHT as u32);

/// The text is not the path of a tile or bundle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not the path of a tile: it is written like tile/0/x001/067, and where it is partial like tile/0/x001/067.p/12"
)]
pub struct PathError;

/// A tile: hashes of one level that stand beside each other, 256 where it is full, fewer where the tree ended in it.
///
/// Shown and parsed as its path under the log's prefix, `tile/<L>/<N>[.p/<W>]`; the parser takes nothing that is not
/// written exactly so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tile {
    /// The level: hashes of level 0 are those of leaves, each above them that of a full tile of the level below.
    pub level: u8,
    /// Which of its level, from 0.
    pub index: u64,
    /// How many hashes it has, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// All the tiles that a tree of `size` leaves is served as, the lowest level first, each level from the left.
    pub fn of_tree(size: u64) -> impl Iterator<Item = Self> {
        (0..u64::BITS as u8 / TILE_HEIGHT).flat_map(move |level| {
            parts(size >> (TILE_HEIGHT * level)).map(move |(index, width)| Self { level, index, width })
        })
    }

    /// The indexes of its nodes in their level.
    pub const fn nodes(&self) -> Range<u64> {
        let start = self.index * FULL as u64;
        start..start + self.width as u64
    }

    /// Whether a tree of `size` leaves has all of its nodes. A partial tile of a smaller tree counts.
    pub fn is_in(&self, size: u64) -> bool {
        let shift = u32::from(TILE_HEIGHT) * u32::from(self.level);
        size.checked_shr(shift).is_some_and(|nodes| self.nodes().end <= nodes)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level, Place { index: self.index, width: self.width })
    }
}

impl FromStr for Tile {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        let (level, place) = path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(PathError)?;
        let level = decimal(level).and_then(|level| u8::try_from(level).ok()).filter(|&level| level <= MAX_LEVEL);
        let Place { index, width } = place.parse()?;
        Ok(Self { level: level.ok_or(PathError)?, index, width })
    }
}

/// The indexes and widths of the tiles that hold `nodes` nodes.
pub(crate) fn parts(nodes: u64) -> impl Iterator<Item = (u64, u16)> {
    let full = nodes / u64::from(FULL);
    let rest = (nodes % u64::from(FULL)) as u16;
    (0..full).map(|index| (index, FULL)).chain((rest > 0).then_some((full, rest)))
}

/// Which of a level, and how wide: `<N>[.p/<W>]` of a path.
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) width: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.index.to_string();
        let padded = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        // Digits are ASCII, so every third byte is a boundary.
        let last = padded.len() - 3;
        for start in (0..last).step_by(3) {
            write!(f, "x{}/", &padded[start..start + 3])?;
        }
        f.write_str(&padded[last..])?;
        if self.width < FULL { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for Place {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let (elements, width) = match text.split_once(".p/") {
            Some((elements, width)) => (elements, decimal(width).filter(|width| (1..u64::from(FULL)).contains(width))),
            None => (text, Some(u64::from(FULL))),
        };
        let digits = elements.replace("/x", "");
        let digits = digits.replace('/', "");
        let index = digits.strip_prefix('x').unwrap_or(&digits).parse().ok().filter(|&index| index < INDEX_END);
        let place = Self { index: index.ok_or(PathError)?, width: width.ok_or(PathError)? as u16 };
        // One way of writing each: what is written otherwise is refused.
        if place.to_string() == text { Ok(place) } else { Err(PathError) }
    }
}

/// A decimal number without leading zeros or sign.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths(size: u64) -> Vec<String> {
        Tile::of_tree(size).map(|tile| tile.to_string()).collect()
    }

    /// The paths and widths that C2SP tlog-tiles names in its text.
    #[test]
    fn paths_are_written_as_the_specification_writes_them() {
        let tile = Tile { level: 0, index: 1_234_067, width: 256 };
        assert_eq!(tile.to_string(), "tile/0/x001/x234/067");
        assert_eq!(Tile { level: 1, width: 17, ..tile }.to_string(), "tile/1/x001/x234/067.p/17");
        assert_eq!(Tile { level: 0, index: 0, width: 1 }.to_string(), "tile/0/000.p/1");
        assert_eq!(Tile { level: 5, index: 1000, width: 256 }.to_string(), "tile/5/x001/000");
    }

    /// "A tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0 tile of width 112, one
    /// full level 1 tile, one partial level 1 tile of width 17, and one partial level 2 tile of width 1. [A] tree of size
    /// 256 will be represented by a full level 0 tile and a partial level 1 tile of width 1." (C2SP tlog-tiles)
    #[test]
    fn the_tiles_of_a_tree_are_those_of_the_specification() {
        let tiles: Vec<Tile> = Tile::of_tree(70_000).collect();
        assert_eq!(tiles.len(), 273 + 1 + 1 + 1 + 1);
        assert!(tiles[..273].iter().zip(0..).all(|(tile, index)| *tile == Tile { level: 0, index, width: 256 }));
        let rest = ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"];
        assert_eq!(paths(70_000)[273..], rest);
        assert_eq!(paths(256), ["tile/0/000", "tile/1/000.p/1"]);
        assert!(paths(0).is_empty());
    }

    #[test]
    fn nothing_unusual_is_a_path() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/+0/000",
            "tile/64/000",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/x001",
            "tile/0/001000",
            "tile/0/x001000",
            "tile/0/xx01/000",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/257",
            "tile/0/000.p/1/",
            "tile/0/000/",
            "tile/0//000",
            "/tile/0/000",
            "tile/0/000.p/1.p/1",
            "tile/0/-01",
            "tile/0/+01",
            "tile/0/ 01",
            "tile/-1/000",
            "tile/0/X001/000",
            "tile/0/x072/x057/x594/x037/x927/936",
            "tile/0/x999/x999/x999/x999/x999/x999/x999",
            "tile/0/٠٠٠",
            "tile/entries/000",
        ] {
            assert_eq!(path.parse::<Tile>(), Err(PathError), "{path}");
        }
        let last = Tile { level: 63, index: INDEX_END - 1, width: 255 };
        assert_eq!("tile/63/x072/x057/x594/x037/x927/935.p/255".parse(), Ok(last));
        assert!(!last.is_in(u64::MAX));
    }

    #[test]
    fn a_tree_has_its_own_tiles_and_the_partial_ones_of_smaller_trees() {
        let tile = |path: &str| path.parse::<Tile>().expect("a path");
        for (path, smallest) in
            [("tile/0/000.p/1", 1), ("tile/0/001.p/3", 259), ("tile/1/000.p/2", 512), ("tile/1/000", 65_536)]
        {
            assert!(
                tile(path).is_in(smallest) && tile(path).is_in(smallest + 1000) && !tile(path).is_in(smallest - 1),
                "{path}"
            );
        }
        assert!(!tile("tile/8/000.p/1").is_in(u64::MAX));
        assert!(tile("tile/7/000.p/255").is_in(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_path_leads_back_to_its_tile(level in 0..=63_u8, index in 0..INDEX_END, width in 1..=256_u16) {
            let tile = Tile { level, index, width };
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn what_is_parsed_is_written_so(path in "tile/[0-9]{1,2}/(x[0-9]{3}/){0,2}[0-9x]{2,4}(\\.p/[0-9]{1,3})?") {
            if let Ok(tile) = path.parse::<Tile>() {
                prop_assert_eq!(tile.to_string(), path);
            }
        }

        #[test]
        fn a_tree_has_each_of_its_tiles_and_each_node_once(size in 0..200_000_u64) {
            let mut leaves = 0;
            for tile in Tile::of_tree(size) {
                prop_assert!(tile.is_in(size));
                if tile.level == 0 {
                    prop_assert_eq!(tile.nodes().start, leaves);
                    leaves = tile.nodes().end;
                }
            }
            prop_assert_eq!(leaves, size);
        }
    }
}
