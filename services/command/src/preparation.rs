//! A command before it is decided: what its route knows of it.

use std::sync::Arc;

use domain::{Command, EmailService, KeyId, NewCredential, Person, Rejection, ServiceId, UserId};
use keys::PartKey;
use postkey_http::{EntropyRng, Problem, uuid_v7};
use secrecy::SecretString;
use uuid::Uuid;
use wire::Fingerprint;

use crate::app::App;
use crate::context::{Ask, Asked};

/// Under which key origin and reason are sealed.
#[derive(Clone, Copy, Debug)]
pub enum PrivateKey {
    /// A key that the command itself brings.
    Fresh(KeyId),
    /// The user's profile key.
    OfUser(UserId),
    /// The service's key.
    OfService,
}

/// A command on its way: what it is about, and what it brings.
pub struct Preparation {
    /// The service.
    pub service: ServiceId,
    /// The user, if it is about one.
    pub user: Option<UserId>,
    /// Under which key origin and reason are sealed.
    pub private: PrivateKey,
    /// Keys that the command brings.
    pub keys: Vec<(KeyId, PartKey)>,
    /// The password to set, as it was given.
    pub password: Option<SecretString>,
    /// The command's fingerprint.
    pub fingerprint: Fingerprint,
}

impl Preparation {
    /// A command about a user that is there, which brings at most a password.
    pub fn about_user<T: Asked>(ask: &Ask<T, 2>, password: Option<SecretString>) -> Self {
        let [service, user] = ask.ids;
        let user = UserId::new(user);
        Self {
            service: ServiceId::new(service),
            user: Some(user),
            private: PrivateKey::OfUser(user),
            keys: Vec::new(),
            password,
            fingerprint: ask.fingerprint(),
        }
    }

    /// Draws an id for what the command makes.
    pub fn fresh_id(app: &App) -> Uuid {
        uuid_v7(&*app.clock, &*app.entropy)
    }

    /// Draws a key that the command brings.
    pub fn fresh_key(app: &App, keys: &mut Vec<(KeyId, PartKey)>) -> KeyId {
        let id = KeyId::new(Self::fresh_id(app));
        keys.push((id, PartKey::generate(&mut EntropyRng::new(Arc::clone(&app.entropy)))));
        id
    }
}

/// What a command's route says of it, besides its preparation.
pub trait Make: Sync {
    /// The command that is decided.
    type Command: Command;

    /// Whose password a new one is: the person as the command leaves it. `None` where the command sets none.
    ///
    /// # Errors
    /// Where there is no such person.
    fn person(&self, state: &EmailService) -> Result<Option<Person>, Rejection>;

    /// The command, with the password that it sets.
    fn command(&self, credential: Option<NewCredential>) -> Result<Self::Command, Problem>;
}
