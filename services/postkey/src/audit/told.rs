//! What `postkey audit verify` tells a person.

use std::fmt::Write;

use audit::export::{Header, Personal};
use audit::verify::{Anchor, Dooms, Examiner, ExportSeen, Extent, History, Report, RowsSeen, Watches};
use domain::Position;

use super::pin::Pin;
use super::verify::{Word, unsigned};

/// What was checked, and what was not, each in a sentence.
#[derive(Default)]
pub struct Checks {
    /// What was.
    pub yes: Vec<String>,
    /// What was not, and why.
    pub no: Vec<String>,
}

/// Of a whole log.
pub fn checks(
    history: &History,
    examiner: &Examiner,
    watches: &Watches,
    word: &Word,
    rows: Option<RowsSeen>,
) -> (Vec<String>, Vec<String>) {
    let mut checks = Checks::default();
    checks.of_tree(history, word);
    checks.of_entries(history, examiner, watches.dooms.as_ref(), true);
    checks.of_rows(rows);
    if let Some(tiles) = &watches.tiles {
        let (seen, size) = (tiles.seen, tiles.size());
        checks
            .yes
            .push(format!("that {seen} hashes of the ledger beside the rows, over {size} entries, are the log's"));
    }
    (checks.yes, checks.no)
}

/// Of an export.
pub fn export_checks(
    (history, extent): (&History, Extent),
    header: &Header,
    seen: ExportSeen,
    examiner: &Examiner,
    dooms: Option<&Dooms>,
    word: &Word,
) -> (Vec<String>, Vec<String>) {
    let mut checks = Checks::default();
    if seen.whole {
        checks.yes.push("that the export is whole, as it was written".to_owned());
    }
    match extent {
        Extent::Log => checks.of_tree(history, word),
        Extent::Service(_) | Extent::User(..) | Extent::Entry(_) => {
            checks.yes.push(format!("the proofs that {} entries stand under the checkpoint", seen.proved));
            checks.of_pin_alone(header, word.pin());
        }
    }
    match extent {
        Extent::Log => {}
        Extent::Service(_) => checks.no.push(
            "whether more happened to the service behind the last of its entries here: nothing that comes later is in the export"
                .to_owned(),
        ),
        Extent::User(..) => checks.no.push(
            "whether all that happened to the user is in the export: entries about others, which it does not have, stand in between"
                .to_owned(),
        ),
        Extent::Entry(_) => checks.no.push(
            "what went before the entry and what came after it: it is alone in the export, so neither its chain nor whether it is \
             possible was looked at"
                .to_owned(),
        ),
    }
    checks.yes.push("that the events which it tells are those of the entries, in all that is not sealed".to_owned());
    checks.of_personal(header.personal, seen.unopened, dooms.is_some());
    // A log's first entry says it, and so does every MAC.
    let says_its_log = matches!(extent, Extent::Log) || extent == Extent::Entry(Position::new(1));
    if !says_its_log && examiner.keyring.is_none() {
        checks.no.push(format!(
            "whether the log is {}: that id is the word of who exported it, for want of --keyring-file",
            header.log
        ));
    }
    checks.of_entries(history, examiner, dooms, !matches!(extent, Extent::Entry(_)));
    (checks.yes, checks.no)
}

impl Checks {
    fn of_tree(&mut self, history: &History, word: &Word) {
        let (pin, size) = (word.pin(), word.checkpoint().map(|checkpoint| checkpoint.size));
        if history.held(Anchor::Checkpoint) {
            self.yes.push("that the tree of the entries has the root that the checkpoint says".to_owned());
        }
        if history.held(Anchor::Stored) {
            self.yes.push("that the log begins with the entries of the newest checkpoint in the key store".to_owned());
        }
        if let (Some(kept), Some(size)) = (pin.and_then(Pin::checkpoint), size)
            && kept.size > size
        {
            self.no.push(format!(
                "why the checkpoint is of {size} entries, when one of {} was seen before: an older one is shown than there is; ask for \
                 the newest",
                kept.size
            ));
        }
        match pin.map(|pin| (pin.checkpoint(), history.held(Anchor::Pin))) {
            Some((Some(kept), true)) => {
                self.yes.push(format!("that the log begins with the {} entries of the pinned checkpoint", kept.size));
            }
            Some((None, _)) => self.no.push("earlier checkpoints: the pin is made now".to_owned()),
            None => self.no.push("earlier checkpoints: no --pin keeps any".to_owned()),
            Some(_) => {}
        }
    }

    /// Where the tree itself is not at hand.
    fn of_pin_alone(&mut self, header: &Header, pin: Option<&Pin>) {
        match pin.map(Pin::checkpoint) {
            None => self.no.push("earlier checkpoints: no --pin keeps any".to_owned()),
            Some(None) => self.no.push("earlier checkpoints: the pin is made now".to_owned()),
            Some(Some(kept)) => match header.checkpoint.as_deref().and_then(unsigned) {
                Some(own) if own == *kept => self.yes.push("that its checkpoint is the pinned one".to_owned()),
                _ => self.no.push(format!(
                    "whether its checkpoint goes on from the pinned one of {} entries: only the whole log shows that",
                    kept.size
                )),
            },
        }
    }

    /// What is sealed, as an export tells it.
    fn of_personal(&mut self, personal: Personal, unopened: u64, keys: bool) {
        match (personal, keys) {
            (Personal::Redacted, _) => {
                self.yes.push("that it tells no addresses, names, origins and reasons: they were left out".to_owned());
            }
            (Personal::Shown, false) => self.no.push(
                "addresses, names, origins and reasons: they are the word of who exported them, for want of --keys and \
                 --keyring-file"
                    .to_owned(),
            ),
            (Personal::Shown, true) => {
                self.yes.push("that the addresses, names, origins and reasons which it tells are those that can be opened".to_owned());
                if unopened > 0 {
                    self.no.push(format!(
                        "{unopened} addresses, names, origins and reasons that nobody can open any more: they are the word of \
                         who exported them"
                    ));
                }
            }
        }
    }

    fn of_rows(&mut self, rows: Option<RowsSeen>) {
        let Some(RowsSeen { rows, applied, unknown, behind }) = rows else {
            self.no.push("the rows of the read model: no --read-model with keys".to_owned());
            return;
        };
        let told = rows.saturating_sub(unknown + behind);
        self.yes
            .push(format!("that {told} rows of the read model are what the log makes of them, at position {applied}"));
        if unknown > 0 {
            self.no.push(format!("{unknown} rows whose services have entries that can't be followed"));
        }
        if behind > 0 {
            self.no
                .push(format!("{behind} rows that entries behind position {applied} touch: they are not applied yet"));
        }
    }

    /// `in_order` is whether what stands before each of them was at hand.
    fn of_entries(&mut self, history: &History, examiner: &Examiner, dooms: Option<&Dooms>, in_order: bool) {
        let (entries, parts) = (history.entries(), &history.parts);
        self.yes.push(format!("the form, the place and the subject of {entries} entries"));
        if in_order {
            self.yes.push(format!(
                "the chain of entries of {} services, and that time does not go back in it",
                history.services()
            ));
        }
        match &examiner.keyring {
            Some(_) => self.yes.push(format!("the MACs of {entries} entries")),
            None => self.no.push(format!(
                "the MACs of {entries} entries, for want of --keyring-file: who can write to the log may have written what \
                 stands behind the checkpoint"
            )),
        }
        let Some(dooms) = dooms else {
            if in_order {
                self.yes.push(
                    "that no entry is impossible after those before it, as far as nothing sealed says".to_owned(),
                );
            }
            self.no.push(format!("{} sealed parts, for want of --keys and --keyring-file", parts.sealed));
            return;
        };
        if in_order {
            self.yes.push("that no entry is impossible after those before it".to_owned());
        }
        self.yes
            .push(format!("{} sealed parts: {} were opened, {} are erased", parts.sealed, parts.opened, parts.erased));
        self.yes.push(format!("that the keys which entries up to position {} doom are gone", dooms.cursor()));
        if dooms.to_come > 0 {
            self.no.push(format!(
                "{} keys that entries behind position {} doom: they are still there, and the projection destroys them when it \
                 gets there",
                dooms.to_come,
                dooms.cursor()
            ));
        }
    }
}

/// The report, as text.
pub fn told(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string never fails.
    let _ = tell(report, &mut text);
    text
}

fn tell(report: &Report, text: &mut String) -> std::fmt::Result {
    let Report { log, entries, services, .. } = report;
    write!(text, "log {log}: {entries} entries of {services} services")?;
    if let (Some(first), Some(last)) = (report.first_at, report.last_at) {
        write!(text, ", from {} to {}", first.format("%F %T UTC"), last.format("%F %T UTC"))?;
    }
    writeln!(text)?;
    if let Some(checkpoint) = &report.checkpoint {
        writeln!(text, "checkpoint of {} entries, root {}", checkpoint.size, checkpoint.root)?;
        for key in &checkpoint.signed_by {
            writeln!(text, "  signed by {key}")?;
        }
    }
    if report.after_checkpoint > 0 {
        writeln!(text, "{} entries stand behind the checkpoint: nobody has signed them yet", report.after_checkpoint)?;
    }
    writeln!(text, "what happened, by whom:")?;
    for (client, events) in &report.clients {
        let events: Vec<_> = events.iter().map(|(name, count)| format!("{count} {name}")).collect();
        // A name from a log that may be anybody's must not steer a terminal.
        writeln!(text, "  {}: {}", client.escape_debug(), events.join(", "))?;
    }
    for (title, checks) in [("checked:", &report.checked), ("not checked:", &report.not_checked)] {
        if !checks.is_empty() {
            writeln!(text, "{title}")?;
        }
        for check in checks {
            writeln!(text, "  {check}")?;
        }
    }
    if report.sound {
        return write!(text, "sound: nothing was found");
    }
    writeln!(text, "TAMPERED:")?;
    for finding in &report.findings {
        writeln!(text, "  position {} ({}): {}", finding.position, finding.kind.as_str(), finding.what)?;
    }
    match report.findings_in_all - report.findings.len() as u64 {
        0 if report.findings_in_all == 1 => write!(text, "one finding"),
        0 => write!(text, "{} findings", report.findings_in_all),
        more => write!(text, "and {more} more findings"),
    }
}
