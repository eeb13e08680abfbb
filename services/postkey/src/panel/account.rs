//! `postkey panel account`: who may sign in to the panel. It works beside a running panel.

use std::fmt::Arguments;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use credential::{Asker, Hasher, HasherConfig, MAX_BYTES, Password, Personal, Policy, SALT_BYTES, suggest};
use domain::{Address, CredentialHash, Customer, Name};
use postkey_http::{Entropy, EntropyRng, uuid_v4};
use postkey_panel::accounts::{Account, AccountName, Accounts};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::edges::SystemEntropy;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::journal::print;

/// More than any password takes, in bytes, its line's end included.
const LONGEST_FILE: usize = 2 * MAX_BYTES;

#[derive(clap::Subcommand, Debug)]
pub enum AccountAction {
    /// Add an account: a password is suggested and printed once, unless a file brings one
    #[command(after_help = "\
Examples:
  postkey panel account add ann --customer acme                     on ./postkey-data, with a suggested password
  postkey panel account add ann@acme.example --customer acme --password-file - --accounts /var/lib/panel/panel.db

It sees that customer's services, and may change them. A running panel knows it at once.")]
    Add {
        /// The name to sign in with: 1 to 64 of a-z 0-9 . _ @ + -, so an e-mail address will do
        #[arg(value_parser = AccountName::parse)]
        name: AccountName,
        /// Whose services it sees: the customer's id
        #[arg(long, value_name = "ID", value_parser = Customer::parse)]
        customer: Customer,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        file: AccountsFileArgs,
    },
    /// Give an account another password, let it sign in, and end its sessions
    #[command(after_help = "\
Example:
  postkey panel account passwd ann --data /var/lib/postkey")]
    Passwd {
        /// The account's name
        #[arg(value_parser = AccountName::parse)]
        name: AccountName,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        file: AccountsFileArgs,
    },
    /// Let an account sign in no more, and end its sessions; `passwd` lets it again
    #[command(after_help = "\
Example:
  postkey panel account disable ann --data /var/lib/postkey")]
    Disable {
        /// The account's name
        #[arg(value_parser = AccountName::parse)]
        name: AccountName,
        #[command(flatten)]
        file: AccountsFileArgs,
    },
    /// List the accounts: name, customer, and whether it is disabled
    List {
        #[command(flatten)]
        file: AccountsFileArgs,
    },
}

#[derive(Args, Debug)]
pub struct PasswordArgs {
    /// A file with the password, or - for stdin; without it a strong one is suggested and printed
    #[arg(long, value_name = "FILE|-")]
    password_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct AccountsFileArgs {
    /// The file of accounts [default: DIR/panel.db]
    #[arg(long, env = "POSTKEY_ACCOUNTS", value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// The data folder of `postkey up`
    #[arg(long, env = "POSTKEY_DATA", default_value = "./postkey-data", value_name = "DIR")]
    data: PathBuf,
}

impl AccountsFileArgs {
    /// The file; `make`: whether one that is missing may be made, which it may in a data folder that is one.
    async fn open(self, make: bool) -> Result<Accounts, Failure> {
        let folder = Folder::new(self.data);
        let may = make && (self.accounts.is_some() || folder.keyring().exists());
        let path = self.accounts.unwrap_or_else(|| folder.accounts());
        if !may && !path.exists() {
            let what =
                "there is no such file of accounts: --data names the folder of `postkey up`, --accounts the file";
            return Err(Failure::usage(format!("{}: {what}", path.display())));
        }
        Ok(Accounts::open(&path).await?)
    }
}

pub async fn account(action: AccountAction) -> Result<(), Failure> {
    match action {
        AccountAction::Add { name, customer, password, file } => {
            let (new, hasher) = (password.judged(&name)?, hasher()?);
            let accounts = file.open(true).await?;
            let made = add(&accounts, &hasher, &name, customer, &new).await;
            accounts.close().await;
            made?;
            new.tell(format_args!("{name}: added"))
        }
        AccountAction::Passwd { name, password, file } => {
            let (new, hasher) = (password.judged(&name)?, hasher()?);
            let accounts = file.open(false).await?;
            let changed = accounts.set_password(&name, &new.hash(&hasher).await?).await;
            accounts.close().await;
            changed?;
            new.tell(format_args!("{name}: has another password, and is signed out"))
        }
        AccountAction::Disable { name, file } => {
            let accounts = file.open(false).await?;
            let disabled = accounts.disable(&name).await;
            accounts.close().await;
            disabled?;
            print(format_args!("{name}: disabled, and signed out"))
        }
        AccountAction::List { file } => {
            let accounts = file.open(false).await?;
            let listed = accounts.list().await;
            accounts.close().await;
            for one in listed? {
                let disabled = if one.disabled { "  disabled" } else { "" };
                print(format_args!("{}  {}{disabled}", one.name, one.customer))?;
            }
            Ok(())
        }
    }
}

/// Adds an account that signs in with this password.
pub async fn add(
    accounts: &Accounts,
    hasher: &Hasher,
    name: &AccountName,
    customer: Customer,
    password: &NewPassword,
) -> Result<(), Failure> {
    let account =
        Account { id: uuid_v4(&SystemEntropy), name: name.clone(), customer, hash: password.hash(hasher).await? };
    Ok(accounts.add(&account).await?)
}

/// One thread is enough for one hash.
fn hasher() -> Result<Hasher, Failure> {
    Ok(Hasher::start(HasherConfig::for_threads(NonZeroUsize::MIN))?)
}

/// A password that the policy takes for an account.
pub struct NewPassword {
    judged: Arc<Password>,
    suggested: bool,
}

impl NewPassword {
    /// A strong one, for the account of this name.
    pub fn suggested(name: &AccountName) -> Self {
        let (policy, personal) = (Policy::standard(), personal(name));
        let mut rng = EntropyRng::new(Arc::new(SystemEntropy));
        loop {
            // It keeps to every rule, but may by a rare chance hold the name.
            if let Ok(judged) = Password::parse(suggest(&policy, &mut rng), &policy, Some(&personal)) {
                return Self { judged: Arc::new(judged), suggested: true };
            }
        }
    }

    fn given(text: SecretString, name: &AccountName) -> Result<Self, Failure> {
        let judged = Password::parse(text, &Policy::standard(), Some(&personal(name))).map_err(|broken| {
            let hints: Vec<_> = broken.into_iter().map(|violation| violation.hint).collect();
            Failure::usage(format!("this password is not taken, and nothing was changed: {}", hints.join(" ")))
        })?;
        Ok(Self { judged: Arc::new(judged), suggested: false })
    }

    async fn hash(&self, hasher: &Hasher) -> Result<CredentialHash, Failure> {
        let mut salt = [0; SALT_BYTES];
        SystemEntropy.fill(&mut salt);
        Ok(hasher.hash(Asker::Client, Arc::clone(&self.judged), salt).await?)
    }

    /// For the one line that shows it to whoever asked for it.
    pub fn shown(&self) -> &str {
        self.judged.expose()
    }

    /// Prints it alone, for scripts, where nobody else knows it; else what was done.
    fn tell(&self, done: Arguments<'_>) -> Result<(), Failure> {
        if self.suggested { print(format_args!("{}", self.shown())) } else { print(done) }
    }
}

/// The words that a password of this account must not contain.
fn personal(name: &AccountName) -> Personal {
    match (Address::parse(name.as_str()), Name::parse(name.as_str())) {
        (Ok(address), _) => Personal::default().with_address(&address),
        (Err(_), Ok(name)) => Personal::default().with_name(&name),
        (Err(_), Err(_)) => Personal::default(),
    }
}

impl PasswordArgs {
    /// The password that a file brings, or a suggested one.
    fn judged(self, name: &AccountName) -> Result<NewPassword, Failure> {
        let Some(path) = self.password_file else { return Ok(NewPassword::suggested(name)) };
        let given = if path == Path::new("-") { line(io::stdin().lock()) } else { File::open(&path).and_then(line) };
        NewPassword::given(given.map_err(|error| Failure::io(&path, &error))?, name)
    }
}

/// A text without its line's end. Of more than any password takes, the policy says that it is too long.
fn line(from: impl Read) -> io::Result<SecretString> {
    // With room for all of it: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE));
    from.take(LONGEST_FILE as u64).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(SecretString::from(line.strip_suffix('\r').unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::parse(text).unwrap()
    }

    #[test]
    fn a_password_is_a_line_without_its_end() {
        for (file, password) in
            [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("", ""), (" ä ", " ä ")]
        {
            assert_eq!(line(file.as_bytes()).unwrap().expose_secret(), password, "{file:?}");
        }
        assert_eq!(line(&[b'a'; 9_000][..]).unwrap().expose_secret().len(), LONGEST_FILE);
        assert!(line(&b"\xff"[..]).is_err());
    }

    #[test]
    fn a_given_password_is_told_every_rule_that_it_breaks_and_nothing_of_itself() {
        let Err(refused) = NewPassword::given("annika".into(), &name("annika@acme.example")) else { panic!("taken") };
        let told = format!("{refused:?}");
        for rule in ["8 characters", "upper", "digit", "symbol"] {
            assert!(told.contains(rule), "{rule}: {told}");
        }
        assert!(!told.contains("annika"), "{told}");
        for own in ["x-Annika-17", "x-Acme-17-y"] {
            assert!(NewPassword::given(own.into(), &name("annika@acme.example")).is_err(), "{own}");
        }
        assert_eq!(NewPassword::given("Vkd9-mnRtq7w".into(), &name("annika")).ok().unwrap().shown(), "Vkd9-mnRtq7w");
    }

    #[tokio::test]
    async fn a_suggested_password_is_the_accounts() {
        let new = NewPassword::suggested(&name("annika"));
        let hasher = hasher().unwrap();
        let hash = new.hash(&hasher).await.unwrap();
        let verdict = hasher.verify(new.shown().into(), Some(&hash)).await.unwrap();
        assert_eq!(verdict, credential::Verdict::Right);
    }
}
