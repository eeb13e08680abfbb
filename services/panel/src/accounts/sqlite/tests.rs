use postkey_http::Entropy;
use tempfile::TempDir;

use super::*;

struct Sevens(std::sync::atomic::AtomicU8);

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$2Z7v4YdXa1rboTv+TY5iZCav4qYomfXHLXPIUB5tE58";
const OTHER: &str = "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$3Z7v4YdXa1rboTv+TY5iZCav4qYomfXHLXPIUB5tE58";
const LIMITS: Limits = Limits { idle: Duration::from_secs(1_800), whole: Duration::from_secs(43_200) };

fn hash(phc: &str) -> CredentialHash {
    CredentialHash::parse(phc.to_owned()).unwrap()
}

fn named(name: &str) -> Account {
    Account {
        id: Uuid::from_u128(name.bytes().fold(1, |id, c| id * 256 + u128::from(c))),
        name: AccountName::parse(name).unwrap(),
        customer: Customer::parse("acme").unwrap(),
        hash: hash(HASH),
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

async fn file() -> (TempDir, Accounts) {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(&folder.path().join("panel.db")).await.unwrap();
    (folder, accounts)
}

/// A session of an account that was added, begun at 0.
async fn begun(accounts: &Accounts, name: &str) -> SessionToken {
    let account = named(name);
    accounts.add(&account).await.unwrap();
    let token = SessionToken::draw(&Sevens(account.name.as_str().as_bytes()[0].into()));
    assert!(accounts.begin(&account, &token, LIMITS, at(0)).await.unwrap());
    token
}

async fn lives(accounts: &Accounts, token: &SessionToken, seconds: i64) -> bool {
    accounts.of_session(token, LIMITS, at(seconds)).await.unwrap().is_some()
}

#[tokio::test]
async fn an_account_signs_in_by_its_name_until_it_is_disabled() {
    let (_folder, accounts) = file().await;
    assert!(!accounts.any().await.unwrap());
    let ann = named("ann");
    accounts.add(&ann).await.unwrap();
    assert!(accounts.any().await.unwrap());
    assert_eq!(accounts.add(&ann).await, Err(AccountsError::NameTaken(ann.name.clone())));
    let found = accounts.by_name(&ann.name).await.unwrap().unwrap();
    assert_eq!((found.id, found.customer, found.hash.expose()), (ann.id, ann.customer.clone(), HASH));
    assert!(accounts.by_name(&named("bob").name).await.unwrap().is_none());

    accounts.disable(&ann.name).await.unwrap();
    assert!(accounts.by_name(&ann.name).await.unwrap().is_none());
    assert_eq!(accounts.names_of(&ann.customer).await.unwrap(), [(ann.id, "ann".to_owned())]);
    accounts.set_password(&ann.name, &hash(OTHER)).await.unwrap();
    assert_eq!(accounts.by_name(&ann.name).await.unwrap().unwrap().hash.expose(), OTHER);
    let nobody = named("bob").name;
    assert_eq!(accounts.disable(&nobody).await, Err(AccountsError::Unknown(nobody.clone())));
    assert_eq!(accounts.set_password(&nobody, &hash(OTHER)).await, Err(AccountsError::Unknown(nobody)));
}

#[tokio::test]
async fn a_list_has_every_account_by_name_and_says_which_are_disabled() {
    let (_folder, accounts) = file().await;
    assert_eq!(accounts.list().await.unwrap(), []);
    for name in ["eve", "ann"] {
        accounts.add(&named(name)).await.unwrap();
    }
    accounts.disable(&named("eve").name).await.unwrap();
    let listed = |name: &str, disabled| {
        let Account { name, customer, .. } = named(name);
        ListedAccount { name, customer, disabled }
    };
    assert_eq!(accounts.list().await.unwrap(), [listed("ann", false), listed("eve", true)]);
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_in_any_case_after_a_day_of_work() {
    let (_folder, accounts) = file().await;
    let token = begun(&accounts, "ann").await;
    assert!(lives(&accounts, &token, 1_799).await, "and was used just now");
    assert!(lives(&accounts, &token, 3_500).await);
    assert!(!lives(&accounts, &token, 5_300).await, "idle");
    let token = begun(&accounts, "bob").await;
    for seconds in (0..43_200).step_by(1_000) {
        assert!(lives(&accounts, &token, seconds).await, "{seconds}");
    }
    assert!(!lives(&accounts, &token, 43_200).await, "old");
}

#[tokio::test]
async fn a_session_ends_when_it_is_signed_out_and_when_its_account_is_disabled_or_gets_another_password() {
    let (_folder, accounts) = file().await;
    let [ann, bob, eve] = [begun(&accounts, "ann").await, begun(&accounts, "bob").await, begun(&accounts, "eve").await];
    accounts.end(&ann).await.unwrap();
    accounts.disable(&named("bob").name).await.unwrap();
    accounts.set_password(&named("eve").name, &hash(OTHER)).await.unwrap();
    for token in [&ann, &bob, &eve] {
        assert!(!lives(&accounts, token, 1).await);
    }
    // What was proved against the old password begins no session.
    assert!(!accounts.begin(&named("eve"), &eve, LIMITS, at(2)).await.unwrap());
}

#[tokio::test]
async fn the_file_holds_no_token_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, accounts) = file().await;
    let token = begun(&accounts, "ann").await;
    accounts.close().await;
    let path = folder.path().join("panel.db");
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(64).any(|window| window == token.expose().as_bytes()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(format!("{token:?}"), "SessionToken(…)");
    let again = Accounts::open(&path).await.unwrap();
    assert!(lives(&again, &token, 1).await, "a restart signs nobody out");
}

#[tokio::test]
async fn whoever_has_signed_in_goes_on_where_nothing_can_be_written() {
    let (_folder, accounts) = file().await;
    let token = begun(&accounts, "ann").await;
    // As a disk that is full: no transaction can write.
    let read_only = SqlitePoolOptions::new()
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::query("PRAGMA query_only = ON").execute(connection).await.map(drop) })
        })
        .connect_lazy_with((*accounts.0.connect_options()).clone());
    let accounts = Accounts(read_only);
    assert!(accounts.end(&token).await.is_err());
    assert!(lives(&accounts, &token, 600).await);
    assert!(lives(&accounts, &token, 1_200).await);
}

#[tokio::test]
async fn another_programs_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panel.db");
    std::fs::write(&path, "not a database, and long enough to have a header of a hundred bytes ".repeat(4)).unwrap();
    let error = Accounts::open(&path).await.unwrap_err();
    assert!(error.to_string().contains("panel.db"), "{error}");
}
