//! `postkey postgres`: what the owner of the databases does, with a role that no service has.

use std::path::{Path, PathBuf};

use activity::PostgresActivityStore;
use clap::{Args, Subcommand};
use keys::PostgresKeyStore;
use postkey_postgres::Location;
use postkey_projection::read_model::PostgresReadModel;

use crate::failure::Failure;
use crate::journal::print;
use crate::stores::StoreUrl;

#[derive(Subcommand, Debug)]
pub enum PostgresAction {
    /// Make or migrate the schemas of the databases that are named, and grant the services' roles what they need
    Setup(SetupArgs),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example, as the role that owns the databases:
  postkey postgres setup --read-model postgres://postkey_owner@db/postkey --keys postgres://postkey_owner@db/postkey_keys \\
    --activity postgres://postkey_owner@db/postkey_activity \\
    --read-model-password-file FILE --keys-password-file FILE --activity-password-file FILE

Grants go to those of the roles postkey_projector, postkey_webmail, postkey_keys and postkey_activity that exist; everybody
else loses the right to connect. It changes nothing that is as it should be. Where a service's own role may make tables, as that of a
superuser, the service does it at its first start and nobody needs this.")]
pub struct SetupArgs {
    /// The read model's database
    #[arg(long, env = "POSTKEY_READ_MODEL", value_name = "URL", hide_env_values = true)]
    read_model: Option<StoreUrl>,
    /// The key store's database
    #[arg(long, env = "POSTKEY_KEYS", value_name = "URL", hide_env_values = true)]
    keys: Option<StoreUrl>,
    /// The activity log's database
    #[arg(long, env = "POSTKEY_ACTIVITY", value_name = "URL", hide_env_values = true)]
    activity: Option<StoreUrl>,
    /// The file of its owner's password
    #[arg(long, env = "POSTKEY_READ_MODEL_PASSWORD_FILE", value_name = "FILE")]
    read_model_password_file: Option<PathBuf>,
    /// The file of the key store's owner's password
    #[arg(long, env = "POSTKEY_KEYS_PASSWORD_FILE", value_name = "FILE")]
    keys_password_file: Option<PathBuf>,
    /// The file of the activity log's owner's password
    #[arg(long, env = "POSTKEY_ACTIVITY_PASSWORD_FILE", value_name = "FILE")]
    activity_password_file: Option<PathBuf>,
}

pub async fn postgres(action: PostgresAction) -> Result<(), Failure> {
    let PostgresAction::Setup(args) = action;
    if args.read_model.is_none() && args.keys.is_none() && args.activity.is_none() {
        return Err(Failure::usage("name what to set up: --read-model URL, --keys URL, --activity URL"));
    }
    for (file, of, url) in [
        (&args.read_model_password_file, "--read-model", &args.read_model),
        (&args.keys_password_file, "--keys", &args.keys),
        (&args.activity_password_file, "--activity", &args.activity),
    ] {
        if file.is_some() && url.is_none() {
            return Err(Failure::usage(format!("{of}-password-file is the password for {of} URL, which is missing")));
        }
    }
    if let Some(url) = args.read_model {
        let location = location(url, args.read_model_password_file.as_deref())?;
        PostgresReadModel::set_up(&location).await?;
        print(format_args!("the read model is set up at {location}"))?;
    }
    if let Some(url) = args.keys {
        let location = location(url, args.keys_password_file.as_deref())?;
        PostgresKeyStore::set_up(&location).await?;
        print(format_args!("the key store is set up at {location}"))?;
    }
    if let Some(url) = args.activity {
        let location = location(url, args.activity_password_file.as_deref())?;
        PostgresActivityStore::set_up(&location).await?;
        print(format_args!("the activity log is set up at {location}"))?;
    }
    Ok(())
}

fn location(url: StoreUrl, password_file: Option<&Path>) -> Result<Box<Location>, Failure> {
    match url.with_password_file(password_file)? {
        StoreUrl::Postgres(location) => Ok(location),
        StoreUrl::Sqlite(_) => Err(Failure::usage("a file needs no setup: name postgres://ROLE@HOST:PORT/DATABASE")),
    }
}
