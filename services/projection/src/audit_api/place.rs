//! Where a page ends: behind an event, which may be in the middle of its entry.

use std::fmt;
use std::str::FromStr;

use domain::Position;

/// Behind the event with this index in the entry at this position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    position: Position,
    index: u16,
}

impl Place {
    /// Before everything.
    pub const START: Self = Self { position: Position::START, index: u16::MAX };

    /// Behind the `nth` event of an entry, from 0.
    pub fn behind_event(position: Position, nth: usize) -> Self {
        Self { position, index: u16::try_from(nth).unwrap_or(u16::MAX) }
    }

    /// Behind an entry.
    pub const fn behind(position: Position) -> Self {
        Self { position, index: u16::MAX }
    }

    /// The position after which entries have to be read: that of the entry itself is one of them where it may hold more.
    pub fn read_after(self) -> Position {
        if self.index == u16::MAX { self.position } else { Position::new(self.position.get().saturating_sub(1)) }
    }

    /// Where it stands, or what it is behind of.
    pub const fn position(self) -> Position {
        self.position
    }

    /// As it stands in a cursor.
    pub fn to_bytes(self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.position.get().to_be_bytes());
        bytes[8..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    /// Reads it from a cursor.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (position, index) = bytes.split_first_chunk::<8>()?;
        let position = Position::new(u64::from_be_bytes(*position));
        Some(Self { position, index: u16::from_be_bytes(index.try_into().ok()?) })
    }
}

/// As a stream names it: `4711` behind an entry, `4711.0` behind its first event.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            u16::MAX => write!(f, "{}", self.position),
            index => write!(f, "{}.{index}", self.position),
        }
    }
}

/// The text names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        fn number<N: FromStr>(text: &str) -> Result<N, NoPlace> {
            let digits = text.bytes().all(|c| c.is_ascii_digit());
            if digits { text.parse().map_err(|_| NoPlace) } else { Err(NoPlace) }
        }
        let (position, index) = text.split_once('.').map_or((text, None), |(position, index)| (position, Some(index)));
        let position = Position::new(number(position)?);
        Ok(Self { position, index: index.map_or(Ok(u16::MAX), number)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let places = [Place::START, Place::behind_event(Position::new(7), 0), Place::behind(Position::new(7))];
        let texts = places.map(|place| place.to_string());
        assert_eq!(texts, ["0", "7.0", "7"]);
        assert_eq!(texts.map(|text| text.parse()), places.map(Ok));
        for text in ["", ".", "7.", ".1", "-1", "+7", "7.1.2", "7 ", "x", "18446744073709551616", "7.65536"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text:?}");
        }
    }

    #[test]
    fn places_follow_each_other_within_an_entry_and_beyond() {
        let at = Position::new(7);
        let places = [
            Place::START,
            Place::behind(Position::new(6)),
            Place::behind_event(at, 0),
            Place::behind_event(at, 1),
            Place::behind(at),
            Place::behind_event(Position::new(8), 0),
        ];
        assert!(places.is_sorted());
        assert_eq!(places.map(|place| place.read_after().get()), [0, 6, 6, 6, 7, 7]);
        assert_eq!(places.map(|place| Place::from_bytes(&place.to_bytes())), places.map(Some));
        assert_eq!((Place::from_bytes(&[0; 9]), Place::from_bytes(&[0; 11])), (None, None));
    }
}
