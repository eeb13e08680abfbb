//! Numbers, sizes and times as people write them, and what they type read back.

use chrono::{DateTime, NaiveDate, Timelike, Utc};

use crate::texts::Language;

/// A mebibyte: quotas are whole ones.
const MIB: u64 = 1 << 20;
/// A gibibyte.
const GIB: u64 = 1 << 30;

/// The units that a quota is typed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 1,048,576 bytes.
    Mebibytes,
    /// 1,073,741,824 bytes.
    Gibibytes,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 2] = [Self::Mebibytes, Self::Gibibytes];

    /// Its name (IEC 80000-13).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mebibytes => "MiB",
            Self::Gibibytes => "GiB",
        }
    }

    /// The unit of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    const fn bytes(self) -> u64 {
        match self {
            Self::Mebibytes => MIB,
            Self::Gibibytes => GIB,
        }
    }
}

/// A quota as the two fields of a form show it: in the larger unit where that loses nothing.
pub fn quota_fields(bytes: u64) -> (String, Unit) {
    let unit = if bytes >= GIB && bytes.is_multiple_of(GIB) { Unit::Gibibytes } else { Unit::Mebibytes };
    ((bytes / unit.bytes()).to_string(), unit)
}

/// What was typed as a quota, in bytes: digits, of GiB with one or two decimals after a point or a comma, that come to whole MiB,
/// at least one. `None` where it is nothing of that kind. Three digits after a point or a comma may be thousands as well as
/// decimals, so they are nothing.
pub fn quota_bytes(typed: &str, unit: Unit) -> Option<u64> {
    let typed = typed.trim();
    let (whole, decimals) = typed.split_once(['.', ',']).unwrap_or((typed, ""));
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    let most = if unit == Unit::Gibibytes { 2 } else { 0 };
    if whole.is_empty() || !digits(whole) || !digits(decimals) || decimals.len() > most || typed.ends_with(['.', ',']) {
        return None;
    }
    let hundredths =
        whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(format!("{decimals:0<2}").parse().ok()?)?;
    let hundredths_of_mib = hundredths.checked_mul(unit.bytes() / MIB)?;
    let mib = hundredths_of_mib.is_multiple_of(100).then_some(hundredths_of_mib / 100)?;
    (mib > 0).then_some(mib)?.checked_mul(MIB)
}

/// A size for people: whole MiB below a GiB, else GiB with at most two decimals, rounded down, so that nothing looks as if more
/// were left than is.
pub fn size(bytes: u64, language: Language) -> String {
    if bytes < GIB {
        return format!("{} MiB", bytes / MIB);
    }
    let hundredths = u128::from(bytes) * 100 / u128::from(GIB);
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    let point = match language {
        Language::English => '.',
        Language::Turkish => ',',
    };
    match rest {
        0 => format!("{whole} GiB"),
        rest if rest % 10 == 0 => format!("{whole}{point}{} GiB", rest / 10),
        rest => format!("{whole}{point}{rest:02} GiB"),
    }
}

/// The same where it is a limit, which can be typed as it stands: in MiB where GiB would be rounded.
pub fn limit(bytes: u64, language: Language) -> String {
    if (u128::from(bytes) * 100).is_multiple_of(u128::from(GIB)) {
        size(bytes, language)
    } else {
        format!("{} MiB", bytes / MIB)
    }
}

/// A text of people's within a sentence of ours: kept apart where it, or a sign in it, is written from right to left
/// (Unicode Standard Annex 9, isolates).
pub fn isolated(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{590}'..='\u{8ff}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    if text.chars().any(turns) { format!("\u{2068}{text}\u{2069}") } else { text.to_owned() }
}

/// For how long, as people say it: the largest unit that there is at least one of.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3_600.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3_600.0),
    }
}

/// An instant on a page: in UTC, and for the script that turns it into the reader's own time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    /// RFC 3339, for `datetime`.
    pub exact: String,
    /// In words.
    pub shown: String,
}

const MONTHS: [[&str; 12]; 2] = [
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    ["Oca", "Şub", "Mar", "Nis", "May", "Haz", "Tem", "Ağu", "Eyl", "Eki", "Kas", "Ara"],
];

impl Instant {
    /// Its day: "1 Dec 2026".
    pub fn day(at: DateTime<Utc>, language: Language) -> Self {
        Self { exact: exact(at), shown: day(at.date_naive(), language) }
    }

    /// Day and time: "1 Dec 2026, 12:03 UTC".
    pub fn minute(at: DateTime<Utc>, language: Language) -> Self {
        let shown = format!("{}, {:02}:{:02} UTC", day(at.date_naive(), language), at.hour(), at.minute());
        Self { exact: exact(at), shown }
    }

    /// The time of the day: "12:03:04 UTC".
    pub fn second(at: DateTime<Utc>) -> Self {
        Self { exact: exact(at), shown: format!("{:02}:{:02}:{:02} UTC", at.hour(), at.minute(), at.second()) }
    }
}

fn exact(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn day(date: NaiveDate, language: Language) -> String {
    use chrono::Datelike;
    let months = match language {
        Language::English => &MONTHS[0],
        Language::Turkish => &MONTHS[1],
    };
    let month = months.get(date.month0() as usize).copied().unwrap_or_default();
    format!("{} {month} {}", date.day(), date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_as_it_is_typed_and_only_in_whole_mebibytes() {
        for (typed, unit, bytes) in [
            ("1", Unit::Mebibytes, Some(MIB)),
            (" 2 ", Unit::Gibibytes, Some(2 * GIB)),
            ("1.5", Unit::Gibibytes, Some(1_536 * MIB)),
            ("1,5", Unit::Gibibytes, Some(1_536 * MIB)),
            ("0.25", Unit::Gibibytes, Some(256 * MIB)),
            ("0.125", Unit::Gibibytes, None),
            ("1,000", Unit::Mebibytes, None),
            ("1.000", Unit::Gibibytes, None),
            ("1.0", Unit::Mebibytes, None),
            ("1.5", Unit::Mebibytes, None),
            ("0.01", Unit::Gibibytes, None),
            ("0", Unit::Gibibytes, None),
            ("", Unit::Gibibytes, None),
            ("1.", Unit::Gibibytes, None),
            (".5", Unit::Gibibytes, None),
            ("-1", Unit::Gibibytes, None),
            ("1e3", Unit::Mebibytes, None),
            ("1.2345", Unit::Gibibytes, None),
            ("99999999999999999999", Unit::Mebibytes, None),
            ("9999999999999999", Unit::Gibibytes, None),
        ] {
            assert_eq!(quota_bytes(typed, unit), bytes, "{typed:?}");
        }
    }

    #[test]
    fn what_a_form_shows_of_a_quota_is_read_as_the_same() {
        for bytes in [MIB, 1_023 * MIB, GIB, 1_536 * MIB, 25 * GIB] {
            let (typed, unit) = quota_fields(bytes);
            assert_eq!(quota_bytes(&typed, unit), Some(bytes));
        }
    }

    #[test]
    fn sizes_are_short_and_never_more_than_they_are() {
        assert_eq!(size(0, Language::English), "0 MiB");
        assert_eq!(size(512 * MIB, Language::English), "512 MiB");
        assert_eq!(size(GIB, Language::English), "1 GiB");
        assert_eq!(size(1_536 * MIB, Language::English), "1.5 GiB");
        assert_eq!(size(1_537 * MIB, Language::Turkish), "1,5 GiB");
        assert_eq!(size(1_100 * MIB, Language::English), "1.07 GiB");
        assert_eq!(size(u64::MAX, Language::English), "17179869183.99 GiB");
    }

    #[test]
    fn a_limit_can_be_typed_as_it_is_told() {
        for bytes in [MIB, 1_023 * MIB, GIB, 1_100 * MIB, 1_536 * MIB] {
            let told = limit(bytes, Language::English);
            let (amount, unit) = told.split_once(' ').unwrap();
            assert_eq!(quota_bytes(amount, Unit::of_name(unit).unwrap()), Some(bytes), "{told}");
        }
    }

    #[test]
    fn a_name_turns_nothing_around_it() {
        assert_eq!(isolated("Zoë"), "Zoë");
        assert_eq!(isolated("\u{202e}evil"), "\u{2068}\u{202e}evil\u{2069}");
        assert_eq!(duration(1.2), "1 s");
        assert_eq!(duration(150.0), "2 min");
        assert_eq!(duration(259_200.0), "72 h");
    }

    #[test]
    fn instants_are_told_in_the_language() {
        let at = DateTime::from_timestamp(1_796_126_584, 900_000_000).unwrap();
        assert_eq!(Instant::second(at).shown, "12:03:04 UTC");
        assert_eq!(Instant::minute(at, Language::Turkish).shown, "1 Ara 2026, 12:03 UTC");
        assert_eq!(
            Instant::day(at, Language::English),
            Instant { exact: "2026-12-01T12:03:04Z".into(), shown: "1 Dec 2026".into() }
        );
    }
}
