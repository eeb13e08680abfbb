//! `postkey copy`: a log moves to another store, with its id, its positions, its bytes and its ledger's root.
//!
//! Everything that can be refused is refused before the source is closed. After that, whatever happens, the same command
//! given again goes on from where this one was.

mod plan;
mod transfer;

use clap::Args;
use domain::Position;
use event_log::{CopyId, Standing};
use ledger::Frontier;
use postkey_http::uuid_v4;
use tokio::time::{Instant, sleep};

use self::plan::{Step, next_step};
use self::transfer::{PATIENCE, PAUSE, Transfer, persistently};
use crate::args::{LogArgs, NatsArgs};
use crate::edges::SystemEntropy;
use crate::failure::Failure;
use crate::journal::print;
use crate::progress::bar;
use crate::stores::{Lack, LogHandle, LogUrl, Waiting};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples, the second one for the way back:
  postkey copy --from sqlite:/var/lib/postkey/log.db --to tls://n1:4222,n2:4222,n3:4222 --nats-replicas 3 \\
    --nats-credentials admin.nk --nats-ca ca.pem --nats-monitor http://n1:8222,http://n2:8222,http://n3:8222
  postkey copy --from nats://n1:4222,n2:4222,n3:4222 --nats-credentials admin.nk --to sqlite:/srv/postkey/log.db

The first thing that it does to FROM can't be undone: it closes it to changes, for ever, in favour of TO. Commands are
then answered with 503 until services are started on TO; logins go on. In NATS that takes the administrator's
credential, at both ends; the --nats-… options hold for whichever end is in NATS. What can be seen to be in the way is
said before.

TO takes changes only once it has been read back and is, byte for byte, what FROM is. Cut off at any moment, give the
same command again: it goes on. Given once more after its end, it compares again and changes nothing.

Afterwards: start the services with `--log TO`; keys, keyring, read model and tokens stay as they are, for every
position and every entry is the same. In NATS, where services may make no consumers, first
  postkey nats setup --log TO --nats-credentials admin.nk --consumer projection-1 --consumer projection-2
Keep FROM, closed as it is, for as long as you keep backups.")]
pub struct CopyArgs {
    /// The log to close and copy: sqlite:PATH, or nats://HOST:PORT[,HOST:PORT…] (tls:// for TLS)
    #[arg(long, value_name = "LOG")]
    from: LogUrl,
    /// Where it goes on: a place without a log, or with what an earlier run has left there
    #[arg(long, value_name = "LOG")]
    to: LogUrl,
    /// The earlier copy that FROM was closed for, where that one's target is lost for good and was never opened: begin
    /// again. If it still exists and is written to, there will be two logs of one id, which nothing can make one again
    #[arg(long, value_name = "COPY")]
    lost: Option<CopyId>,
    #[command(flatten)]
    nats: NatsArgs,
}

/// Both ends, open.
struct Ends {
    from: LogHandle,
    to: LogHandle,
}

pub async fn copy(args: CopyArgs) -> Result<(), Failure> {
    let CopyArgs { from, to, lost, nats } = args;
    let (from, to) = (LogArgs { log: from, nats: nats.clone() }, LogArgs { log: to, nats });
    let ends = open(&from, &to, lost).await?;
    let copied = go(&ends, &from, &to).await;
    ends.from.close().await;
    ends.to.close().await;
    copied
}

/// Opens both, and makes the target where there is none.
async fn open(from: &LogArgs, to: &LogArgs, lost: Option<CopyId>) -> Result<Ends, Failure> {
    if is_same_file(&from.log, &to.log) {
        return Err(Failure::usage("--from and --to are the same file: name another place for the copy"));
    }
    let source = LogHandle::open_for_copy(from).await.map_err(Lack::into_failure)?;
    let source = source.ok_or_else(|| Failure::usage(format!("{}: there is no log to copy", from.log.shown())))?;
    let opened = async {
        let standing = standing(&source, from).await?;
        if let Some(target) = LogHandle::open_for_copy(to).await.map_err(Lack::into_failure)? {
            return Ok(target);
        }
        let copy = plan::copy_to_begin(&standing, lost, CopyId::new(uuid_v4(&SystemEntropy)))?;
        check_folder(&to.log)?;
        let begun = Instant::now();
        loop {
            match LogHandle::create_copy(to, standing.log, copy).await {
                // They have answered before: several servers may take a while to make a stream, and may have made it.
                Err(Lack::Waiting(Waiting(what))) if begun.elapsed() < PATIENCE => {
                    tracing::debug!(%what, "the copy's target is asked for again");
                    sleep(PAUSE).await;
                }
                made => return made.map_err(Lack::into_failure),
            }
        }
    };
    match opened.await {
        Ok(target) => Ok(Ends { from: source, to: target }),
        Err(failure) => {
            source.close().await;
            Err(failure)
        }
    }
}

/// Closes, copies, compares, opens.
async fn go(ends: &Ends, from: &LogArgs, to: &LogArgs) -> Result<(), Failure> {
    let source = standing(&ends.from, from).await?;
    let step = next_step(&source, &standing(&ends.to, to).await?)?;
    let transfer = Transfer::new(&ends.from, &ends.to, source.log);
    if step == Step::Compare {
        let root = compared(&transfer, source.head).await?;
        print(format_args!("the copy is finished already: {} takes changes, {} takes none", shown(to), shown(from)))?;
        return say(source.head, &root);
    }
    let Step::Copy(copy) = step else { return Ok(()) };
    ends.to.check_servers(&to.nats).await.map_err(Lack::into_failure)?;
    let closing = persistently(async || ends.from.copy_end().close_for(copy).await).await;
    let mut head = closing.map_err(|error| Failure::failed(format!("{}: {error}", shown(from))))?;
    print(format_args!("{} is closed to changes, at position {head}", shown(from)))?;
    let root = loop {
        let bar = bar("copied", head);
        transfer.fill(head, |at| bar.set_position(at.get())).await?;
        bar.finish_and_clear();
        let root = compared(&transfer, head).await?;
        // Nothing can have come after; a look costs nothing.
        let now = standing(&ends.from, from).await?.head;
        if now == head {
            break root;
        }
        head = now;
    };
    let finishing = persistently(async || ends.to.copy_end().finish(copy, head).await).await;
    finishing.map_err(|error| Failure::failed(format!("{}: {error}", shown(to))))?;
    print(format_args!("{} takes changes now: start the services with it", shown(to)))?;
    say(head, &root)
}

async fn standing(log: &LogHandle, args: &LogArgs) -> Result<Standing, Failure> {
    let asked = persistently(async || log.copy_end().standing().await).await;
    asked.map_err(|error| Failure::failed(format!("{}: {error}", shown(args))))
}

async fn compared(transfer: &Transfer<'_>, head: Position) -> Result<Frontier, Failure> {
    let bar = bar("compared", head);
    let compared = transfer.compare(head, |at| bar.set_position(at.get())).await;
    bar.finish_and_clear();
    compared
}

fn say(head: Position, frontier: &Frontier) -> Result<(), Failure> {
    let root: String = frontier.root().0.iter().map(|byte| format!("{byte:02x}")).collect();
    print(format_args!("both hold the same {head} entries; the root of the ledger's tree is {root}"))
}

fn shown(args: &LogArgs) -> String {
    args.log.shown()
}

fn is_same_file(from: &LogUrl, to: &LogUrl) -> bool {
    let (Some(from), Some(to)) = (from.file(), to.file()) else { return false };
    let real = |path: &std::path::Path| path.canonicalize().ok();
    from == to || real(from.path()).is_some_and(|from| real(to.path()) == Some(from))
}

fn check_folder(log: &LogUrl) -> Result<(), Failure> {
    match log.file() {
        Some(file) if !file.folder().is_dir() => {
            Err(Failure::usage(format!("there is no folder {}: make it first", file.folder().display())))
        }
        _ => Ok(()),
    }
}
