// SPDX-License-Identifier: GPL-2.0-only
//! Drift that is known and accepted: `headers/accepted.toml`.
//!
//! An entry contains a finding's name, the kind of its change, the kernels, a reason, and the day
//! on which it expires. The list is kept by hand and must be correct: an entry that matches nothing
//! is an error, and so is an expired one.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use linux_driver_host::{Error, Result};
use serde::Deserialize;
use toml::Spanned;

use crate::report::{Change, Comparison, ComparisonKind, DriftReport, Verdict};

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// The year.
    pub year: i32,
    /// The month, from 1.
    pub month: u32,
    /// The day of the month, from 1.
    pub day: u32,
}

impl Date {
    /// Returns today's date, in UTC.
    pub fn today() -> Self {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        Self::from_days(seconds / 86400)
    }

    /// Returns the date that is `days` days after the first of January 1970.
    fn from_days(days: u64) -> Self {
        let (mut year, mut left) = (1970, days);
        loop {
            let length = if is_leap(year) { 366 } else { 365 };
            if left < length || year == i32::MAX {
                break;
            }
            left -= length;
            year += 1;
        }
        let mut month = 1;
        while month < 12 && left >= u64::from(length_of(year, month)) {
            left -= u64::from(length_of(year, month));
            month += 1;
        }
        Self {
            year,
            month,
            day: u32::try_from(left).unwrap_or(0) + 1,
        }
    }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length_of(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

impl FromStr for Date {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else {
            return Err(());
        };
        if (year.len(), month.len(), day.len()) != (4, 2, 2)
            || text
                .bytes()
                .any(|byte| byte != b'-' && !byte.is_ascii_digit())
        {
            return Err(());
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| ());
        let (year, month, day) = (
            i32::try_from(number(year)?).map_err(|_| ())?,
            number(month)?,
            number(day)?,
        );
        let valid = (1..=12).contains(&month) && day >= 1 && day <= length_of(year, month);
        valid.then_some(Self { year, month, day }).ok_or(())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The list of accepted drift.
#[derive(Debug, Clone)]
pub struct Accepted {
    location: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    line: usize,
    what: String,
    change: &'static str,
    verdict: Verdict,
    from: Vec<u64>,
    to: Vec<u64>,
    reason: String,
    expires: Date,
}

/// The structure of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accepted: Vec<Spanned<Row>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: Spanned<String>,
    change: Spanned<String>,
    verdict: Spanned<Verdict>,
    from: Spanned<String>,
    to: Spanned<String>,
    reason: Spanned<String>,
    expires: Spanned<String>,
}

/// The kinds of changes, by their names in the file and in the report.
const CHANGES: &[&str] = &[
    "added",
    "removed",
    "size",
    "moved",
    "retyped",
    "arity",
    "renamed",
    "linkage",
    "value",
    "disagreement",
    "no-evidence",
];

fn change_word(change: &Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Size { .. } => "size",
        Change::Moved { .. } => "moved",
        Change::Retyped { .. } => "retyped",
        Change::Arity { .. } => "arity",
        Change::Renamed { .. } => "renamed",
        Change::Linkage { .. } => "linkage",
        Change::Value { .. } => "value",
        Change::Disagreement { .. } => "disagreement",
        Change::NoEvidence => "no-evidence",
    }
}

impl Accepted {
    /// Parses the list. `location` names the file in error messages.
    pub fn parse(text: &str, location: &str) -> Result<Self> {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let file: File = toml::from_str(text).map_err(|error| {
            let location = match error.span() {
                Some(span) => format!("{location}:{}", line(span.start)),
                None => location.to_owned(),
            };
            Error::new(
                location,
                "a list of accepted drift",
                error.message(),
                "correct the line; the comment at the start of the file describes an entry",
            )
        })?;
        let mut entries = Vec::new();
        for row in file.accepted {
            let first = line(row.span().start);
            let row = row.into_inner();
            let wrong = |value: &Spanned<String>, expected: &str| {
                let location = format!("{location}:{}", line(value.span().start));
                Error::new(
                    location,
                    expected,
                    format_args!("{:?}", value.get_ref()),
                    "correct the line",
                )
            };
            let version = |value: &Spanned<String>| {
                version(value.get_ref()).ok_or_else(|| {
                    wrong(value, "a release or a series, such as 6.12.117 or 6.1.0-49")
                })
            };
            let (from, to) = (version(&row.from)?, version(&row.to)?);
            if !reaches(&from, &to) {
                return Err(wrong(&row.to, "a release that is not before `from`"));
            }
            for text in [&row.what, &row.reason] {
                if text.get_ref().trim().is_empty() {
                    return Err(wrong(text, "a non-empty text"));
                }
            }
            let change = CHANGES
                .iter()
                .find(|change| *change == row.change.get_ref());
            let change = change
                .ok_or_else(|| wrong(&row.change, &format!("one of {}", CHANGES.join(", "))))?;
            let expires = row.expires.get_ref().parse();
            let expires = expires.map_err(|()| wrong(&row.expires, "a day, such as 2027-06-30"))?;
            entries.push(Entry {
                line: first,
                what: row.what.into_inner(),
                change,
                verdict: row.verdict.into_inner(),
                from,
                to,
                reason: row.reason.into_inner(),
                expires,
            });
        }
        Ok(Self {
            location: location.to_owned(),
            entries,
        })
    }

    /// Marks the findings that are accepted. `release` returns the release of a comparison's
    /// kernel.
    ///
    /// # Errors
    ///
    /// - An entry has expired.
    /// - An entry matches nothing, although a kernel of its range was compared with another kernel
    ///   (with the bindings, for a disagreement). If `complete`, all kernels were compared, and
    ///   every entry has to match.
    pub fn apply(
        &self,
        report: &mut DriftReport,
        today: Date,
        release: &dyn Fn(&Comparison) -> String,
        complete: bool,
    ) -> Result<()> {
        let mut wrong = Vec::new();
        let mut matched = vec![false; self.entries.len()];
        let mut reached = vec![complete; self.entries.len()];
        for check in &mut report.checks {
            let version = version(&release(check)).unwrap_or_default();
            for (number, entry) in self.entries.iter().enumerate() {
                if version.is_empty() || version < entry.from || !reaches(&version, &entry.to) {
                    continue;
                }
                // The entry's change tells which kind of comparison it is about. It may also accept
                // findings of the others, but need not match there.
                let is_about = match entry.change {
                    "disagreement" => check.kind == ComparisonKind::Bindings,
                    "no-evidence" => true,
                    _ => check.kind == ComparisonKind::Kernels,
                };
                if !is_about {
                    continue;
                }
                reached[number] |= entry.change != "no-evidence";
                for finding in &mut check.findings {
                    if finding.name == entry.what && change_word(&finding.change) == entry.change {
                        matched[number] = true;
                        // A finding with a more severe verdict than the entry's is not accepted.
                        if today < entry.expires && finding.verdict <= entry.verdict {
                            finding.accepted = Some(entry.reason.clone());
                        }
                    }
                }
            }
        }
        for (number, entry) in self.entries.iter().enumerate() {
            let Entry {
                line,
                what,
                change,
                expires,
                ..
            } = entry;
            if today >= *expires {
                wrong.push(format!(
                    "line {line}: {what} ({change}) expired on {expires}"
                ));
            } else if reached[number] && !matched[number] {
                wrong.push(format!(
                    "line {line}: {what} ({change}) matches nothing that was found"
                ));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let expected = "entries that have not expired, and that each match a finding";
        let remedy = "review the drift: remove the entry, or give it a later day to expire on";
        Err(Error::new(
            &self.location,
            expected,
            wrong.join("\n"),
            remedy,
        ))
    }
}

/// Returns the numbers of a release: `6.1.0-49-amd64` is 6, 1, 0, 49; `6.12.117+deb12-amd64` is 6,
/// 12, 117.
fn version(release: &str) -> Option<Vec<u64>> {
    let end = release
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(release.len());
    let (numbers, rest) = release.split_at(end);
    let mut version = Vec::new();
    for number in numbers.split('.') {
        version.push(number.parse().ok()?);
    }
    // The number of a distribution's build; not "-rt" or "-amd64".
    let build = rest
        .strip_prefix('-')
        .and_then(|rest| rest.split(['-', '+']).next());
    version.extend(build.and_then(|build| build.parse::<u64>().ok()));
    Some(version)
}

/// Returns whether a range that ends with `to` contains the version. A series contains all of its
/// releases.
fn reaches(version: &[u64], to: &[u64]) -> bool {
    version.iter().take(to.len()).le(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_in_the_calendar() {
        let day = |days| Date::from_days(days).to_string();
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(59), "1970-03-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(11_017), "2000-03-01");
        assert_eq!(day(20_453), "2025-12-31");
        assert_eq!(day(20_454), "2026-01-01");
        for wrong in [
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "26-01-01",
            "2026-01-00",
            "+026-01-01",
            "",
        ] {
            assert!(wrong.parse::<Date>().is_err(), "{wrong}");
        }
        assert!(Date::today() > "2024-01-01".parse().unwrap());
    }

    #[test]
    fn a_release_has_numbers() {
        assert_eq!(version("6.1.0-49-amd64"), Some(vec![6, 1, 0, 49]));
        assert_eq!(version("6.12.117+deb12-rt-amd64"), Some(vec![6, 12, 117]));
        assert_eq!(version("7.3-cloud-amd64"), Some(vec![7, 3]));
        assert_eq!(version("debian-6.1"), None);
        assert_eq!(version("6..1"), None);
        assert!(reaches(&[6, 1, 0, 49], &[6, 1]) && !reaches(&[6, 2], &[6, 1]));
    }
}
