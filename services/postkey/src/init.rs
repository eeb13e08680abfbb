//! `postkey init DIR`: the files that separate services need.

use std::path::PathBuf;

use clap::Args;
use postkey_http::Role;

use crate::failure::Failure;
use crate::folder::Folder;
use crate::journal::print;

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  postkey init /etc/postkey
  postkey token new --role operator --name ops --clients-file /etc/postkey/clients.json

Makes DIR (0700) with keyring, ledger/key, ledger/public-key, clients.json and tokens/service.token (all 0600). What is
there already stays as it is. Keep the keyring in your backups, away from those of the key store: without it nothing in
the log can be read. Give clients their tokens with `postkey token new --clients-file DIR/clients.json …`.")]
pub struct InitArgs {
    /// The folder to make them in
    pub dir: PathBuf,
}

pub fn init(args: &InitArgs) -> Result<(), Failure> {
    let folder = Folder::new(args.dir.clone());
    folder.make()?;
    folder.make_keys(&[Role::Service])?;
    print(format_args!(
        "{} is ready; `postkey command --help` and `postkey projection --help` go on",
        args.dir.display()
    ))
}
