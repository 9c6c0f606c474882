// SPDX-License-Identifier: GPL-2.0-only
//! Has each allocation of an operation fail in turn (`Documentation/fault-injection/fault-injection.rst`, "Systematic faults
//! using fail-nth").

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use linux_driver_vm::{Action, Device};

use crate::action::{Failure, Result, bind_file, driver_of, failed, found, name, write};
use crate::sys;

/// The kinds of allocation that can be made to fail, in debugfs: slab objects, pages.
const KINDS: [&str; 2] = ["/sys/kernel/debug/failslab", "/sys/kernel/debug/fail_page_alloc"];

/// Does the action with its 1st, 2nd, 3rd … allocation failing, until none fails any more.
pub(crate) fn fail_each(action: &Action, at_least: u32, deadline: Instant) -> Result {
    prepare()?;
    let operation = Operation::of(action)?;
    operation.must_be_undone()?;
    let mut refused = 0;
    for nth in 1.. {
        if Instant::now() >= deadline {
            return Err(Failure::new(format_args!(
                "out of time after {} failed allocations",
                nth - 1
            )));
        }
        let (result, struck) = operation.with_failure(nth)?;
        match result {
            Ok(()) => operation.undo()?,
            Err(failure) if !struck => {
                return Err(Failure {
                    detail: format!("it fails without a failed allocation: {}", failure.detail),
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
                "{} allocations were there to fail, not {at_least}",
                nth - 1
            )));
        }
        return Ok(format!(
            "{} allocations failed in turn: {refused} made it fail, {} it did without",
            nth - 1,
            nth - 1 - refused
        ));
    }
    Ok(String::new())
}

/// Lets failures strike allocations that may sleep too, and strike them without a word on the console.
fn prepare() -> Result<()> {
    for kind in KINDS {
        let kind = Path::new(kind);
        if kind.exists() {
            write(&kind.join("ignore-gfp-wait"), "N")?;
            write(&kind.join("verbose"), "0")?;
        } else if kind.ends_with("failslab") {
            return Err(Failure::new(format_args!(
                "{}: it is not there: the kernel is built without FAILSLAB or FAULT_INJECTION_DEBUG_FS",
                kind.display()
            )));
        }
        let order = kind.join("min-order");
        if order.exists() {
            write(&order, "0")?;
        }
    }
    Ok(())
}

/// What is done, and how it is undone.
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
            Action::Load { module: path, params } => {
                let file = name(Path::new(path));
                let module = file.split('.').next().unwrap_or_default().replace('-', "_");
                Ok(Self::Load { path, params, module })
            }
            _ => Err(Failure::new("only `bind` and `load` can be undone")),
        }
    }

    /// Does it, with its `nth` allocation failing. What came of it, and whether it came to that allocation.
    fn with_failure(&self, nth: u32) -> Result<(Result<()>, bool)> {
        // All that we ourselves need is there before; only the one system call runs with the failure armed.
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
                Ok((result.map_err(failed(format_args!("finit_module({path})"))), struck))
            }
        }
    }

    fn undo(&self) -> Result<()> {
        match self {
            Self::Bind { device, .. } => {
                let folder = found(device)?;
                // A probe whose failure the core does not report leaves the device unbound too.
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

    /// Whether it has struck: the file counts down to 0.
    fn disarm(&self) -> Result<bool> {
        let mut text = [0; 16];
        let read = self.0.read_at(&mut text, 0);
        self.arm(0)?;
        let length = read.map_err(failed("fail-nth"))?;
        Ok(text[..length].trim_ascii() == b"0")
    }
}
