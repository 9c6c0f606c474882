// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask cache`.

use std::time::SystemTime;

use linux_driver_host::cache::Entry;
use linux_driver_host::table::aligned;
use linux_driver_host::{Cache, Result, output};
use linux_driver_kernels::acquire;
use serde::Serialize;

use crate::Outcome;
use crate::args::catalogue;
use crate::build::print_json;

/// List what is cached, and remove it
///
/// The cache contains kernels, what was prepared for them, Rust's `core`, build roots, and the tool
/// of drivers' repositories. The next command that needs an entry downloads or builds it again.
/// Remove nothing while another command runs.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask cache
  cargo xtask cache --prune")]
pub(crate) struct Args {
    /// Remove what killed commands left, and kernels that the catalogue no longer has
    #[arg(long)]
    prune: bool,
    /// Remove everything
    #[arg(long, conflicts_with = "prune")]
    clear: bool,
    /// Print one JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// An entry of the cache.
#[derive(Serialize)]
struct Row {
    kind: String,
    name: String,
    bytes: u64,
    /// The number of days since it was made or used.
    days: Option<u64>,
    /// Why `--prune` removes it.
    old: Option<&'static str>,
    removed: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let cache = Cache::of_user()?;
    let catalogue = catalogue()?;
    let kernels: Vec<_> = catalogue
        .specs()
        .filter_map(|spec| acquire::fetched(&cache, spec))
        .collect();
    let old = |entry: &Entry| {
        if entry.is_leftover {
            return Some("not complete");
        }
        let is_used = kernels
            .iter()
            .any(|kernel| kernel.build_tree.starts_with(&entry.path));
        (entry.kind == "kernels" && !is_used).then_some("not in the catalogue")
    };
    let mut rows = Vec::new();
    for entry in cache.entries()? {
        let old = old(&entry);
        let row = Row {
            bytes: entry.bytes(),
            days: entry.used().and_then(days),
            removed: (args.clear || args.prune && old.is_some()) && cache.clear(&entry)?,
            old,
            kind: entry.kind,
            name: entry.name,
        };
        rows.push(row);
    }
    if args.json {
        print_json(&rows)?;
    } else {
        output::text(as_text(&rows, args.clear || args.prune));
        output::line(format_args!("in {}", cache.root().display()));
    }
    Ok(Outcome::Good)
}

fn days(time: SystemTime) -> Option<u64> {
    let age = SystemTime::now().duration_since(time).ok()?;
    Some(age.as_secs() / (24 * 60 * 60))
}

/// Returns the entries as a table, with the sum of their sizes. `removes` is `true` if the command
/// removes entries; the sum is then that of those that were.
fn as_text(rows: &[Row], removes: bool) -> String {
    let mut table = vec![
        ["MIB", "DAYS", "KIND", "NAME", "NOTE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    for row in rows {
        let note = match (row.removed, row.old) {
            (true, _) => "removed",
            (false, Some(old)) => old,
            (false, None) => "",
        };
        table.push(vec![
            mib(row.bytes),
            row.days.map_or_else(String::new, |days| days.to_string()),
            row.kind.clone(),
            row.name.clone(),
            note.to_owned(),
        ]);
    }
    let summed = rows.iter().filter(|row| row.removed || !removes);
    let sum: u64 = summed.map(|row| row.bytes).sum();
    let what = if removes { "removed" } else { "in all" };
    format!("{}\n{} MiB {what}, ", aligned(&table), mib(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_sizes_and_their_sum() {
        let row = |name: &str, bytes, old, removed| Row {
            kind: "kernels".to_owned(),
            name: name.to_owned(),
            bytes,
            days: Some(3),
            old,
            removed,
        };
        let mut rows = [
            row("a", 1 << 20, None, false),
            row("b", 3 << 19, Some("why"), false),
        ];
        let text = as_text(&rows, false);
        assert!(text.contains("\n1.5  3     kernels  b     why\n"), "{text}");
        assert!(text.ends_with("\n2.5 MiB in all, "), "{text}");
        rows[1].removed = true;
        let text = as_text(&rows, true);
        assert!(text.contains("b     removed\n"), "{text}");
        assert!(text.ends_with("\n1.5 MiB removed, "), "{text}");
    }
}
