//! `postkey keys`: the keys that the log stands on, and how they are replaced.

mod keyring;
mod ledger;

use clap::Subcommand;

use crate::failure::Failure;

#[derive(Subcommand, Debug)]
pub enum KeysAction {
    /// Replace the master keys of the keyring, or the key that checkpoints are signed with, beside running services
    #[command(after_help = "\
Examples:
  postkey keys rotate --data /var/lib/postkey
  postkey keys rotate --keys postgres://postkey_keys@db/postkey_keys --keys-password-file FILE --keyring-file FILE

New entries are authenticated with a new key at once, every live key in the key store is wrapped by a new master key, and
the old ones stay in the keyring for what was made with them. Cut off, give the same command again: it goes on.

Where services run on several hosts, each with a copy of the keyring, every copy has to know the new keys before anybody
uses them:
  postkey keys rotate --prepare …       puts them into the keyring, unused: copy it to every host
  postkey keys rotate …                 makes them the present ones: copy it to every host again
Running services take a keyring that was replaced (by a rename) without a restart.

  postkey keys rotate --drop-old …      takes the master keys of before out of the keyring, once nothing needs them
Keep a copy of the old keyring for as long as you keep backups of the key store from before: they need it.

  postkey keys rotate --ledger-key-file /var/lib/postkey/ledger/key
A new key of the same name stands before the old one in FILE, and its public half last in the file public-key beside it.
Running projections take it at once: their next checkpoint carries both signatures, so that whoever has only the old
public key can follow. Give the new one to your auditors all the same.")]
    Rotate(keyring::RotateArgs),
}

pub async fn keys(action: KeysAction) -> Result<(), Failure> {
    match action {
        KeysAction::Rotate(keyring::RotateArgs { ledger_key_file: Some(file), .. }) => ledger::rotate(file),
        KeysAction::Rotate(args) => keyring::rotate(args).await,
    }
}
