//! Values that may be gone.

use crate::KeyId;

/// A value that can be erased. No reader can forget that it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasable<T> {
    /// Its key is there.
    Known(T),
    /// Its key was destroyed; nothing brings the value back.
    Erased,
}

impl<T> Erasable<T> {
    /// The value, where it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Erased => None,
        }
    }
}

/// A value and the key under which the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed<T> {
    /// The key whose destruction erases the value.
    pub key: KeyId,
    /// The value, unless that has happened.
    pub value: Erasable<T>,
}

impl<T> Sealed<T> {
    /// A known value under `key`.
    pub const fn known(key: KeyId, value: T) -> Self {
        Self { key, value: Erasable::Known(value) }
    }
}
