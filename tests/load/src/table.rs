//! The report as people read it: a table of figures, and below it what stands behind each.

use std::fmt::Write;

use crate::figures::{Spread, Target};
use crate::report::{Figure, Report, Row, Side};

/// The whole report as text.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    heading(&mut text, report);
    figures(&mut text, &report.rows);
    for row in &report.rows {
        details(&mut text, row);
    }
    text
}

fn heading(text: &mut String, report: &Report) {
    let machine = &report.machine;
    let _ = writeln!(
        text,
        "{} · {} cores, {} · Linux {} · stores on {} · {} · commit {}",
        machine.date,
        machine.cores,
        machine.model,
        machine.kernel,
        machine.file_system,
        machine.postkey,
        machine.commit
    );
    if report.quick {
        let _ = writeln!(text, "A smoke run of a few seconds a row: these figures are no evidence.");
    }
    if machine.autogroup {
        let what = "kernel.sched_autogroup_enabled = 1: writes may wait long while threads hash, see OPERATIONS.md";
        let _ = writeln!(text, "{what}");
    }
    if machine.file_system == "tmpfs" {
        let _ = writeln!(text, "The stores lie in memory: nothing is durable here, set TMPDIR to a disk.");
    }
    text.push('\n');
}

/// The table, its columns as wide as they must be.
fn figures(text: &mut String, rows: &[Row]) {
    let head = ["", "median", "least", "most", "target", ""].map(str::to_owned);
    let lines: Vec<_> = std::iter::once(head).chain(rows.iter().map(line)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    for (number, line) in lines.iter().enumerate() {
        let mut out = format!("{:<w$}", line[0], w = widths[0]);
        for column in 1..5 {
            let _ = write!(out, "  {:>w$}", line[column], w = widths[column]);
        }
        let _ = write!(out, "  {}", line[5]);
        let _ = writeln!(text, "{}", out.trim_end());
        if number == 0 {
            let _ = writeln!(text, "{}", "─".repeat(widths.iter().sum::<usize>() + 2 * 5));
        }
    }
}

fn line(row: &Row) -> [String; 6] {
    let Some(Figure { spread, unit, target, met }) = &row.figure else {
        return [row.title.clone(), "–".to_owned(), String::new(), String::new(), String::new(), "FAILED".to_owned()];
    };
    let verdict = match met {
        Some(true) => "met",
        Some(false) => "SHORT",
        None => "",
    };
    let with_unit = |value| format!("{} {unit}", number(value)).trim_end().to_owned();
    let target = target.map_or_else(String::new, |target| match target {
        Target::AtLeast(bound) => format!("≥ {}", with_unit(bound)),
        Target::AtMost(bound) => format!("≤ {}", with_unit(bound)),
    });
    [row.title.clone(), with_unit(spread.median), number(spread.least), number(spread.most), target, verdict.to_owned()]
}

/// A number in as many digits as say something.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => thousands(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number with its thousands apart.
fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if value < 0.0 { format!("-{out}") } else { out }
}

fn details(text: &mut String, row: &Row) {
    let _ = writeln!(text, "\n{} ({})", row.title, row.id);
    if let Some(failure) = &row.failure {
        let _ = writeln!(text, "  no figure: {failure}");
    }
    row.sides.iter().for_each(|part| side(text, part));
    if let (Some(Figure { met: Some(false), spread, target, .. }), [ours, raw, ..]) = (&row.figure, &row.sides[..]) {
        let target = match target {
            Some(Target::AtLeast(bound) | Target::AtMost(bound)) => number(*bound),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "  short: {} of {target}, with {} at {}/s and {} at {}/s",
            number(spread.median),
            ours.name,
            number(ours.per_second.median),
            raw.name,
            number(raw.per_second.median)
        );
    }
    row.notes.iter().for_each(|note| {
        let _ = writeln!(text, "  {note}");
    });
    let _ = writeln!(text, "  load average {}", number(row.load_average));
}

fn side(text: &mut String, side: &Side) {
    let ms = |micros: u64| number(crate::tally::approximate(micros) / 1e3);
    let Spread { median, least, most } = side.per_second;
    let _ = write!(text, "  {}: {}/s ({} to {})", side.name, number(median), number(least), number(most));
    if side.latencies_us.max > 0 {
        let _ = write!(text, ", p50 {} ms, p99 {} ms", ms(side.latencies_us.p50), ms(side.latencies_us.p99));
    }
    let cpu: Vec<_> = side.cpu_us.iter().map(|(name, micros)| format!("{name} {}", number(*micros))).collect();
    let _ = writeln!(text, "\n    CPU µs each: {}; others took {:.0} %", cpu.join(", "), side.others.median * 100.0);
    for (how, count) in &side.failures {
        let _ = writeln!(text, "    failed {count} times: {how}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::machine::Machine;
    use crate::tally::Latencies;

    #[test]
    fn numbers_have_the_digits_that_say_something() {
        for (value, text) in [
            (0.0, "0.00"),
            (0.712, "0.71"),
            (9.999, "10.00"),
            (31.26, "31.3"),
            (456.7, "457"),
            (1_234_567.2, "1,234,567"),
            (-50_000.0, "-50,000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    fn machine() -> Machine {
        Machine {
            cores: 2,
            model: "Some CPU".into(),
            kernel: "6.1".into(),
            file_system: "ext4".into(),
            autogroup: false,
            postkey: "postkey 0.1.0".into(),
            commit: "abc".into(),
            date: "2026-11-24T10:00:00Z".into(),
        }
    }

    fn side_of(name: &str, rate: f64) -> Side {
        Side {
            name: name.into(),
            per_second: Spread { median: rate, least: rate - 10.0, most: rate + 10.0 },
            latencies_us: Latencies { p50: 1_500, p99: 20_000, max: 30_000 },
            cpu_us: BTreeMap::from([("load".into(), 12.34), ("nats".into(), 90.0)]),
            others: Spread { median: 0.125, least: 0.0, most: 0.2 },
            failures: BTreeMap::from([("503 overloaded".into(), 3)]),
        }
    }

    #[test]
    fn the_table_lines_up_and_marks_what_falls_short() {
        let mut short =
            Row::new("edits", "EditUser ÷ publishes").figure(&[0.4, 0.5, 0.6], "", Some(Target::AtLeast(0.6)));
        short.sides = vec![side_of("postkey", 2_000.0), side_of("raw", 4_000.0)];
        short.load_average = 1.5;
        let met = Row::new("save", "Save").figure(&[4.0], "ms", Some(Target::AtMost(5.0)));
        let told = Row::new("told", "Told").figure(&[12_345.0], "entries/s", None);
        let failed = Row::failed("gone", "Gone", "no server");
        let report = Report { machine: machine(), quick: true, rows: vec![short, met, told, failed] };
        let text = text(&report);
        let table: Vec<_> = text.lines().skip(3).take(6).collect();
        assert_eq!(
            table,
            [
                "                                median   least    most     target",
                "─────────────────────────────────────────────────────────────────────────",
                "EditUser ÷ publishes              0.50    0.40    0.60     ≥ 0.60  SHORT",
                "Save                           4.00 ms    4.00    4.00  ≤ 5.00 ms  met",
                "Told                  12,345 entries/s  12,345  12,345",
                "Gone                                 –                             FAILED",
            ],
            "{text}"
        );
        for line in [
            "  short: 0.50 of 0.60, with postkey at 2,000/s and raw at 4,000/s",
            "  postkey: 2,000/s (1,990 to 2,010), p50 1.50 ms, p99 20.0 ms",
            "    CPU µs each: load 12.3, nats 90.0; others took 12 %",
            "    failed 3 times: 503 overloaded",
            "  no figure: no server",
            "  load average 1.50",
            "A smoke run of a few seconds a row: these figures are no evidence.",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
