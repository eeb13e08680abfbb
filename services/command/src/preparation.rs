//! A command before it is decided: what its route knows of it.

use std::sync::Arc;

use credential::{Asker, Password};
use domain::{Command, EmailService, KeyId, NewCredential, Person, Proof, Rejection, ServiceId, UserId};
use keys::PartKey;
use postkey_http::{EntropyRng, Problem, uuid_v7};
use secrecy::SecretString;
use uuid::Uuid;
use wire::Fingerprint;

use crate::app::App;
use crate::context::{Ask, Asked};
use crate::path::Claim;

/// A password that a command sets, and the field that it was given in.
pub struct ToSet {
    /// The field.
    pub field: &'static str,
    /// The password.
    pub password: Given,
}

/// How far a password has been judged.
pub enum Given {
    /// Not at all.
    Raw(SecretString),
    /// It breaks no rule that depends on nobody.
    Judged(Arc<Password>),
}

impl ToSet {
    /// The field `password`, as it was given.
    pub const fn given(password: SecretString) -> Self {
        Self { field: "password", password: Given::Raw(password) }
    }
}

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
    /// The password to set.
    pub password: Option<ToSet>,
    /// By what a person claims to be the user whom it is about, where the client's word is not enough. Who that is, is
    /// known once it is proved.
    pub claim: Option<Claim>,
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
            password: password.map(ToSet::given),
            claim: None,
            fingerprint: ask.fingerprint(),
        }
    }

    /// Who asks: the client, or whoever claims to be the user.
    pub const fn asker(&self) -> Asker {
        if self.claim.is_some() { Asker::User } else { Asker::Client }
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

/// What was made of what a command brings.
pub struct Prepared {
    /// The password that it sets, hashed.
    pub credential: Option<NewCredential>,
    /// Whom the claim has proved to be asking.
    pub proved: Option<Proved>,
}

/// A user who has proved the current password.
#[derive(Clone, Copy, Debug)]
pub struct Proved {
    /// Who.
    pub user: UserId,
    /// What was proved.
    pub proof: Proof,
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

    /// Whether nothing stands against the command, as far as that can be told before its password is hashed.
    ///
    /// # Errors
    /// What stands against it.
    fn allowed(&self, state: &EmailService, proved: Option<Proved>) -> Result<(), Rejection> {
        let _ = (state, proved);
        Ok(())
    }

    /// The command, with what it sets and who has proved to be asking.
    fn command(&self, prepared: Prepared) -> Result<Self::Command, Problem>;
}
