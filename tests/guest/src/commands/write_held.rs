// SPDX-License-Identifier: GPL-2.0-only
//! `write-held PATH TEXT`: writes to a file whose driver needs time for it, while the plan goes on.
//! The plan spawns this command.

use std::io::Write;

use crate::args::Args;
use crate::outcome::{Result, failed};
use crate::spawned::{ready, wait_for_join};

pub(crate) fn run(args: &mut Args<'_>) -> Result {
    let path: String = args.next("the path")?;
    let text: String = args.next("the text")?;
    args.end()?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .map_err(failed(&path))?;
    ready()?;
    let written = file.write_all(text.as_bytes());
    wait_for_join()?;
    written.map_err(failed(&path))?;
    Ok(String::new())
}
