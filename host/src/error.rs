// SPDX-License-Identifier: GPL-2.0-only
//! The one form of error that users see: where, what was expected, what was found, and the remedy.

use std::fmt::{self, Display, Write as _};
use std::io;
use std::path::Path;

/// A result whose error tells the user what to do.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The side that has to act after an error. It decides the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The driver or the kernel failed. The exit code is 1.
    Driver,
    /// It could not be tried: a missing tool, a wrong argument, no network. The exit code is 2.
    Setup,
    /// The user or the system ended the command with a signal.
    Interrupted,
}

/// An error that says where it happened, what was expected, what was found, and the remedy.
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    blame: Blame,
    location: String,
    expected: String,
    found: String,
    remedy: String,
}

impl Error {
    /// Creates an error of the setup: the user has to fix something before the work can be tried.
    pub fn new(
        location: impl Display,
        expected: impl Display,
        found: impl Display,
        remedy: impl Display,
    ) -> Self {
        Self(Box::new(Parts {
            blame: Blame::Setup,
            location: location.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
            remedy: remedy.to_string(),
        }))
    }

    /// Blames the driver or the kernel for this error.
    #[must_use]
    pub fn of_driver(mut self) -> Self {
        self.0.blame = Blame::Driver;
        self
    }

    /// Creates the error for a file or folder that could not be read, written, made or removed.
    /// `doing` is the verb: "read", "write", …
    pub fn io(location: &Path, doing: &str, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space there, or set LINUX_DRIVER_CACHE to a folder on a larger disk; \
                 no incomplete file is left"
            }
            io::ErrorKind::PermissionDenied if doing == "read" => {
                "make it readable for you, or run the command as a user who may read it"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "make it accessible to you, or set LINUX_DRIVER_CACHE to a folder that is yours"
            }
            io::ErrorKind::NotFound => "check the path",
            _ => "see what the system reports above",
        };
        Self::new(
            location.display(),
            format_args!("to {doing} it"),
            error,
            remedy,
        )
    }

    /// Creates the error for work that a signal ended.
    pub fn interrupted() -> Self {
        let mut error = Self::new(
            "linux-driver",
            "to finish",
            "a signal that asked it to end",
            "run the command again; no incomplete file is left",
        );
        error.0.blame = Blame::Interrupted;
        error
    }

    /// Returns the side that has to act.
    pub fn blame(&self) -> Blame {
        self.0.blame
    }

    /// Returns where the error happened: a file, a command, a setting.
    pub fn location(&self) -> &str {
        &self.0.location
    }

    /// Returns what was found there.
    pub fn found(&self) -> &str {
        &self.0.found
    }

    /// Returns the remedy.
    pub fn remedy(&self) -> &str {
        &self.0.remedy
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            location,
            expected,
            found,
            remedy,
            ..
        } = &*self.0;
        write!(
            f,
            "{}\n  expected: {}\n  found:    {}\n  remedy:   {}",
            Indented(location),
            Indented(expected),
            Indented(found),
            Indented(remedy)
        )
    }
}

impl std::error::Error for Error {}

/// A text whose further lines are indented to the column of the first one.
struct Indented<'a>(&'a str);

impl Display for Indented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.0.trim_end().lines().enumerate() {
            if number > 0 {
                f.write_str("\n            ")?;
            }
            // Control characters in a file must not reach the terminal.
            for c in line.chars() {
                match c {
                    '\t' => f.write_char(c)?,
                    c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                    c => f.write_char(c)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_all_its_four_parts() {
        let error = Error::new("Cargo.toml", "a package", "nothing\nat all", "add one");
        assert_eq!(
            error.to_string(),
            "Cargo.toml\n  expected: a package\n  found:    nothing\n            at all\n  \
             remedy:   add one"
        );
        assert_eq!(error.blame(), Blame::Setup);
        assert_eq!(error.of_driver().blame(), Blame::Driver);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let error = Error::new("a\u{1b}b", "c", "\u{1b}[31mred\u{7}", "d\u{9b}").to_string();
        assert_eq!(
            error,
            "a\\u{1b}b\n  expected: c\n  found:    \\u{1b}[31mred\\u{7}\n  remedy:   d\\u{9b}"
        );
    }

    #[test]
    fn a_full_disk_names_the_remedy() {
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let error = Error::io(Path::new("/cache/x"), "write", &full);
        assert!(error.remedy().contains("LINUX_DRIVER_CACHE"), "{error}");
    }

    #[test]
    fn an_unreadable_file_does_not_suggest_another_cache() {
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        let of = |doing: &str| Error::io(Path::new("/boot/vmlinuz"), doing, &denied).to_string();
        assert!(
            of("read").contains("readable") && !of("read").contains("LINUX_DRIVER_CACHE"),
            "{}",
            of("read")
        );
        assert!(
            of("write").contains("LINUX_DRIVER_CACHE"),
            "{}",
            of("write")
        );
    }
}
