// SPDX-License-Identifier: GPL-2.0-only
//! The violations of the checks, and the number of things that each check looked at.

use std::fmt::{self, Display};
use std::path::PathBuf;

use serde::Serialize;

/// How many more places are printed for the same error. The list of violations contains all.
const SHOWN: usize = 4;

/// A place in a module that breaks the rule of a check. The kernel would refuse the module, warn
/// about it or be harmed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The check that found it.
    pub check: &'static str,
    /// The position: a symbol or function with an offset, or a section.
    pub place: String,
    /// The value that the kernel expects there.
    pub expected: String,
    /// The value that was found.
    pub found: String,
    /// The remedy.
    pub remedy: String,
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            check,
            place,
            expected,
            found,
            remedy,
        } = self;
        write!(
            f,
            "{check}: {place}\n  expected: {expected}\n  found:    {found}\n  remedy:   {remedy}"
        )
    }
}

/// A check that ran, and the number of things that it looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// The name of the check.
    pub check: &'static str,
    /// The word for the things that it looks at: "relocations".
    pub of: &'static str,
    /// The number of things that it looked at.
    pub looked_at: usize,
    /// The reason why it looked at nothing, if so. Such a check proves nothing.
    pub idle: Option<String>,
}

/// The outcome of all checks of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file.
    pub file: PathBuf,
    /// The checks, in the order in which they ran.
    pub checks: Vec<Ran>,
    /// The violations; empty for a good module.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Returns whether no check found an error. [`Report::idle`] names the checks that had nothing
    /// to look at.
    pub fn passed(&self) -> bool {
        self.violations.is_empty()
    }

    /// Returns the checks that looked at nothing.
    pub fn idle(&self) -> impl Iterator<Item = &Ran> {
        self.checks.iter().filter(|ran| ran.looked_at == 0)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.file.display())?;
        for ran in &self.checks {
            let found = self
                .violations
                .iter()
                .filter(|violation| violation.check == ran.check)
                .count();
            let seen = format!("{}: {}", ran.of, ran.looked_at);
            let verdict = match (&ran.idle, found) {
                (Some(why), 0) => format!("did not apply: {why}"),
                (None, 0) => format!("good ({seen})"),
                (_, n) => format!("{n} found ({seen})"),
            };
            writeln!(f, "  {:<13} {verdict}", ran.check)?;
        }
        // An error in one function is mostly an error in all. Violations with the same remedy are
        // printed together.
        for alike in self
            .violations
            .chunk_by(|a, b| a.check == b.check && a.expected == b.expected && a.remedy == b.remedy)
        {
            writeln!(f, "{}", alike[0])?;
            for violation in alike.iter().skip(1).take(SHOWN) {
                writeln!(f, "  also:     {}: {}", violation.place, violation.found)?;
            }
            if alike.len() > SHOWN + 1 {
                writeln!(f, "  also:     {} more", alike.len() - SHOWN - 1)?;
            }
        }
        Ok(())
    }
}

/// The number of things that a check looked at, or the reason why there were none.
pub(super) enum Seen {
    /// The check looked at this number of things.
    Things(usize),
    /// For this reason, this kernel or module has nothing to look at.
    Idle(String),
}

impl Seen {
    /// Returns the number of things, or the reason if there are none.
    pub(super) fn some(count: usize, why_none: &str) -> Self {
        if count > 0 {
            Self::Things(count)
        } else {
            Self::Idle(why_none.to_owned())
        }
    }

    /// Returns the reason that none of these options is set.
    pub(super) fn not_configured(options: &[&str]) -> Self {
        Self::Idle(format!(
            "the kernel is configured without {}",
            options.join(" and ")
        ))
    }
}

/// The list that one check adds its violations to.
pub(super) struct Violations<'a> {
    check: &'static str,
    list: &'a mut Vec<Violation>,
}

impl<'a> Violations<'a> {
    pub(super) fn of(check: &'static str, list: &'a mut Vec<Violation>) -> Self {
        Self { check, list }
    }

    pub(super) fn add(
        &mut self,
        place: impl Display,
        expected: impl Display,
        found: impl Display,
        remedy: impl Display,
    ) {
        self.list.push(Violation {
            check: self.check,
            place: place.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
            remedy: remedy.to_string(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_with_one_remedy_are_shown_together() {
        let mut violations = Vec::new();
        let mut list = Violations::of("returns", &mut violations);
        for number in 0..7 {
            list.add(
                format_args!("f{number}"),
                "a thunk",
                "a plain one",
                "a flag",
            );
        }
        list.add("f7", "a list", "none", "objtool");
        let checks = vec![
            Ran {
                check: "returns",
                of: "returns",
                looked_at: 8,
                idle: None,
            },
            Ran {
                check: "orc",
                of: "functions",
                looked_at: 2,
                idle: None,
            },
        ];
        let text = Report {
            file: "m.ko".into(),
            checks,
            violations,
        }
        .to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "m.ko",
                "  returns       8 found (returns: 8)",
                "  orc           good (functions: 2)",
                "returns: f0"
            ]
        );
        assert_eq!(
            lines[7..13],
            [
                "  also:     f1: a plain one",
                "  also:     f2: a plain one",
                "  also:     f3: a plain one",
                "  also:     f4: a plain one",
                "  also:     2 more",
                "returns: f7"
            ]
        );
    }
}
