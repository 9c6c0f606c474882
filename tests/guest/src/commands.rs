// SPDX-License-Identifier: GPL-2.0-only
//! The commands, one per file.

mod all_ones;
mod bench;
mod edu;
mod edu_busy;
mod edu_raise;
mod fuzz;
mod misc;
mod misc_held;
mod open_hold;
mod serr;
mod storm;
mod write_held;

use crate::args::Args;
use crate::outcome::{Failure, Result};

/// A command: it reads its arguments, does its work, and returns what it found.
type Command = fn(&mut Args<'_>) -> Result;

const COMMANDS: &[(&str, Command)] = &[
    ("all-ones", all_ones::run),
    ("bench", bench::run),
    ("edu", edu::run),
    ("edu-busy", edu_busy::run),
    ("edu-raise", edu_raise::run),
    ("fuzz", fuzz::run),
    ("misc", misc::run),
    ("misc-held", misc_held::run),
    ("open-hold", open_hold::run),
    ("serr", serr::run),
    ("storm", storm::run),
    ("write-held", write_held::run),
];

/// Runs the command that the first argument names.
pub(crate) fn run(args: &[String]) -> Result {
    let (name, rest) = args
        .split_first()
        .ok_or_else(|| Failure::new("the command is missing"))?;
    let (_, command) = COMMANDS
        .iter()
        .find(|(known, _)| known == name)
        .ok_or_else(|| Failure::new(format_args!("{name:?} is not a command")))?;
    command(&mut Args::new(rest))
}
