// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's log, `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg`). The program writes its
//! records to it, and reads every message from it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use linux_driver_vm::protocol::Record;

/// A buffer larger than the longest record. A read with too small a buffer is an error.
const LONGEST: usize = 16 * 1024;
/// The prefix of the program's records: facility "user", level "info".
const LEVEL: &str = "<14>";

pub(crate) struct Log {
    write: File,
    read: File,
    token: String,
}

impl Log {
    pub(crate) fn open(token: String) -> io::Result<Self> {
        let path = "/dev/kmsg";
        let write = OpenOptions::new().write(true).open(path)?;
        let read = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        Ok(Self { write, read, token })
    }

    /// Writes one record. One write(2) is one line of the log. A line without its end could not be
    /// read before the next line comes.
    pub(crate) fn say(&mut self, record: &Record) -> io::Result<()> {
        let line = format!("{LEVEL}{}\n", record.line(&self.token));
        self.write.write(line.as_bytes()).map(drop)
    }

    /// Reads all messages up to the program's own record, and passes each of them to `see`. The
    /// messages after the record then result from later actions.
    pub(crate) fn skip_to(&mut self, record: &Record, mut see: impl FnMut(&str)) -> io::Result<()> {
        // The record has been written, so it can be read, unless newer messages have overwritten
        // it. In that case all messages that are left are newer.
        while let Some(message) = self.next()? {
            if Record::read(&message, &self.token).as_ref() == Some(record) {
                break;
            }
            see(&message);
        }
        Ok(())
    }

    /// Returns the next message that is not a record of the program, if there is one now.
    pub(crate) fn message(&mut self) -> io::Result<Option<String>> {
        while let Some(message) = self.next()? {
            if Record::read(&message, &self.token).is_none() {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn next(&mut self) -> io::Result<Option<String>> {
        let mut record = [0; LONGEST];
        loop {
            match self.read.read(&mut record) {
                Ok(length) => return Ok(Some(text(&record[..length]))),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                // EPIPE: messages were overwritten before they were read. The next read continues
                // after the gap.
                Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Returns the message of a record. A record is `LEVEL,NUMBER,TIME,FLAGS;MESSAGE`, followed by
/// further lines. The kernel escapes backslashes and all bytes that are not printable ASCII as
/// `\xHH`.
fn text(record: &[u8]) -> String {
    let line = record
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let message = line
        .iter()
        .position(|&byte| byte == b';')
        .map_or(line, |at| &line[at + 1..]);
    let mut bytes = Vec::with_capacity(message.len());
    let mut rest = message;
    while let [first, after @ ..] = rest {
        let escaped = rest.strip_prefix(b"\\x").and_then(|digits| {
            let digits = std::str::from_utf8(digits.get(..2)?).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_was_printed() {
        assert_eq!(
            text(b"6,339,5140900,-;edu: a;b\n SUBSYSTEM=pci\n DEVICE=+pci:x\n"),
            "edu: a;b"
        );
        assert_eq!(
            text(b"6,1,2,-;caf\\xc3\\xa9 \\x5c x\\x5 \\xzz\n"),
            "café \\ x\\x5 \\xzz"
        );
        assert_eq!(text(b"6,1,2,-;\n"), "");
    }
}
