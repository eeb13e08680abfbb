//! What a checkpoint says (C2SP tlog-checkpoint).

use crate::hash::Hash;
use crate::tile::decimal;

/// How large a log was, and the root of its tree then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Whose log it is: the name of the key that signs it ([`crate::NoteKey::name`]).
    pub origin: String,
    /// How many leaves the tree has, which is the position of its last entry.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
}

/// The text of a signed note is no checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a checkpoint: it says three lines, which are its origin, a size in decimal digits and a root in base64")]
pub struct CheckpointError;

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads a note's text.
    ///
    /// The extension lines that the format allows are refused: the ledger's key signs none, and what they say could not
    /// be checked by anybody.
    ///
    /// # Errors
    /// Where it is not written exactly so.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError)?.split('\n');
        let mut line = || lines.next().ok_or(CheckpointError);
        let origin = line()?.to_owned();
        let size = decimal(line()?).ok_or(CheckpointError)?;
        let root = Hash::from_base64(line()?).ok_or(CheckpointError)?;
        if lines.next().is_some() || origin.is_empty() {
            return Err(CheckpointError);
        }
        Ok(Self { origin, size, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the text of C2SP tlog-checkpoint.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_specifications_example_is_read_and_written() {
        let checkpoint = Checkpoint::parse(EXAMPLE).expect("the example");
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.text(), EXAMPLE);
    }

    #[test]
    fn nothing_else_is_a_checkpoint() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for text in [
            String::new(),
            "\n".to_owned(),
            format!("o\n1\n{root}"),
            format!("\n1\n{root}\n"),
            format!("o\n01\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n-1\n{root}\n"),
            format!("o\n\n{root}\n"),
            format!("o\n18446744073709551616\n{root}\n"),
            format!("o\n1\n{root}\nan extension\n"),
            format!("o\n1\n{root}\n\n"),
            format!("o\n1\r\n{root}\n"),
            "o\n1\n\n".to_owned(),
            "o\n1\n".to_owned(),
            "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n".to_owned(),
            "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n".to_owned(),
            "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n".to_owned(),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(CheckpointError), "{text:?}");
        }
    }
}
