// SPDX-License-Identifier: GPL-2.0-only
//! The result of a command.

use std::fmt::Display;
use std::io;

/// The text that a command prints, or the reason for its failure.
pub(crate) type Result<T = String> = std::result::Result<T, Failure>;

/// The reason why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The error number, if the kernel returned one.
    pub(crate) errno: Option<i32>,
    /// The message.
    pub(crate) text: String,
}

impl Failure {
    /// The exit code of a failure without an error number.
    pub(crate) const OTHER: u8 = 255;

    pub(crate) fn new(text: impl Display) -> Self {
        Self {
            errno: None,
            text: text.to_string(),
        }
    }

    /// Returns the exit code.
    pub(crate) fn code(&self) -> u8 {
        let number = self.errno.and_then(|errno| u8::try_from(errno).ok());
        // The range that init reads as error numbers: see its `programs.rs`.
        number
            .filter(|number| (1..=133).contains(number))
            .unwrap_or(Self::OTHER)
    }
}

/// Returns a function that adds to an error what failed.
pub(crate) fn failed(what: impl Display) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure {
        errno: error.raw_os_error(),
        text: format!("{what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_number_is_the_exit_code() {
        let code = |errno| failed("x")(io::Error::from_raw_os_error(errno)).code();
        assert_eq!(code(libc::ENODEV), 19);
        assert_eq!(code(524), Failure::OTHER);
        assert_eq!(Failure::new("x").code(), Failure::OTHER);
    }
}
