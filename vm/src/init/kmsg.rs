// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's log, `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg`): written to, it holds our
//! records; read from, it gives every message.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use linux_driver_vm::protocol::Record;

/// More than the longest record: a read into less is an error.
const LONGEST: usize = 16 * 1024;
/// How a record of ours is logged: the facility "user", the level "info".
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

    /// Says one record. One write(2) is one line of the log; without its line end nobody could read
    /// it before the next.
    pub(crate) fn say(&mut self, record: &Record) -> io::Result<()> {
        let line = format!("{LEVEL}{}\n", record.line(&self.token));
        self.write.write(line.as_bytes()).map(drop)
    }

    /// Passes over all messages up to our own record, each of which `see` gets. What comes after it
    /// is what follows from what we do next.
    pub(crate) fn skip_to(&mut self, record: &Record, mut see: impl FnMut(&str)) -> io::Result<()> {
        // What was written can be read; only messages overwritten meanwhile can hide it, and then
        // those that are left are all newer.
        while let Some(message) = self.next()? {
            if Record::read(&message, &self.token).as_ref() == Some(record) {
                break;
            }
            see(&message);
        }
        Ok(())
    }

    /// The next message that is none of our records, if there is one now.
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
                // EPIPE: messages were overwritten before we read them; the next read goes on after
                // the gap.
                Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// The message in a record `LEVEL,NUMBER,TIME,FLAGS;MESSAGE` and its further lines. The kernel
/// escapes every byte of the message that is not printable ASCII, and the backslash, as `\xHH`.
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
