// SPDX-License-Identifier: GPL-2.0-only
//! What the program in the guest says, and how it is told from everything else on the console.
//!
//! The program writes each record to `/dev/kmsg` as one line: the kernel's log then holds records
//! and messages in the order in which they happened, and the serial console shows each of them
//! whole. A record starts with a prefix and the run's token, a random number that nothing but the
//! host and that program knows: a driver that prints such a line itself cannot be taken for it.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::mailbox::Key;
use crate::plan::{Alias, Plan, Step};
use crate::text::pieces;

/// Where the guest finds our program.
pub const INIT_PATH: &str = "/init";
/// Where our program finds what it has to do.
pub const JOB_PATH: &str = "/job.json";
/// Where our program finds that it has to wait for its job: in a machine whose boot is saved.
pub const WAIT_PATH: &str = "/wait.json";
/// Where the program is that `exec` and `spawn` run: one of the plan's files.
pub const GUEST_PATH: &str = "/guest";
/// The guest's end of the line on which it asks the host to do something, and gets the answer: the
/// machine's second serial port, whose driver every kernel has built in. Each request and each
/// answer is a line of JSON.
pub const HOST_LINE: &str = "/dev/ttyS1";
/// As much of an answer as is told.
pub const ANSWER: usize = 8 * 1024;

const PREFIX: &str = "linux-driver-init:";

/// The longest piece of a step's detail that goes into one record. A record in `/dev/kmsg` has room
/// for somewhat under 1,000 bytes, and JSON can double a text without control characters.
const PIECE: usize = 380;
/// As much of a step's detail as is told at all.
const DETAIL: usize = 8 * 1024;

/// What the program in the guest has to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The run's token.
    pub token: String,
    /// The plan's aliases.
    pub aliases: Vec<Alias>,
    /// The plan's steps.
    pub steps: Vec<Step>,
    /// Whether there is a host to ask.
    pub asks_host: bool,
}

impl Job {
    /// The guest's part of the plan.
    pub fn new(plan: &Plan, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            aliases: plan.aliases.clone(),
            steps: plan.steps.clone(),
            asks_host: plan.asks_host(),
        }
    }
}

/// What the program in a machine whose boot is saved waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The token of its word that it waits. The job brings another.
    pub token: String,
    /// The mailbox that the job comes to.
    pub key: Key,
}

/// What the guest asks the host to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// An action that [`Action`] says the host has to do.
    pub action: Action,
    /// How long it may take, in milliseconds.
    pub ms: u64,
}

/// What the host says of a request: what there is to say, or why it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done(String),
    /// It could not be done.
    Failed(String),
}

/// One thing that the program in the guest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// It runs and waits for its job.
    Waiting {},
    /// It runs.
    Hello {
        /// The kernel's release.
        release: String,
        /// `/proc/sys/kernel/tainted`.
        tainted: u64,
    },
    /// A step starts.
    Begin {
        /// Which, from 0.
        step: usize,
    },
    /// Nothing. The kernel keeps a message that was printed without its line end back until the
    /// next one comes: this one.
    Mark {},
    /// A piece of what there is to say about the step under way.
    Detail {
        /// The piece.
        text: String,
    },
    /// The step has ended.
    End {
        /// Which, from 0.
        step: usize,
        /// Whether it passed.
        ok: bool,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// All that could be run has been; the machine is about to power off.
    Done {
        /// `/proc/sys/kernel/tainted`.
        tainted: u64,
    },
}

impl Record {
    /// The record as a line.
    pub fn line(&self, token: &str) -> String {
        // A structure of plain strings and numbers always serialises.
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{PREFIX}{token} {json}")
    }

    /// The record that this message is, if it is one of this run's.
    pub fn read(message: &str, token: &str) -> Option<Self> {
        let json = message
            .strip_prefix(PREFIX)?
            .strip_prefix(token)?
            .strip_prefix(' ')?;
        serde_json::from_str(json).ok()
    }
}

/// The records that carry a step's detail.
pub fn details(text: &str) -> impl Iterator<Item = Record> {
    let kept = &text[..text.floor_char_boundary(DETAIL)];
    pieces(kept, PIECE).into_iter().map(|piece| Record::Detail {
        text: piece.to_owned(),
    })
}

/// The message on a line of the console: what follows the kernel's time stamp, and the caller's
/// mark where the kernel was built to print that too.
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

/// What follows a bracket at the start of `text` that holds a digit and nothing but what `inside`
/// allows.
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
    fn a_forged_or_torn_record_is_none() {
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
    fn the_time_stamp_is_no_part_of_the_message() {
        assert_eq!(message("[    1.234567] edu: hello"), "edu: hello");
        assert_eq!(message("[   12.345678][    T1] BUG: x"), "BUG: x");
        assert_eq!(message("[    0.000000][ C0] [drm] x"), "[drm] x");
        assert_eq!(message("[    0.1]  indented"), " indented");
        assert_eq!(message("[drm] plain"), "[drm] plain");
        assert_eq!(message("no stamp"), "no stamp");
    }
}
