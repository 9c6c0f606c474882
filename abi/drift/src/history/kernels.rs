// SPDX-License-Identifier: GPL-2.0-only
//! `kernels.tsv`: the description of each kernel, and its facts as differences from an earlier
//! kernel.
//!
//! | row | content |
//! |---|---|
//! | `kernel ID` | head of the block |
//! | `is RELEASE ARCH FLAVOUR SERIES` | with `-` for no flavour |
//! | `package NAME VERSION SHA256` | a package that it was read from |
//! | `btf FILE` | the file that its BTF was read from |
//! | `like ID` | the kernel that it is most similar to; missing for the first |
//! | `types NAME=N…`, `functions …`, `constants …`, `unknown …` | the facts with another variant; `-` for those it lacks |
//! | `exports ID` | the kernel whose symbols are most similar; `-` for the first. Missing if the symbols are not known |
//! | `symbols NAME=N…` | the symbols that differ |
//! | `end N` | the last row, with the number of kernels. A truncated file lacks it |

use std::fmt::Write;

use linux_driver_host::Result;

use super::text::Row;
use super::{
    ABSENT, Entry, History, HistoryKernel, HistoryPackage, Item, Items, Sheet, What, at, set,
};

/// The mark of an empty column.
const NOTHING: &str = "-";

pub(super) fn read<'t>(rows: impl Iterator<Item = Row<'t>>, history: &mut History) -> Result<()> {
    let mut open: Option<(Row<'t>, Block)> = None;
    let (mut last, mut ended) = (None, false);
    for row in rows {
        if ended {
            return Err(row.wrong("nothing after `end`"));
        }
        last = Some(row);
        if row.word() == "end" {
            let [count] = row.rest("`end` and the number of kernels")?;
            if let Some((head, block)) = open.take() {
                close(head, block, history)?;
            }
            if row.number::<usize>(count, "the number of kernels")? != history.entries.len() {
                return Err(row.wrong(format_args!(
                    "{} kernels, the number in this file",
                    history.entries.len()
                )));
            }
            ended = true;
            continue;
        }
        if row.word() == "kernel" {
            if let Some((head, block)) = open.take() {
                close(head, block, history)?;
            }
            let [id] = row.rest("`kernel` and its ID")?;
            if history.by_id.contains_key(row.filled(id, "an ID")?) {
                return Err(row.wrong(format_args!("one block for {id}; this is the second")));
            }
            open = Some((row, Block::of(id)));
            continue;
        }
        match &mut open {
            Some((_, block)) => block.take(row, history)?,
            None => return Err(row.wrong("`kernel` and its ID")),
        }
    }
    match last {
        Some(row) if !ended => {
            Err(row.wrong("the row `end` after the last kernel: the file is cut off"))
        }
        _ => Ok(()),
    }
}

/// A kernel whose rows are being read.
struct Block {
    entry: Entry,
    /// The rows that were read.
    seen: Vec<&'static str>,
}

/// The rows that a kernel has at most once, in their order.
const ONCE: [&str; 9] = [
    "is",
    "btf",
    "like",
    "types",
    "functions",
    "constants",
    "unknown",
    "exports",
    "symbols",
];

impl Block {
    fn of(id: &str) -> Self {
        let kernel = HistoryKernel {
            id: id.to_owned(),
            ..HistoryKernel::default()
        };
        Self {
            entry: Entry {
                kernel,
                like: None,
                symbols_like: None,
                sheets: Default::default(),
            },
            seen: Vec::new(),
        }
    }

    fn take(&mut self, row: Row<'_>, history: &History) -> Result<()> {
        let kernel = &mut self.entry.kernel;
        if row.word() == "package" {
            let [name, version, sha256] = row.rest("package, name, version and SHA-256")?;
            if sha256.len() != 64 || !sha256.bytes().all(|c| c.is_ascii_hexdigit()) {
                return Err(row.wrong("64 hexadecimal digits as the SHA-256"));
            }
            kernel.packages.push(HistoryPackage {
                name: row.filled(name, "a name")?.to_owned(),
                version: row.filled(version, "a version")?.to_owned(),
                sha256: sha256.to_owned(),
            });
            return Ok(());
        }
        let Some(location) = ONCE.iter().position(|word| *word == row.word()) else {
            return Err(row.wrong(format_args!(
                "kernel, package, or one of: {}",
                ONCE.join(", ")
            )));
        };
        if self.seen.iter().any(|seen| ONCE[location..].contains(seen)) {
            return Err(row.wrong(format_args!(
                "each of these rows at most once for a kernel, in this order: {}",
                ONCE.join(", ")
            )));
        }
        self.seen.push(ONCE[location]);
        match row.word() {
            "is" => {
                let [release, arch, flavour, series] =
                    row.rest("is, release, architecture, flavour and series")?;
                kernel.release = row.filled(release, "a release")?.to_owned();
                kernel.arch = row.filled(arch, "an architecture")?.to_owned();
                let flavour = row.filled(flavour, "a flavour, or `-`")?;
                kernel.flavour = if flavour == NOTHING { "" } else { flavour }.to_owned();
                kernel.series = row.filled(series, "a series")?.to_owned();
            }
            "btf" => {
                let [location] = row.rest("btf, and where it was read from")?;
                kernel.btf = row.filled(location, "where it was read from")?.to_owned();
            }
            "like" => {
                let number = earlier(row, history)?;
                self.entry.like = Some(number);
                let like = &history.entries[number as usize];
                for what in What::ALL.into_iter().filter(|what| *what != What::Symbol) {
                    self.entry.sheets[what as usize] = like.sheets[what as usize].clone();
                }
            }
            "exports" => {
                kernel.symbols_known = true;
                let [id] = row.rest("exports, and the ID of a kernel, or `-`")?;
                if id != NOTHING {
                    let number = earlier(row, history)?;
                    let like = &history.entries[number as usize];
                    if !like.kernel.symbols_known {
                        return Err(row.wrong(format_args!(
                            "a kernel whose symbols are known; those of {id} are not"
                        )));
                    }
                    self.entry.symbols_like = Some(number);
                    self.entry.sheets[What::Symbol as usize] =
                        like.sheets[What::Symbol as usize].clone();
                }
            }
            word => {
                let what = What::ALL.into_iter().find(|what| what.plural() == word);
                let what = what.unwrap_or(What::Unknown);
                if what == What::Symbol && !kernel.symbols_known {
                    return Err(row.wrong("the row `exports` before `symbols`"));
                }
                changes(
                    row,
                    &history.items[what as usize],
                    &mut self.entry.sheets[what as usize],
                )?;
            }
        }
        Ok(())
    }
}

/// Returns the number of the kernel that the row names.
fn earlier(row: Row<'_>, history: &History) -> Result<u32> {
    let [id] = row.rest("the ID of a kernel")?;
    let number = history.by_id.get(id).copied();
    number.ok_or_else(|| row.wrong(format_args!("the ID of an earlier kernel, not `{id}`")))
}

fn changes(row: Row<'_>, items: &Items, sheet: &mut Sheet) -> Result<()> {
    for column in row.columns().skip(1) {
        let Some((name, fact)) = column.rsplit_once('=') else {
            return Err(row.wrong(format_args!("NAME=NUMBER, not `{column}`")));
        };
        let Some(item) = items.get(name) else {
            return Err(row.wrong(format_args!(
                "a name that has a block in its file; `{name}` has none"
            )));
        };
        let fact = match fact {
            NOTHING => ABSENT,
            number => row.number(number, "the variant")?,
        };
        let known = items.list[item as usize].facts.len();
        if fact != ABSENT && fact as usize >= known {
            return Err(row.wrong(format_args!(
                "one of the {known} variants of {name}, not {fact}"
            )));
        }
        set(sheet, item, fact);
    }
    Ok(())
}

fn close(head: Row<'_>, block: Block, history: &mut History) -> Result<()> {
    for needed in ["is", "btf"] {
        if !block.seen.contains(&needed) {
            return Err(head.wrong(format_args!("a row `{needed}` for this kernel")));
        }
    }
    history.push(block.entry);
    Ok(())
}

impl History {
    pub(super) fn push(&mut self, entry: Entry) {
        let number = self.entries.len() as u32;
        self.by_id.insert(entry.kernel.id.clone(), number);
        self.entries.push(entry);
    }
}

pub(super) fn write(history: &History) -> String {
    let empty = Sheet::new();
    let sorted = What::ALL.map(|what| history.items[what as usize].sorted());
    let mut text = String::new();
    for entry in &history.entries {
        let kernel = &entry.kernel;
        let flavour = if kernel.flavour.is_empty() {
            NOTHING
        } else {
            &kernel.flavour
        };
        let _ = writeln!(text, "kernel\t{}", kernel.id);
        let _ = writeln!(
            text,
            "is\t{}\t{}\t{flavour}\t{}",
            kernel.release, kernel.arch, kernel.series
        );
        for HistoryPackage {
            name,
            version,
            sha256,
        } in &kernel.packages
        {
            let _ = writeln!(text, "package\t{name}\t{version}\t{sha256}");
        }
        let _ = writeln!(text, "btf\t{}", kernel.btf);
        let other = |like: Option<u32>| like.map(|number| &history.entries[number as usize]);
        if let Some(like) = other(entry.like) {
            let _ = writeln!(text, "like\t{}", like.kernel.id);
        }
        let row = |what: What, like: Option<&Entry>| {
            let like = like.map_or(&empty, |like| &like.sheets[what as usize]);
            let columns = row_of(&sorted[what as usize], like, &entry.sheets[what as usize]);
            match columns.is_empty() {
                true => columns,
                false => format!("{}{columns}\n", what.plural()),
            }
        };
        for what in [What::Type, What::Function, What::Constant, What::Unknown] {
            text += &row(what, other(entry.like));
        }
        if kernel.symbols_known {
            let like = other(entry.symbols_like);
            let _ = writeln!(
                text,
                "exports\t{}",
                like.map_or(NOTHING, |like| &like.kernel.id)
            );
            text += &row(What::Symbol, like);
        }
    }
    if !history.entries.is_empty() {
        let _ = writeln!(text, "end\t{}", history.entries.len());
    }
    text
}

/// Returns the columns with the differences of a sheet from another.
fn row_of(items: &[(u32, &Item)], like: &Sheet, sheet: &Sheet) -> String {
    let mut row = String::new();
    for &(item, entry) in items {
        let fact = at(sheet, item);
        if fact == at(like, item) {
            continue;
        }
        let _ = match fact {
            ABSENT => write!(row, "\t{}={NOTHING}", entry.name),
            _ => write!(row, "\t{}={fact}", entry.name),
        };
    }
    row
}
