//! Who asks: the client, whose role is enough for most commands, or a person who claims to be the user, and has to prove
//! it by the current password.
//!
//! Whoever can't prove it hears the same words after the same time: after one read of the log's leader, which those who come
//! at once share, and one argon2id, whether the address is nobody's or no address, its user is suspended or removed, its
//! service is another customer's or does not exist, or the password is wrong. What time does tell is whether a *service* had
//! to be loaded first, having been asked for by nobody lately: that a domain has mailboxes stands in the DNS for all to read.
//!
//! A repeat proves itself, for the password that it gives as the current one is dead by its own doing: that this was the
//! request is told by its fingerprint, which holds the old password and the new one. It counts only while the new one is
//! in force, and so is a proof of the current password. Once another has come after it, the fingerprint's key is destroyed,
//! and whoever asks must prove the password that is in force, like anybody; a receipt would say that the new password of
//! then is the one that signs in, so even then there is none, and the key counts as used for another request.

use admission::Admitted;
use credential::{GivenPassword, Verdict};
use domain::{Address, Credential, CredentialHash, Proof, Rejection, UserId, UserState};
use postkey_http::{Code, Problem};
use secrecy::SecretString;
use tokio::time::Instant;

use super::Handling;
use crate::context::Asked;
use crate::preparation::{Given, PrivateKey, Proved};
use crate::receipt::Outcome;
use crate::refusal::{overloaded, problem, throttled};

/// Whom a person claims to be, and by what.
pub struct Claim {
    /// The user's address; none where what was given is no address.
    pub address: Option<Address>,
    /// By what attempts at it are counted: the address in one spelling, or what was given instead.
    pub account: String,
    /// The current password.
    pub current: SecretString,
}

/// What came of looking who asks.
pub(super) enum Claimed {
    /// Somebody who may.
    Allowed,
    /// Somebody who has asked before, and was answered this.
    Repeated(Outcome),
}

/// A user who can sign in, and by what.
struct Standing {
    user: UserId,
    credential: Credential,
}

impl<T: Asked, const N: usize> Handling<'_, T, N> {
    /// Looks who asks, and whether they have asked before.
    pub(super) async fn claimed(&mut self) -> Result<Claimed, Problem> {
        if let Some(claim) = self.preparation.claim.take() {
            let claimed = self.proved(&claim).await;
            // The credential may move before the command is decided: then it is proved again.
            self.preparation.claim = Some(claim);
            return claimed;
        }
        self.own()?;
        match self.seen() {
            Some(position) => self.repeated(position).await.map(Claimed::Repeated),
            None => Ok(Claimed::Allowed),
        }
    }

    /// Has the current password proved; the service is known up to the request.
    async fn proved(&mut self, claim: &Claim) -> Result<Claimed, Problem> {
        let (app, ask) = (self.app, self.ask);
        // To prove it once more, because the credential has moved, is no further attempt.
        let attempt = match self.proved {
            None => Some(app.admission.admit(&claim.account, ask.headers.origin).await.map_err(throttled)?),
            Some(_) => None,
        };
        // It waited: nobody is refused by a history that was found out meanwhile.
        if !self.slot.is_loaded() {
            return Err(Problem::new(Code::LogCorrupt));
        }
        let standing = self.standing(claim);
        let hash = standing.as_ref().and_then(|standing| standing.credential.hash.value.known());
        let asked_before = self.seen();
        let in_force = asked_before.filter(|at| standing.as_ref().is_some_and(|one| one.credential.revision == *at));
        let earlier = async {
            match in_force {
                Some(position) => self.earlier(position).await.map(Some),
                None => Ok(None),
            }
        };
        // Beside the proof, so that its time does not tell whether the key was used.
        let (verdict, earlier) = tokio::join!(self.verdict(claim, hash), earlier);
        let right = verdict? == Verdict::Right;
        let repeated = match earlier {
            Ok(earlier) => earlier.filter(|(_, fingerprint)| *fingerprint == Some(self.preparation.fingerprint)),
            // Whether it was a repeat can't be told: a wrong password is one all the same.
            Err(problem) if !right => {
                attempt.into_iter().for_each(Admitted::wrong);
                return Err(problem);
            }
            Err(_) => None,
        };
        match attempt {
            Some(attempt) if right || repeated.is_some() => attempt.right(),
            Some(attempt) => attempt.wrong(),
            None => {}
        }
        if let Some((outcome, _)) = repeated {
            return Ok(Claimed::Repeated(outcome));
        }
        let Some(Standing { user, credential }) = standing.filter(|_| right) else {
            return Err(problem(Rejection::WrongCurrentPassword));
        };
        if asked_before.is_some() {
            return Err(Problem::new(Code::IdempotencyMismatch));
        }
        self.preparation.user = Some(user);
        self.preparation.private = PrivateKey::OfUser(user);
        self.proved =
            Some(Proved { user, proof: Proof { credential: credential.revision, same: self.is_same(claim) } });
        Ok(Claimed::Allowed)
    }

    async fn verdict(&self, claim: &Claim, hash: Option<&CredentialHash>) -> Result<Verdict, Problem> {
        let begun = Instant::now();
        let verdict = self.app.hasher.prove(claim.current.clone(), hash).await.map_err(overloaded)?;
        self.app.measures.proof.observe(begun.elapsed().as_secs_f64());
        Ok(verdict)
    }

    /// Whose the claimed address is, if that user can sign in, and the caller may ask about its service.
    fn standing(&self, claim: &Claim) -> Option<Standing> {
        self.own().ok()?;
        let folded = self.slot.folded();
        let service = folded.state.provisioned().ok()?;
        let id = service.by_address(claim.address.as_ref()?)?;
        self.ask.asker.claims_to_be(self.preparation.service, id);
        let user = service.user(id).ok().filter(|user| user.state == UserState::Active)?;
        Some(Standing { user: id, credential: user.credential.clone()? })
    }

    /// Whether the password to set is the one that was claimed to be the current one.
    fn is_same(&self, claim: &Claim) -> bool {
        match (self.preparation.password.as_ref().map(|to_set| &to_set.password), GivenPassword::parse(&claim.current))
        {
            (Some(Given::Judged(password)), Some(given)) => password.is(&given),
            _ => false,
        }
    }
}
