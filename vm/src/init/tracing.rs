// SPDX-License-Identifier: GPL-2.0-only
//! Counts the allocations of a module's code, through tracefs
//! (`Documentation/trace/events-kmem.rst`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::action::{Failure, Result, failed, write};

const TRACING: &str = "/sys/kernel/tracing";
/// The events of the slab allocator. Every kernel has the first one; the others are left out where
/// the kernel lacks them.
const EVENTS: [&str; 4] = [
    "kmalloc",
    "kmalloc_node",
    "kmem_cache_alloc",
    "kmem_cache_alloc_node",
];
/// The size of the buffer for each processor, in KiB. It must hold the events of the whole system
/// while a driver probes.
const BUFFER: &str = "8192";

/// Does the action, counts the allocations of the module's code during it, and compares their
/// number with the limits.
pub(crate) fn count_allocations(
    module: &str,
    (at_least, at_most): (u64, u64),
    action: impl FnOnce() -> Result,
) -> Result {
    let tracing = Path::new(TRACING);
    write(&tracing.join("buffer_size_kb"), BUFFER)?;
    // Opening the file for writing deletes the earlier records.
    File::create(tracing.join("trace")).map_err(failed("trace"))?;
    let events: Vec<_> = EVENTS
        .iter()
        .map(|event| tracing.join("events/kmem").join(event))
        .filter(|event| event.exists())
        .collect();
    if events.is_empty() {
        return Err(Failure::new("the kernel has no events of its allocator"));
    }
    write(&tracing.join("tracing_on"), "1")?;
    for event in &events {
        write(&event.join("enable"), "1")?;
    }
    let result = action();
    for event in &events {
        write(&event.join("enable"), "0")?;
    }
    let said = result?;
    // The trace shows the module's name for an address only while the module is loaded.
    let module = module.replace('-', "_");
    if !Path::new("/sys/module").join(&module).exists() {
        return Err(Failure::new(format_args!(
            "the module {module} is not loaded after the action"
        )));
    }
    lost(tracing)?;
    let trace = File::open(tracing.join("trace")).map_err(failed("trace"))?;
    let mut sites: BTreeMap<String, u64> = BTreeMap::new();
    for line in BufReader::new(trace).lines() {
        let line = line.map_err(failed("trace"))?;
        if let Some(site) = site(&line, &module) {
            *sites.entry(site).or_default() += 1;
        }
    }
    write(&tracing.join("tracing_on"), "0")?;
    let count: u64 = sites.values().sum();
    let list: Vec<String> = sites
        .iter()
        .map(|(site, count)| format!("{count} by {site}"))
        .collect();
    let text = format!("{count} allocations {}", list.join(", "));
    if count < at_least || count > at_most {
        return Err(Failure::new(format_args!(
            "{text}; expected at least {at_least} and at most {at_most}"
        )));
    }
    let text = text.trim().to_owned();
    Ok(if said.is_empty() {
        text
    } else {
        format!("{said}; {text}")
    })
}

/// Rejects the count if events were lost.
fn lost(tracing: &Path) -> Result<()> {
    for entry in fs::read_dir(tracing.join("per_cpu")).map_err(failed("per_cpu"))? {
        let path = entry.map_err(failed("per_cpu"))?.path().join("stats");
        let stats = fs::read_to_string(&path).map_err(failed(path.display()))?;
        for line in stats.lines() {
            let lost = match line.split_once(": ") {
                Some(("overrun" | "dropped events" | "commit overrun", count)) => {
                    count.trim() != "0"
                }
                _ => false,
            };
            if lost {
                return Err(Failure::new(format_args!(
                    "{}: {line}: not all events were recorded",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

/// Returns the code address in this event, if it belongs to the module. Code that is already freed,
/// such as a module's init function, counts as the module's.
fn site(line: &str, module: &str) -> Option<String> {
    let site = line.split_once("call_site=")?.1.split_once(" ptr=")?.0;
    let ours = site
        .strip_suffix(']')
        .and_then(|site| site.rsplit_once(" ["))
        .is_some_and(|(_, name)| name == module);
    (ours || site.starts_with("0x")).then(|| site.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_modules_code_is_counted() {
        let line = |site: &str| {
            format!(
                "  linux-driver-in-99  [001] .....  1.0: kmalloc: call_site={site} ptr=00000000a bytes_req=24 bytes_alloc=32 gfp_flags=GFP_KERNEL node=-1 accounted=false"
            )
        };
        assert_eq!(
            site(&line("edu_probe+0x12/0x40 [edu]"), "edu").as_deref(),
            Some("edu_probe+0x12/0x40 [edu]")
        );
        assert_eq!(
            site(&line("0xffffffffc0400012"), "edu").as_deref(),
            Some("0xffffffffc0400012")
        );
        assert_eq!(site(&line("edu_probe+0x12/0x40 [edu_c]"), "edu"), None);
        assert_eq!(site(&line("__kmalloc+0x12/0x40"), "edu"), None);
        assert_eq!(
            site("# entries-in-buffer/entries-written: 0/0   #P:2", "edu"),
            None
        );
    }
}
