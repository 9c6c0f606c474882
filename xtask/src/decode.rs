// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask decode`.

use std::io::Read;
use std::path::PathBuf;

use linux_driver_host::{Error, Result, fs, output};
use linux_driver_trial::sources::{Sources, as_text};
use linux_driver_vm::text::clean;

use crate::Outcome;

/// Print a kernel's log with the source lines of a module's frames
///
/// Below each message that names a place in the module's code, such as `NAME+0x12/0x80 [edu]`, it
/// prints the files and lines, with inlined functions. `run` and `test` do the same.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  dmesg | cargo xtask decode --ko edu.ko
  cargo xtask decode --ko edu.ko oops.txt")]
pub(crate) struct Args {
    /// The module that was loaded: the same file, with its debug information
    #[arg(long, value_name = "FILE")]
    ko: PathBuf,
    /// The log [default: standard input]
    #[arg(value_name = "LOG")]
    log: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let sources = Sources::read(&args.ko)?;
    let (name, bytes) = args.read()?;
    let here = std::env::current_dir().unwrap_or_default();
    let mut text = String::new();
    let (mut places, mut known) = (0, 0);
    for line in bytes.trim_ascii_end().split(|&byte| byte == b'\n') {
        let line = clean(line.trim_ascii_end());
        let lines = sources.of(&line);
        text.push_str(&format!("{line}\n{}", as_text(&lines, "    ", &here)));
        places += sources.places(&line);
        known += usize::from(!lines.is_empty());
    }
    let module = sources.module();
    match (places, known) {
        (_, 1..) => {
            output::text(text);
            Ok(Outcome::Good)
        }
        (0, _) => Err(Error::new(
            &name,
            format_args!("messages about the code of {module}, such as NAME+0x12/0x80 [{module}]"),
            "none",
            "give the log of the crash, and with --ko the module that it names",
        )),
        _ => Err(Error::new(
            args.ko.display(),
            format_args!("the functions of {module} that {name} names, with the same sizes"),
            format_args!("none of the {places}"),
            "give the .ko that was loaded when the log was written: one that was built from other sources, or for another kernel, differs",
        )),
    }
}

impl Args {
    /// Returns the log, and its name in error messages.
    fn read(&self) -> Result<(String, Vec<u8>)> {
        if let Some(path) = &self.log {
            return Ok((path.display().to_string(), fs::read(path)?));
        }
        let name = "standard input".to_owned();
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|e| Error::new(&name, "to read a log", e, "give the path of a file"))?;
        Ok((name, bytes))
    }
}
