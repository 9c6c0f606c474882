// SPDX-License-Identifier: GPL-2.0-only
//! Output of the tool, on standard output and standard error.
//!
//! `println!` panics if the text cannot be written. Here, a reader that closes its end (`| head`, a
//! pager) is not an error. The rest of the text is dropped, and the exit code stays the same. Any
//! other error (a full disk) is kept, and the program exits with it.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use crate::{Error, Result};

/// The first error of a write.
static FAILED: OnceLock<String> = OnceLock::new();

/// Writes the text to standard output.
pub fn text(text: impl Display) {
    write(io::stdout().lock(), format_args!("{text}"));
}

/// Writes a line to standard output.
pub fn line(text: impl Display) {
    write(io::stdout().lock(), format_args!("{text}\n"));
}

/// Writes the text to standard error.
pub fn error_text(text: impl Display) {
    // If standard error cannot be written, no other channel is left to report that.
    let _ = write!(io::stderr().lock(), "{text}");
}

/// Writes a line to standard error.
pub fn error_line(text: impl Display) {
    error_text(format_args!("{text}\n"));
}

/// Checks that all output was written, except to readers that closed their end.
///
/// # Errors
///
/// Standard output could not be written, because the disk is full for example.
pub fn written() -> Result<()> {
    match FAILED.get() {
        None => Ok(()),
        Some(found) => Err(Error::new(
            "standard output",
            "to write to it",
            found,
            "see what the system reports above",
        )),
    }
}

fn write(mut out: impl Write, text: std::fmt::Arguments<'_>) {
    if let Err(error) = out.write_fmt(text).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILED.set(error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that fails like a closed pipe or a full disk.
    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_reader_that_closed_its_end_is_ignored() {
        write(Fails(ErrorKind::BrokenPipe), format_args!("text"));
        written().unwrap();
        write(Fails(ErrorKind::StorageFull), format_args!("text"));
        let error = written().unwrap_err().to_string();
        assert!(
            error.contains("standard output") && error.contains("no storage space"),
            "{error}"
        );
    }
}
