//! The steps of a login, in the order in which they cost: throttle by origin, row and freshness, cache, throttle by
//! account, one argon2id. A stranger's login is throttled by account before the cache is asked: it would tell whoever guesses
//! at a throttled account which guess is right, and charge nothing for it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use admission::Admission;
use credential::{Hasher, Overloaded, Verdict};
use domain::{Address, Credential, CredentialHash, Customer, ServiceId, UserState};
use postkey_http::waits;
use prometheus_client::metrics::histogram::Histogram;
use secrecy::SecretString;
use throttle::{Throttle, Throttled};
use tokio::time::Instant;

use super::flights::Flights;
use super::verified::{Proof, Verified};
use super::{Freshness, Judged, Meant, NotFresh, Verdicts};
use crate::read_model::{LoginRow, Queries, UserRow};

/// What somebody claims.
pub struct Login {
    /// Who it is said to be.
    pub claimed: Claimed,
    /// The password that was given.
    pub password: SecretString,
    /// Where the person is, as webmail says; none where it does not.
    pub origin: Option<IpAddr>,
    /// Whose users may sign in; everybody's where it is not said.
    pub held_to: Option<Customer>,
}

/// An address as somebody gave it.
pub struct Claimed {
    address: Address,
    account: String,
}

impl Claimed {
    /// Any text: what is no address is nobody's, and takes the same way. None can't happen.
    pub fn read(text: &str) -> Option<Self> {
        let address = Address::parse(text).or_else(|_| Address::parse("nobody@postkey.invalid")).ok()?;
        Some(Self { address, account: Address::spelling_of(text) })
    }
}

/// A login that is right.
pub struct SignedIn {
    row: Arc<LoginRow>,
    /// Whether it took no argon2id.
    pub cached: bool,
}

impl SignedIn {
    /// Who it is.
    pub fn user(&self) -> Option<&UserRow> {
        self.row.user.as_ref()
    }
}

/// Why nobody is let in.
#[derive(Debug)]
pub enum Refused {
    /// Unknown, suspended, removed, another customer's, or the wrong password: nobody is told which.
    Wrong,
    /// Too many failures: it was not judged.
    Throttled(Throttled),
    /// Too many wait for argon2id: it was not judged.
    Overloaded(Overloaded),
    /// No row may be trusted: it was not judged.
    NotFresh(NotFresh),
}

/// Signs people in. Budgets and proofs are this process's, and gone when it ends.
pub struct Logins {
    freshness: Arc<Freshness>,
    queries: Arc<dyn Queries>,
    admission: Admission,
    verified: Verified,
    flights: Flights,
    hasher: Arc<Hasher>,
    hashing: Histogram,
    verdicts: Arc<Verdicts>,
}

impl Logins {
    /// By rows that may be trusted, services, budgets, and a key that is drawn at random at each start.
    pub fn new(
        freshness: Arc<Freshness>,
        queries: Arc<dyn Queries>,
        throttle: Throttle,
        key: &[u8; 32],
        hasher: Arc<Hasher>,
    ) -> Self {
        Self {
            freshness,
            queries,
            admission: Admission::new(throttle),
            verified: Verified::new(key),
            flights: Flights::default(),
            hasher,
            hashing: waits(),
            verdicts: Arc::default(),
        }
    }

    /// How long argon2ids took, in seconds, from when they were queued to their verdict. What was not judged is not in it.
    pub fn hashing(&self) -> &Histogram {
        &self.hashing
    }

    /// Who may try a password, and when.
    pub fn throttle(&self) -> &Throttle {
        self.admission.throttle()
    }

    /// How logins have ended.
    pub fn verdicts(&self) -> &Arc<Verdicts> {
        &self.verdicts
    }

    /// Judges a login.
    pub async fn sign_in(&self, login: Login) -> Judged {
        let mut meant = Meant::default();
        let ended = self.judge(login, &mut meant).await;
        self.verdicts.count(ended.as_ref());
        Judged { ended, meant }
    }

    async fn judge(&self, login: Login, meant: &mut Meant) -> Result<SignedIn, Refused> {
        let Login { claimed: Claimed { address, account }, password, origin, held_to } = login;
        let is_owners = self.admission.origin(&account, origin).map_err(Refused::Throttled)?;
        let row = self.freshness.row(&address).await.map_err(Refused::NotFresh)?;
        let may = self.may(held_to.as_ref(), &address).await?;
        *meant = Meant::of(row.user.as_ref(), may);
        let credential = row.user.as_ref().filter(|_| may).and_then(signs_in);
        let proof = self.verified.proof(&address, credential.map(|(_, credential)| credential.revision), &password);
        let is_known = || credential.is_some() && proof.is_some_and(|proof| self.is_known(&address, &proof));
        let cached = AtomicBool::new(is_owners && is_known());
        if !cached.load(Ordering::Relaxed) {
            let hash = credential.map(|(hash, _)| hash);
            let judged = self.hash((&address, &account, origin), password, (hash, proof), &cached);
            let verdict = match proof {
                Some(proof) => self.flights.share((proof, origin), judged).await?,
                None => judged.await?,
            };
            if verdict == Verdict::Wrong {
                return Err(Refused::Wrong);
            }
        }
        let cached = cached.into_inner();
        if cached {
            self.admission.good(&account, origin);
        }
        Ok(SignedIn { row, cached })
    }

    /// Whether the address's domain is the customer's that the login is held to. The service is looked for by the domain, so
    /// that it takes the same whether there is such a user or not; and after the row: where that may be trusted, it is there.
    async fn may(&self, held_to: Option<&Customer>, address: &Address) -> Result<bool, Refused> {
        let Some(customer) = held_to else { return Ok(true) };
        let service = self.queries.service(ServiceId::of(&address.domain())).await;
        let service = service.map_err(|error| Refused::NotFresh(NotFresh::ReadModel(error)))?;
        Ok(service.is_some_and(|row| row.service.customer == *customer))
    }

    /// One argon2id, if it may be, and is needed.
    async fn hash(
        &self,
        (address, account, origin): (&Address, &str, Option<IpAddr>),
        password: SecretString,
        (hash, proof): (Option<&CredentialHash>, Option<Proof>),
        cached: &AtomicBool,
    ) -> Result<Verdict, Refused> {
        let admitted = self.admission.admit(account, origin).await.map_err(Refused::Throttled)?;
        // A stranger's is looked for only now; and while it waited, an equal one may have been proved.
        if hash.is_some() && proof.is_some_and(|proof| self.is_known(address, &proof)) {
            cached.store(true, Ordering::Relaxed);
            return Ok(Verdict::Right);
        }
        let begun = Instant::now();
        let verdict = self.hasher.verify(password, hash).await.map_err(Refused::Overloaded)?;
        self.hashing.observe(begun.elapsed().as_secs_f64());
        match verdict {
            Verdict::Right => {
                if let Some(proof) = proof {
                    self.verified.learn(address.clone(), proof, begun);
                }
                admitted.right();
            }
            Verdict::Wrong => admitted.wrong(),
        }
        Ok(verdict)
    }

    fn is_known(&self, address: &Address, proof: &Proof) -> bool {
        self.verified.knows(address, proof, Instant::now())
    }
}

/// The credential that the password must be of, and its hash; none where nobody may sign in.
fn signs_in(row: &UserRow) -> Option<(&CredentialHash, &Credential)> {
    let credential = row.user.credential.as_ref().filter(|_| row.user.state == UserState::Active)?;
    Some((credential.hash.value.known()?, credential))
}

#[cfg(test)]
mod tests;
