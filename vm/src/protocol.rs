// SPDX-License-Identifier: GPL-2.0-only
//! The protocol of the program in the guest: its records, and how the host tells them from
//! everything else on the console.
//!
//! The program writes each record to `/dev/kmsg` as one line. So the kernel's log holds records and
//! messages in the order in which they happened, and the serial console shows each of them whole. A
//! record starts with a prefix and the run's token. Only the host and that program know the token,
//! a random number, so a line that a driver prints cannot be mistaken for a record.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::mailbox::Key;
use crate::plan::{Alias, Plan, Step};
use crate::text::pieces;

/// The guest's end of the connection to the host: the guest sends requests and receives the
/// answers. It is the machine's second serial port, whose driver is built into every kernel. Each
/// request and each answer is a line of JSON.
pub const HOST_LINE: &str = "/dev/ttyS1";
/// The longest part of an answer that is passed on, in bytes.
pub const ANSWER: usize = 8 * 1024;

/// The separator of lines in a step's detail. A record is one line.
pub const LINE_END: &str = " | ";

const PREFIX: &str = "linux-driver-init:";

/// The longest piece of a step's detail in one record, in bytes. A record in `/dev/kmsg` has room
/// for a little less than 1,000 bytes, and JSON can double the length of a text without control
/// characters.
const PIECE: usize = 380;
/// The longest part of a step's detail that is passed on, in bytes.
const DETAIL: usize = 8 * 1024;

/// The job of the program in the guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The run's token.
    pub token: String,
    /// The plan's aliases.
    pub aliases: Vec<Alias>,
    /// The plan's steps.
    pub steps: Vec<Step>,
    /// `true` if the host answers requests.
    pub asks_host: bool,
}

impl Job {
    /// Makes the guest's part of the plan.
    pub fn new(plan: &Plan, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            aliases: plan.aliases.clone(),
            steps: plan.steps.clone(),
            asks_host: plan.asks_host(),
        }
    }
}

/// The instructions for the program in a machine whose boot is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The token of the record with which the program says that it waits. The job has another
    /// token.
    pub token: String,
    /// The key of the mailbox that receives the job.
    pub key: Key,
}

/// A request of the guest to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// The action. It must be one that the host does, not the guest.
    pub action: Action,
    /// The time limit, in milliseconds.
    pub ms: u64,
}

/// The host's answer to a request, with a detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The action is done.
    Done(String),
    /// The action failed, for this reason.
    Failed(String),
}

/// A record of the program in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// The program runs and waits for its job.
    Waiting {},
    /// The program runs.
    Hello {
        /// The kernel's release.
        release: String,
        /// `/proc/sys/kernel/tainted`.
        tainted: u64,
    },
    /// A step starts.
    Begin {
        /// The step's number, from 0.
        step: usize,
    },
    /// An empty record. The kernel keeps back a message that was printed without a line end until
    /// the next message comes. This record is that next message.
    Mark {},
    /// A piece of the detail of the current step.
    Detail {
        /// The piece.
        text: String,
    },
    /// The step has ended.
    End {
        /// The step's number, from 0.
        step: usize,
        /// `true` if the step passed.
        ok: bool,
        /// The step's duration, in milliseconds.
        ms: u64,
    },
    /// All steps that could run have run. The machine is about to power off.
    Done {
        /// `/proc/sys/kernel/tainted`.
        tainted: u64,
    },
}

impl Record {
    /// Returns the record as a line.
    pub fn line(&self, token: &str) -> String {
        // A structure of plain strings and numbers always serialises.
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{PREFIX}{token} {json}")
    }

    /// Reads the record in a message, if the message is a record of this run.
    pub fn read(message: &str, token: &str) -> Option<Self> {
        let json = message
            .strip_prefix(PREFIX)?
            .strip_prefix(token)?
            .strip_prefix(' ')?;
        serde_json::from_str(json).ok()
    }
}

/// Returns the records that carry a step's detail.
pub fn details(text: &str) -> impl Iterator<Item = Record> {
    let kept = &text[..text.floor_char_boundary(DETAIL)];
    pieces(kept, PIECE).into_iter().map(|piece| Record::Detail {
        text: piece.to_owned(),
    })
}

/// Returns the message on a line of the console. The message comes after the kernel's time stamp
/// and, if the kernel prints it, the mark of the caller.
pub fn message(line: &str) -> &str {
    let stamp = |c: char| c.is_ascii_digit() || c == '.' || c == ' ';
    let caller = |c: char| c.is_ascii_digit() || c == 'T' || c == 'C' || c == ' ';
    match bracket(line, stamp) {
        Some(rest) => bracket(rest, caller)
            .unwrap_or(rest)
            .strip_prefix(' ')
            .unwrap_or(rest),
        None => line,
    }
}

/// Returns the rest of `text` after a bracket at its start. The bracket must contain a digit, and
/// only characters that `inside` allows.
fn bracket(text: &str, inside: impl Fn(char) -> bool) -> Option<&str> {
    let (held, rest) = text.strip_prefix('[')?.split_once(']')?;
    (held.chars().all(inside) && held.contains(|c: char| c.is_ascii_digit())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written() {
        for record in [
            Record::Hello {
                release: "6.12".into(),
                tainted: 0,
            },
            Record::Begin { step: 3 },
            Record::Mark {},
            Record::Detail {
                text: "a \"quoted\" \\ é".into(),
            },
            Record::End {
                step: 3,
                ok: true,
                ms: 12,
            },
            Record::Done { tainted: 4096 },
        ] {
            let line = record.line("abc");
            assert_eq!(Record::read(&line, "abc"), Some(record));
            assert_eq!(Record::read(&line, "abd"), None);
            assert_eq!(Record::read(&format!("x{line}"), "abc"), None);
        }
    }

    #[test]
    fn a_forged_or_torn_record_is_ignored() {
        let line = Record::End {
            step: 0,
            ok: true,
            ms: 0,
        }
        .line("");
        assert_eq!(Record::read(&line, "abc"), None);
        let line = Record::Begin { step: 0 }.line("abc");
        assert_eq!(Record::read(&line[..line.len() - 1], "abc"), None);
    }

    #[test]
    fn a_record_fits_into_kmsg() {
        let token = "0123456789abcdef0123456789abcdef";
        let text = "\"\\".repeat(DETAIL);
        let lines: Vec<String> = details(&text).map(|record| record.line(token)).collect();
        assert!(lines.iter().all(|line| line.len() < 900));
        let back: String = lines
            .iter()
            .map(|line| match Record::read(line, token) {
                Some(Record::Detail { text }) => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(back, text[..DETAIL]);
    }

    #[test]
    fn the_time_stamp_is_not_part_of_the_message() {
        assert_eq!(message("[    1.234567] edu: hello"), "edu: hello");
        assert_eq!(message("[   12.345678][    T1] BUG: x"), "BUG: x");
        assert_eq!(message("[    0.000000][ C0] [drm] x"), "[drm] x");
        assert_eq!(message("[    0.1]  indented"), " indented");
        assert_eq!(message("[drm] plain"), "[drm] plain");
        assert_eq!(message("no stamp"), "no stamp");
    }
}
