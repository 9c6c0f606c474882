// SPDX-License-Identifier: GPL-2.0-only
//! A console that shows only warnings and more severe messages, as long as a [`Quiet`] exists.

use std::path::Path;

use crate::action::{Result, write};

/// The switch that shows messages of every level (`kernel/printk/printk.c`).
const ALL: &str = "/sys/module/printk/parameters/ignore_loglevel";
/// The level below which messages are shown otherwise: 5 shows level 4 (warnings) and below.
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

/// Makes the console show all messages again.
pub(crate) fn end() {
    // An earlier write to this file succeeded. If this one fails, a record is lost, and the host
    // notices that.
    let _ = write(Path::new(ALL), "Y");
}
