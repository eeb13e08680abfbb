//! `postkey token new` and `postkey token revoke`: who may ask what.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use postkey_http::{ClientEntry, ClientsFile, EntropyRng, Role, TokenDigest, new_token};
use secrecy::ExposeSecret;

use crate::edges::SystemEntropy;
use crate::failure::Failure;
use crate::folder::{Folder, customer_scope};
use crate::journal::print;

#[derive(Args, Debug)]
pub struct TokenArgs {
    #[command(subcommand)]
    pub action: TokenAction,
}

#[derive(clap::Subcommand, Debug)]
pub enum TokenAction {
    /// Make a token, print it once, and store its SHA-256; running services take it within 5 seconds
    #[command(after_help = "\
Examples:
  postkey token new --role panel --name shop --customer acme    one customer's services
  postkey token new --role panel --name hosting --customer '*'  any customer's; each call says Postkey-Customer
  postkey token new --role webmail --name roundcube             lookups
  postkey token new --role auditor --name dpo --personal        the history, with addresses and names

The name is the client's identity: a second token of the same name overlaps with the first, until both are revoked.")]
    New {
        /// What the client may do: panel, webmail, auditor, operator or service
        #[arg(long)]
        role: Role,
        /// The client's name: 1 to 64 of A-Z a-z 0-9 . _ -
        #[arg(long)]
        name: String,
        /// Whose services a panel may see: a customer's id, or '*' for any
        #[arg(long, value_name = "ID|*")]
        customer: Option<String>,
        /// An auditor who may see addresses and names in the history; without it they are left out
        #[arg(long)]
        personal: bool,
        #[command(flatten)]
        file: ClientsFileArgs,
    },
    /// Revoke every token of a client; running services forget it within 5 seconds
    #[command(after_help = "\
Example:
  postkey token revoke roundcube --data /var/lib/postkey")]
    Revoke {
        /// The client's name
        name: String,
        #[command(flatten)]
        file: ClientsFileArgs,
    },
}

#[derive(Args, Debug)]
pub struct ClientsFileArgs {
    /// The clients file [default: DIR/clients.json]
    #[arg(long, env = "POSTKEY_CLIENTS_FILE", value_name = "FILE")]
    clients_file: Option<PathBuf>,
    /// The data folder of `postkey up`
    #[arg(long, env = "POSTKEY_DATA", default_value = "./postkey-data", value_name = "DIR")]
    data: PathBuf,
}

impl ClientsFileArgs {
    fn path(self) -> Result<PathBuf, Failure> {
        let path = self.clients_file.unwrap_or_else(|| Folder::new(self.data).clients());
        if path.exists() {
            return Ok(path);
        }
        let what = "there is no such clients file: `postkey up` or `postkey init DIR` makes one; --data or --clients-file names it";
        Err(Failure::usage(format!("{}: {what}", path.display())))
    }
}

pub fn token(action: TokenAction) -> Result<(), Failure> {
    match action {
        TokenAction::New { role, name, customer, personal, file } => {
            if (role == Role::Panel) != customer.is_some() {
                return Err(Failure::usage("--customer ID or --customer '*' goes with --role panel, and only with it"));
            }
            if personal && role != Role::Auditor {
                return Err(Failure::usage(
                    "--personal goes with --role auditor, and only with it: the others see what they need",
                ));
            }
            let scope = customer_scope(customer.as_deref())?;
            let token = new_token(&mut EntropyRng::new(Arc::new(SystemEntropy)), role);
            let entry = ClientEntry::new(&name, role, scope, TokenDigest::of(&token)).map_err(Failure::usage)?;
            let entry = if personal { entry.with_personal()? } else { entry };
            ClientsFile::update(&file.path()?, |clients| clients.add(entry))?;
            print(format_args!("{}", token.expose_secret()))
        }
        TokenAction::Revoke { name, file } => {
            let revoked = ClientsFile::update(&file.path()?, |clients| clients.revoke(&name))?;
            print(format_args!("{name}: {revoked} revoked"))
        }
    }
}
