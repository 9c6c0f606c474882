// SPDX-License-Identifier: GPL-2.0-only
//! Rows of columns in a text file, which all files of a history share.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use linux_driver_host::{Error, Result, fs};

/// The version of the format. It increases when the meaning of a row changes.
const FORMAT: &str = "1";

/// The file of the kernels. A folder that contains it is a history.
pub(super) const KERNELS: &str = "kernels.tsv";

/// The largest size of a file. No history comes near it.
const LONGEST: u64 = 64 << 20;

const REMEDY: &str = "restore the folder from version control, or create the history again with \
                      `cargo xtask history add`";

/// A line, split into columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'t> {
    path: &'t Path,
    line: usize,
    text: &'t str,
}

/// Reads a file of a permitted size.
pub(super) fn read(path: &Path) -> Result<String> {
    let length = fs::metadata(path)?.len();
    if length > LONGEST {
        return Err(Error::new(
            path.display(),
            format_args!("a file of at most {LONGEST} bytes"),
            format_args!("{length} bytes"),
            REMEDY,
        ));
    }
    String::from_utf8(fs::read(path)?)
        .map_err(|e| Error::new(path.display(), "text in UTF-8", e, REMEDY))
}

/// Returns the rows after the first one, which names the kind of file.
pub(super) fn rows<'t>(
    path: &'t Path,
    text: &'t str,
    kind: &str,
) -> Result<impl Iterator<Item = Row<'t>>> {
    let mut rows = (1..)
        .zip(text.lines())
        .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
        .map(move |(line, text)| Row { path, line, text });
    let expected = format!("history\t{FORMAT}\t{kind}");
    match rows.next() {
        Some(row) if row.text == expected => Ok(rows),
        Some(row) => Err(row.wrong(format_args!("`{expected}`"))),
        None => Err(Error::new(
            path.display(),
            format_args!("`{expected}`"),
            "no row",
            REMEDY,
        )),
    }
}

/// Returns the text of a file with these rows.
pub(super) fn file(kind: &str, body: &str) -> String {
    format!(
        "# SPDX-License-Identifier: GPL-2.0-only\n# Written by `cargo xtask history add`; the \
         format is in the docs of abi/drift/src/history.rs.\n\
         history\t{FORMAT}\t{kind}\n{body}"
    )
}

/// Replaces the file, so that at any time either the old or the new file exists and is complete. An
/// unchanged file is not touched.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    fs::replace(path, text)
}

impl<'t> Row<'t> {
    /// Returns the columns.
    pub(super) fn columns(self) -> impl Iterator<Item = &'t str> {
        self.text.split('\t')
    }

    /// Returns the first column.
    pub(super) fn word(self) -> &'t str {
        self.columns().next().unwrap_or_default()
    }

    /// Returns the columns after the first, exactly `N` of them.
    pub(super) fn rest<const N: usize>(self, form: &str) -> Result<[&'t str; N]> {
        let mut columns = self.columns().skip(1);
        let mut all = [""; N];
        for column in &mut all {
            *column = columns.next().ok_or_else(|| self.wrong(form))?;
        }
        match columns.next() {
            None => Ok(all),
            Some(_) => Err(self.wrong(form)),
        }
    }

    /// Parses a column as a number.
    pub(super) fn number<T: FromStr>(self, column: &str, what: &str) -> Result<T> {
        // `parse` would accept a plus sign.
        let parsed = column.parse().ok().filter(|_| !column.starts_with('+'));
        parsed.ok_or_else(|| self.wrong(format_args!("a number for {what}, not `{column}`")))
    }

    /// Checks that a column is the next number.
    pub(super) fn count(self, column: &str, next: usize) -> Result<()> {
        // A number has one form only: without a sign and without leading zeros.
        let plain = column == "0" || !column.starts_with(['0', '+']);
        if plain && column.parse() == Ok(next) {
            return Ok(());
        }
        Err(self.wrong(format_args!(
            "the number {next}, as rows of a block count up, not `{column}`"
        )))
    }

    /// Checks that a column is not empty.
    pub(super) fn filled(self, column: &'t str, what: &str) -> Result<&'t str> {
        if column.is_empty() {
            return Err(self.wrong(format_args!("{what}, not an empty column")));
        }
        Ok(column)
    }

    /// Creates the error for this row.
    pub(super) fn wrong(self, expected: impl Display) -> Error {
        let found: String = self.text.chars().take(160).collect();
        Error::new(
            format_args!("{}:{}", self.path.display(), self.line),
            expected,
            format_args!("`{found}`"),
            REMEDY,
        )
    }
}

/// Returns whether a column can contain the text.
pub(super) fn fits(text: &str) -> bool {
    !text.contains(['\t', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form_only() {
        let row = Row {
            path: Path::new("types.tsv"),
            line: 7,
            text: "l\t0",
        };
        for (column, next) in [("0", 0), ("7", 7), ("10", 10)] {
            assert!(row.count(column, next).is_ok(), "{column}");
        }
        for (column, next) in [
            ("00", 0),
            ("+0", 0),
            ("07", 7),
            ("+7", 7),
            ("-0", 0),
            (" 7", 7),
            ("", 0),
            ("8", 7),
        ] {
            assert!(row.count(column, next).is_err(), "{column}");
        }
    }
}
