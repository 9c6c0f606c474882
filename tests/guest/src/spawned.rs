// SPDX-License-Identifier: GPL-2.0-only
//! The protocol between a spawned command and the plan.

use std::io::{self, Read, Write};

use crate::outcome::{Result, failed};

/// Tells the plan to go on.
pub(crate) fn ready() -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "ready")
        .and_then(|()| out.flush())
        .map_err(failed("standard output"))
}

/// Waits until the plan joins this command.
pub(crate) fn wait_for_join() -> Result<()> {
    let mut rest = Vec::new();
    io::stdin()
        .read_to_end(&mut rest)
        .map(drop)
        .map_err(failed("standard input"))
}
