// SPDX-License-Identifier: GPL-2.0-only
//! One shape of error: the place, what was expected there, what was found, and the remedy.

use std::fmt::{self, Display, Write as _};
use std::io;
use std::path::Path;

/// A result whose error a user can act on.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose move it is after an error. It decides the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The driver or the kernel failed: exit code 1.
    Driver,
    /// It could not be tried (a missing tool, a wrong argument, no network): exit code 2.
    Setup,
    /// The user or the system ended us with a signal.
    Interrupted,
}

/// An error that names its place, the expectation, the finding and the remedy.
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
    /// An error in the setup: something that has to be mended before the work can be tried.
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

    /// The same error, as one of the driver's (or the kernel's) own.
    #[must_use]
    pub fn of_driver(mut self) -> Self {
        self.0.blame = Blame::Driver;
        self
    }

    /// A file or folder that could not be read, written, made or removed. `doing` is the verb:
    /// "read", "write", …
    pub fn io(location: &Path, doing: &str, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space there, or set LINUX_DRIVER_CACHE to a folder on a larger disk; nothing half-written was left"
            }
            io::ErrorKind::PermissionDenied if doing == "read" => {
                "make it readable for you, or run the command as a user who may read it"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "make it accessible to you, or set LINUX_DRIVER_CACHE to a folder that is yours"
            }
            io::ErrorKind::NotFound => "check the path",
            _ => "see the system's message",
        };
        Self::new(
            location.display(),
            format_args!("to {doing} it"),
            error,
            remedy,
        )
    }

    /// The work was ended by a signal.
    pub fn interrupted() -> Self {
        let mut error = Self::new(
            "linux-driver",
            "to finish",
            "a signal that asked it to end",
            "run the command again; nothing half-written was left",
        );
        error.0.blame = Blame::Interrupted;
        error
    }

    /// Whose move it is.
    pub fn blame(&self) -> Blame {
        self.0.blame
    }

    /// Where it happened: a file, a command, a setting.
    pub fn location(&self) -> &str {
        &self.0.location
    }

    /// What was found there.
    pub fn found(&self) -> &str {
        &self.0.found
    }

    /// What to do about it.
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

/// A text whose further lines stand under its first one.
struct Indented<'a>(&'a str);

impl Display for Indented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.0.trim_end().lines().enumerate() {
            if number > 0 {
                f.write_str("\n            ")?;
            }
            // What a file holds must not steer the terminal.
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
            "Cargo.toml\n  expected: a package\n  found:    nothing\n            at all\n  remedy:   add one"
        );
        assert_eq!(error.blame(), Blame::Setup);
        assert_eq!(error.of_driver().blame(), Blame::Driver);
    }

    #[test]
    fn what_a_file_holds_does_not_steer_the_terminal() {
        let error = Error::new("a\u{1b}b", "c", "\u{1b}[31mred\u{7}", "d\u{9b}").to_string();
        assert_eq!(
            error,
            "a\\u{1b}b\n  expected: c\n  found:    \\u{1b}[31mred\\u{7}\n  remedy:   d\\u{9b}"
        );
    }

    #[test]
    fn a_full_disk_names_the_way_out() {
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let error = Error::io(Path::new("/cache/x"), "write", &full);
        assert!(error.remedy().contains("LINUX_DRIVER_CACHE"), "{error}");
    }

    #[test]
    fn a_file_that_may_not_be_read_is_no_matter_of_the_cache() {
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
