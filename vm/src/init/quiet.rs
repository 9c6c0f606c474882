// SPDX-License-Identifier: GPL-2.0-only
//! A console that shows warnings and worse only, as long as a [`Quiet`] is there.

use std::path::Path;

use crate::action::{Result, write};

/// Whether each message is shown, whatever its level (`kernel/printk/printk.c`).
const ALL: &str = "/sys/module/printk/parameters/ignore_loglevel";
/// The level below which messages are shown otherwise: 5 shows 4, warnings, and what is worse.
const LEVEL: &str = "/proc/sys/kernel/printk";

pub(crate) struct Quiet(());

impl Quiet {
    pub(crate) fn start() -> Result<Self> {
        write(Path::new(LEVEL), "5")?;
        write(Path::new(ALL), "N")?;
        Ok(Self(()))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        end();
    }
}

/// Has the console show everything again.
pub(crate) fn end() {
    // It was written to before; and nothing is lost but a record, which the host then misses.
    let _ = write(Path::new(ALL), "Y");
}
