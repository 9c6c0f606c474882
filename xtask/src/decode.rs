// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask decode`.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs, output, progress};
use linux_driver_trial::sources::{Places, Sources, as_text};
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
    let (mut places, mut known) = (Places::default(), 0);
    for line in bytes.trim_ascii_end().split(|&byte| byte == b'\n') {
        let line = clean(line.trim_ascii_end());
        let lines = sources.of(&line);
        text.push_str(&format!("{line}\n{}", as_text(&lines, "    ", &here)));
        sources.count(&line, &mut places);
        known += usize::from(!lines.is_empty());
    }
    let module = sources.module();
    match (places.all, known) {
        (_, 1..) => {
            output::text(text);
            for note in notes(&places, module, &args.ko, &name) {
                progress::say(&note);
            }
            Ok(Outcome::Good)
        }
        (0, _) => Err(Error::new(
            &name,
            format_args!("messages about the code of {module}, such as NAME+0x12/0x80 [{module}]"),
            match list(&places.others) {
                None => "none".to_owned(),
                Some(others) => format!("none, but some about the code of {others}"),
            },
            "give the log of the crash, and with --ko the module that it names",
        )),
        _ => Err(Error::new(
            args.ko.display(),
            format_args!("the functions of {module} that {name} names, with the same sizes"),
            match list(&places.unknown) {
                Some(unknown) => format!("none of the {}: {unknown}", places.all),
                // The functions are there, and their code has no lines.
                None => format!("none of the {} with source lines", places.all),
            },
            "give the .ko that was loaded when the log was written: one that was built from other sources, or for another kernel, differs",
        )),
    }
}

/// The number of names that a note lists.
const LISTED: usize = 5;

/// Returns the names in one line, or nothing if there are none.
fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let names: BTreeSet<&str> = names.into_iter().map(String::as_str).collect();
    let count = names.len();
    let first: Vec<&str> = names.into_iter().take(LISTED).collect();
    let more = match count.saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    (count > 0).then(|| first.join(", ") + &more)
}

/// Returns a note for each kind of place that has no source lines in the output.
fn notes(places: &Places, module: &str, ko: &Path, log: &str) -> Vec<String> {
    let ko = ko.display();
    let all = places.all;
    let mut notes = Vec::new();
    if let Some(names) = list(&places.unknown) {
        notes.push(format!(
            "note: {log}: {} of the {all} places in {module} are in no function of {ko} with that \
             name and size: {names}; the log is that of another build, and the lines of the other \
             places may be wrong: give the .ko that was loaded",
            places.unknown.len()
        ));
    }
    if let Some(names) = list(&places.without_line) {
        notes.push(format!(
            "note: {log}: {} of the {all} places in {module} have no source lines in {ko}: \
             {names}; `core` has no debug information, nor has C code for a kernel without it, and \
             functions with the same name and size are not told apart",
            places.without_line.len()
        ));
    }
    if let Some(names) = list(&places.others) {
        notes.push(format!(
            "note: {log}: other modules are named too: {names}; for their lines, give their .ko \
             with --ko"
        ));
    }
    notes
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn places_without_lines_are_told() {
        let mut places = Places {
            all: 9,
            ..Places::default()
        };
        let of = |places: &Places| notes(places, "edu", Path::new("a/edu.ko"), "oops.txt");
        assert!(of(&places).is_empty());
        places.unknown = names(&["f+0x1/0x2", "f+0x1/0x2", "g+0x1/0x2"]);
        places.without_line = names(&["h+0x1/0x2"]);
        places.others = names(&["panic"]).into_iter().collect();
        let notes = of(&places);
        for (note, parts) in notes.iter().zip([
            [
                "oops.txt: 3 of the 9 places in edu are in no function of a/edu.ko",
                "f+0x1/0x2, g+0x1/0x2; the log is that of another build",
            ],
            ["1 of the 9 places in edu have no source lines", "h+0x1/0x2"],
            ["panic", "--ko"],
        ]) {
            for part in parts {
                assert!(note.contains(part), "{note}");
            }
        }
        assert_eq!(notes.len(), 3);
    }

    #[test]
    fn a_long_list_is_cut() {
        let many: Vec<String> = (1..=7).map(|number| number.to_string()).collect();
        assert_eq!(list(&many).unwrap(), "1, 2, 3, 4, 5, and 2 more");
        assert_eq!(list(&Vec::new()), None);
    }
}
