// SPDX-License-Identifier: GPL-2.0-only
//! Makes each allocation of an operation fail in turn
//! (`Documentation/fault-injection/fault-injection.rst`, "Systematic faults using fail-nth").

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use linux_driver_vm::{Action, Device};

use crate::action::{Failure, Result, bind_file, driver_of, failed, found, name, write};
use crate::sys;

/// The folder in debugfs with the settings for failures of slab objects.
const SLAB: &str = "/sys/kernel/debug/failslab";
/// The folder with the settings for failures of pages (`FAIL_PAGE_ALLOC`).
const PAGES: &str = "/sys/kernel/debug/fail_page_alloc";
/// The function inside which pages fail: it allocates the memory for coherent DMA. Elsewhere a page
/// mostly refills a cache at a random moment, and the spared caches would fail too.
const PAGES_OF: &str = "dma_direct_alloc";

/// Repeats the action with its 1st, 2nd, 3rd … allocation failing, until none fails any more.
pub(crate) fn fail_each(
    action: &Action,
    at_least: u32,
    spares: Option<&str>,
    deadline: Instant,
) -> Result {
    let operation = Operation::of(action)?;
    prepare(&operation, spares)?;
    operation.must_be_undone()?;
    let mut refused = 0;
    for nth in 1.. {
        if Instant::now() >= deadline {
            return Err(Failure::new(format_args!(
                "the time limit was reached after {} failed allocations",
                nth - 1
            )));
        }
        let (result, struck) = operation.with_failure(nth)?;
        match result {
            Ok(()) => operation.undo()?,
            Err(failure) if !struck => {
                return Err(Failure {
                    detail: format!(
                        "the operation fails although no allocation failed: {}",
                        failure.detail
                    ),
                    ..failure
                });
            }
            Err(_) => refused += 1,
        }
        operation.must_be_undone().map_err(|failure| Failure {
            detail: format!("after allocation {nth} failed: {}", failure.detail),
            ..failure
        })?;
        if struck {
            continue;
        }
        if nth - 1 < at_least {
            return Err(Failure::new(format_args!(
                "the operation makes {} allocations, and not at least {at_least}",
                nth - 1
            )));
        }
        return Ok(format!(
            "{} allocations failed in turn: the operation failed {refused} times, and succeeded {} times",
            nth - 1,
            nth - 1 - refused
        ));
    }
    Ok(String::new())
}

/// The kernel's slab caches. `NAME/failslab` says whether allocations from a cache may fail.
const CACHES: &str = "/sys/kernel/slab";

/// The caches whose objects never fail, by the start of their names.
const SPARED_CACHES: [&str; 4] = [
    // Records of the detectors about each allocation. Without one, a detector turns itself off.
    "kmemleak_",
    "debug_objects_cache",
    // States and operands of the interpreter for ACPI's code, some 250 for each lookup in the
    // interrupt table. If one of these allocations fails, the interpreter miscounts its references:
    // it leaks, and frees an object twice (`acpi_ut_update_object_reference`).
    "Acpi-",
    // If `register_irq_proc` could not make an entry, `unregister_irq_proc` removes it all the
    // same, and `remove_proc_entry` warns.
    "proc_dir_entry",
];

/// Enables failures for the objects of all caches, except those that are spared. Caches that the
/// kernel creates later are spared too.
fn choose_caches() -> Result<()> {
    let entries = fs::read_dir(CACHES).map_err(failed(CACHES))?;
    for entry in entries {
        let entry = entry.map_err(failed(CACHES))?;
        // The entry of a cache that shares the objects of another one is a link.
        if !entry.file_type().map_err(failed(CACHES))?.is_dir() {
            continue;
        }
        let name = entry.file_name();
        let spared = SPARED_CACHES
            .iter()
            .any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()));
        let file = entry.path().join("failslab");
        write(&file, if spared { "0" } else { "1" }).map_err(|failure| Failure {
            detail: format!(
                "{}: boot with slab_nomerge: caches that share objects cannot be told apart",
                failure.detail
            ),
            ..failure
        })?;
    }
    Ok(())
}

/// The function that records a mapping for DMA-API debugging. It allocates nodes of a tree, from a
/// cache that others use too. If an allocation fails, DMA-API debugging turns itself off.
const SPARED: &str = "add_dma_entry";

/// Returns the address range of a function: its first address and the address of the next symbol.
/// Returns `None` if the kernel has no function of that name.
fn function(name: &str) -> Result<Option<(u64, u64)>> {
    let path = "/proc/kallsyms";
    let text = fs::read_to_string(path).map_err(failed(path))?;
    let symbol = |line: &str| {
        let mut words = line.split(' ');
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((address, words.nth(1)?.split('\t').next()? == name))
    };
    let symbols = || text.lines().filter_map(symbol);
    let Some((start, _)) = symbols().find(|&(_, is)| is) else {
        return Ok(None);
    };
    let after = symbols()
        .map(|(address, _)| address)
        .filter(|&address| address > start);
    let end = after.min().filter(|_| start != 0).ok_or_else(|| {
        Failure::new(format_args!(
            "{path}: {name} has no address: set kernel.kptr_restrict to 0"
        ))
    })?;
    Ok(Some((start, end)))
}

/// Returns the address range of the driver's module. In a `bind`, only allocations inside calls
/// from the module's code fail, not those of the driver core around it.
fn module_of(device: &Device, driver: &str) -> Result<(u64, u64)> {
    let link = bind_file(device, driver).with_file_name("module");
    let module = name(&fs::canonicalize(&link).map_err(failed(link.display()))?);
    let path = "/proc/modules";
    let text = fs::read_to_string(path).map_err(failed(path))?;
    let range = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let start = u64::from_str_radix(words.get(5)?.strip_prefix("0x")?, 16).ok()?;
        let size: u64 = words.get(1)?.parse().ok()?;
        (words[0] == module && start != 0).then_some((start, start + size))
    };
    text.lines()
        .find_map(range)
        .ok_or_else(|| Failure::new(format_args!("{path} does not say where {module} is")))
}

/// Configures the failures: where they happen, also for allocations that may sleep, and without a
/// message on the console.
fn prepare(operation: &Operation<'_>, spares: Option<&str>) -> Result<()> {
    let spared = match spares {
        None => function(SPARED)?,
        Some(name) => {
            let place = function(name)?;
            place.ok_or_else(|| Failure::new(format_args!("the kernel has no function {name}")))?;
            place
        }
    };
    let (slab, pages) = (Path::new(SLAB), Path::new(PAGES));
    if !slab.exists() {
        return Err(Failure::new(format_args!(
            "{SLAB}: it is not there: the kernel is built without FAILSLAB or FAULT_INJECTION_DEBUG_FS"
        )));
    }
    choose_caches()?;
    write(&slab.join("cache-filter"), "Y")?;
    let required = match operation {
        Operation::Bind { device, driver } => module_of(device, driver)?,
        Operation::Load { .. } => (0, u64::MAX),
    };
    strike_in(slab, required, spared)?;
    if pages.join("require-start").exists() {
        write(&pages.join("min-order"), "0")?;
        write(&pages.join("ignore-gfp-highmem"), "N")?;
        strike_in(pages, function(PAGES_OF)?.unwrap_or((0, 0)), spared)?;
    }
    Ok(())
}

/// Makes this kind of failure happen in calls from the required addresses, except from the spared
/// ones. A kernel without `FAULT_INJECTION_STACKTRACE_FILTER` ignores both.
fn strike_in(kind: &Path, required: (u64, u64), spared: Option<(u64, u64)>) -> Result<()> {
    write(&kind.join("ignore-gfp-wait"), "N")?;
    write(&kind.join("verbose"), "0")?;
    if !kind.join("require-start").exists() {
        return Ok(());
    }
    for (range, (start, end)) in [("require", required), ("reject", spared.unwrap_or((0, 0)))] {
        write(&kind.join(format!("{range}-start")), &format!("{start:#x}"))?;
        write(&kind.join(format!("{range}-end")), &format!("{end:#x}"))?;
    }
    Ok(())
}

/// An operation that can be undone.
enum Operation<'a> {
    Bind {
        device: &'a Device,
        driver: &'a str,
    },
    Load {
        path: &'a str,
        params: &'a str,
        module: String,
    },
}

impl<'a> Operation<'a> {
    fn of(action: &'a Action) -> Result<Self> {
        match action {
            Action::Bind { device, driver } => Ok(Self::Bind { device, driver }),
            Action::Load {
                module: path,
                params,
            } => {
                let file = name(Path::new(path));
                let module = file.split('.').next().unwrap_or_default().replace('-', "_");
                Ok(Self::Load {
                    path,
                    params,
                    module,
                })
            }
            _ => Err(Failure::new("only `bind` and `load` can be undone")),
        }
    }

    /// Does the operation with its `nth` allocation failing. Returns the operation's result, and
    /// whether that allocation was reached.
    fn with_failure(&self, nth: u32) -> Result<(Result<()>, bool)> {
        // All preparations come first. Only the single system call runs while the failure is armed.
        let armed = Armed::open()?;
        match self {
            Self::Bind { device, driver } => {
                let path = bind_file(device, driver);
                let address = name(&found(device)?);
                let mut file = OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .map_err(failed(path.display()))?;
                armed.arm(nth)?;
                let result = file.write(address.as_bytes());
                let struck = armed.disarm()?;
                Ok((result.map(drop).map_err(failed(path.display())), struck))
            }
            Self::Load { path, params, .. } => {
                let module = sys::Module::open(path, params).map_err(failed(path))?;
                armed.arm(nth)?;
                let result = module.load();
                let struck = armed.disarm()?;
                Ok((
                    result.map_err(failed(format_args!("finit_module({path})"))),
                    struck,
                ))
            }
        }
    }

    fn undo(&self) -> Result<()> {
        match self {
            Self::Bind { device, .. } => {
                let folder = found(device)?;
                // The driver core does not report every failed probe, but the device is unbound
                // then too.
                match driver_of(&folder) {
                    Some(_) => write(&folder.join("driver/unbind"), &name(&folder)),
                    None => Ok(()),
                }
            }
            Self::Load { module, .. } => {
                sys::unload_module(module).map_err(failed(format_args!("delete_module({module})")))
            }
        }
    }

    fn must_be_undone(&self) -> Result<()> {
        match self {
            Self::Bind { device, .. } => match driver_of(&found(device)?) {
                None => Ok(()),
                Some(driver) => Err(Failure::new(format_args!("{device} is bound to {driver}"))),
            },
            Self::Load { module, .. } => {
                if Path::new("/sys/module").join(module).exists() {
                    return Err(Failure::new(format_args!("the module {module} is loaded")));
                }
                Ok(())
            }
        }
    }
}

/// The file that makes an allocation of the calling thread fail.
struct Armed(File);

impl Armed {
    fn open() -> Result<Self> {
        let path = "/proc/thread-self/fail-nth";
        let file = OpenOptions::new().read(true).write(true).open(path);
        file.map(Self).map_err(failed(path))
    }

    fn arm(&self, nth: u32) -> Result<()> {
        self.0
            .write_all_at(nth.to_string().as_bytes(), 0)
            .map_err(failed("fail-nth"))
    }

    /// Disarms the failure. Returns whether it has happened: the file counts down to 0.
    fn disarm(&self) -> Result<bool> {
        let mut text = [0; 16];
        let read = self.0.read_at(&mut text, 0);
        self.arm(0)?;
        let length = read.map_err(failed("fail-nth"))?;
        Ok(text[..length].trim_ascii() == b"0")
    }
}
