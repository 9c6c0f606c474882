// SPDX-License-Identifier: GPL-2.0-only
//! The actions of the steps.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use linux_driver_vm::{Action, Alias, Device, Errno};

use crate::programs::Program;
use crate::world::World;
use crate::{allocations, kmemleak, port, power, quiet, sys, tracing};

/// The interval between checks of a state that is awaited.
const LOOK: Duration = Duration::from_millis(10);
/// The longest part of a file that is read, in bytes.
const MOST: u64 = 64 * 1024;

/// The failure of an action.
pub(crate) struct Failure {
    /// The error number, if the kernel gave one.
    pub(crate) errno: Option<Errno>,
    /// The reason, for a person.
    pub(crate) detail: String,
}

/// The result of an action: a detail, or the failure.
pub(crate) type Result<T = String> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(detail: impl Display) -> Self {
        Self {
            errno: None,
            detail: detail.to_string(),
        }
    }
}

/// Turns an I/O error into a failure that names the operation: `/sys/…/bind: ENODEV: No such
/// device`.
pub(crate) fn failed(what: impl Display) -> impl FnOnce(io::Error) -> Failure {
    move |error| {
        let errno = error.raw_os_error().map(Errno);
        let number = errno.map(|errno| format!("{errno}: ")).unwrap_or_default();
        Failure {
            errno,
            detail: format!("{what}: {number}{error}"),
        }
    }
}

/// Does the action. A wait gives up at `deadline`.
pub(crate) fn perform(action: &Action, world: &World, deadline: Instant) -> Result {
    let nothing = String::new;
    match action {
        Action::Load { module, params } => {
            sys::load_module(module, params)
                .map_err(failed(format_args!("finit_module({module})")))?;
        }
        Action::LoadByAlias { device } => return load_by_alias(&found(device)?, &world.aliases),
        Action::Unload { module } => {
            sys::unload_module(module).map_err(failed(format_args!("delete_module({module})")))?;
        }
        Action::WaitBound { device, driver } => {
            wait_for_driver(device, Some(driver), world, deadline)?;
            wait_for_probe(device)?;
            // A failed probe has left the device without a driver.
            return wait_for_driver(device, Some(driver), world, deadline).map(|()| nothing());
        }
        Action::DevicesBound { leaves } => return devices_bound(leaves, world, deadline),
        Action::WaitUnbound { device } => {
            return wait_for_driver(device, None, world, deadline).map(|()| nothing());
        }
        Action::WaitGone { device } => return wait_gone(device, deadline).map(|()| nothing()),
        Action::Unbind { device } => {
            let folder = found(device)?;
            write(&folder.join("driver/unbind"), &name(&folder))?;
        }
        Action::Bind { device, driver } => {
            write(&bind_file(device, driver), &name(&found(device)?))?
        }
        Action::Remove { device } => write(&found(device)?.join("remove"), "1")?,
        Action::Rescan {} => write(Path::new("/sys/bus/pci/rescan"), "1")?,
        Action::Write { path, data } => write(Path::new(path), data)?,
        Action::Read {
            path,
            equals,
            holds,
            lacks,
        } => {
            let held = read(Path::new(path))?;
            let wrong = [
                (
                    "not",
                    equals.as_deref().filter(|wanted| wanted.trim() != held),
                ),
                (
                    "which lacks",
                    holds.as_deref().filter(|wanted| !held.contains(*wanted)),
                ),
                (
                    "and with it",
                    lacks.as_deref().filter(|unwanted| held.contains(*unwanted)),
                ),
            ];
            if let Some((what, text)) = wrong.iter().find_map(|(what, text)| Some((what, (*text)?)))
            {
                return Err(Failure::new(format_args!(
                    "{path} holds {held:?}, {what} {text:?}"
                )));
            }
            return Ok(held);
        }
        Action::Exists { path } => {
            fs::symlink_metadata(path).map_err(failed(path))?;
        }
        Action::Absent { path } => match fs::symlink_metadata(path) {
            Ok(_) => return Err(Failure::new(format_args!("{path} exists"))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(path)(e)),
        },
        Action::Expect {} => {}
        Action::Sleep { ms } => thread::sleep(Duration::from_millis(*ms)),
        Action::Repeat {
            times,
            actions,
            quiet,
            ..
        } => return repeat(*times, actions, *quiet, world, deadline),
        Action::Plug { .. } => {
            port::wait_until_off(deadline)?;
            return world.ask(action, deadline);
        }
        Action::Unplug { .. } | Action::Monitor { .. } | Action::MonitorLine { .. } => {
            return world.ask(action, deadline);
        }
        Action::SurpriseUnplug { device } => {
            let folder = fs::canonicalize(found(device)?).map_err(failed(device))?;
            let port = folder
                .parent()
                .ok_or_else(|| Failure::new(format_args!("{device} has no parent device")))?;
            port::pull(port, deadline)?;
        }
        Action::Exec { args } => return Program::start(args)?.end(deadline),
        Action::Spawn { name, args } => return world.programs().spawn(name, args, deadline),
        Action::Join { name } => {
            let program = world.programs().take(name)?;
            return program.end(deadline);
        }
        Action::Kmemleak { task } => return kmemleak::scan(*task, deadline),
        Action::FailAllocations {
            action,
            at_least,
            spares,
        } => return allocations::fail_each(action, *at_least, spares.as_deref(), deadline),
        Action::CountAllocations {
            module,
            action,
            at_least,
            at_most,
        } => {
            let limits = (at_least.unwrap_or(0), at_most.unwrap_or(u64::MAX));
            return tracing::count_allocations(module, limits, || perform(action, world, deadline));
        }
        Action::Suspend { state, test } => return power::suspend(*state, *test),
        Action::Shutdown { how } => sys::shut_down(*how).map_err(failed("reboot"))?,
    }
    Ok(nothing())
}

/// Repeats the actions. A failure names its round.
fn repeat(times: u32, actions: &[Action], quiet: bool, world: &World, deadline: Instant) -> Result {
    let _quiet = if quiet {
        Some(quiet::Quiet::start()?)
    } else {
        None
    };
    let start = Instant::now();
    for round in 1..=times {
        for action in actions {
            if Instant::now() >= deadline {
                return Err(Failure::new(format_args!(
                    "the time limit was reached after {} of {times} rounds",
                    round - 1
                )));
            }
            perform(action, world, deadline).map_err(|failure| Failure {
                detail: format!("round {round} of {times}: {}", failure.detail),
                ..failure
            })?;
        }
    }
    Ok(format!(
        "{times} {} in {:.1} s",
        if times == 1 { "round" } else { "rounds" },
        start.elapsed().as_secs_f64()
    ))
}

/// Returns the path of the file through which devices are bound to the driver.
pub(crate) fn bind_file(device: &Device, driver: &str) -> PathBuf {
    Path::new("/sys/bus")
        .join(device.bus())
        .join("drivers")
        .join(driver)
        .join("bind")
}

/// Returns the device's folder in sysfs.
pub(crate) fn found(device: &Device) -> Result<PathBuf> {
    let devices = Path::new("/sys/bus").join(device.bus()).join("devices");
    match device {
        Device::Named { name, .. } => {
            let folder = devices.join(name);
            fs::metadata(&folder).map_err(failed(folder.display()))?;
            Ok(folder)
        }
        Device::Pci {
            vendor,
            device: id,
            nth,
        } => {
            let same = those(&devices, |folder| {
                let has = |file: &str, id: u16| {
                    read(&folder.join(file)).is_ok_and(|text| text == format!("{id:#06x}"))
                };
                has("vendor", *vendor) && has("device", *id)
            })?;
            let count = same.len();
            same.into_iter().nth(*nth).ok_or_else(|| Failure {
                errno: Some(Errno(libc::ENODEV)),
                detail: format!(
                    "ENODEV: no device {device}: {count} of that vendor and device ID are there"
                ),
            })
        }
        Device::Matching { bus, patterns } => {
            let alias = |folder: &Path| read(&folder.join("modalias")).unwrap_or_default();
            let matches = |folder: &Path| {
                patterns
                    .iter()
                    .any(|pattern| sys::matches(pattern, &alias(folder)))
            };
            those(&devices, matches)?
                .into_iter()
                .next()
                .ok_or_else(|| Failure {
                    errno: Some(Errno(libc::ENODEV)),
                    detail: format!(
                        "ENODEV: no device of the bus {bus} that the module's aliases name: {}",
                        patterns.join(" ")
                    ),
                })
        }
    }
}

/// Returns the folders of the devices that the predicate accepts, sorted by name.
fn those(devices: &Path, is: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut those = Vec::new();
    for entry in fs::read_dir(devices).map_err(failed(devices.display()))? {
        let folder = entry.map_err(failed(devices.display()))?.path();
        if is(&folder) {
            those.push(folder);
        }
    }
    those.sort();
    Ok(those)
}

/// Returns the last part of the path, which is the kernel's name for the device.
pub(crate) fn name(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Returns the driver to which the device in this folder is bound.
pub(crate) fn driver_of(folder: &Path) -> Option<String> {
    fs::read_link(folder.join("driver"))
        .ok()
        .map(|link| name(&link))
}

fn wait_for_driver(
    device: &Device,
    wanted: Option<&String>,
    world: &World,
    deadline: Instant,
) -> Result<()> {
    let shown = |driver: Option<&String>| driver.cloned().unwrap_or_else(|| "no driver".to_owned());
    loop {
        // The device itself may appear later.
        let late = Instant::now() >= deadline;
        match found(device) {
            Ok(folder) => {
                let bound = driver_of(&folder);
                if bound.as_ref() == wanted {
                    return Ok(());
                }
                let failure =
                    wanted.and_then(|driver| world.probe_failure(&name(&folder), Some(driver)));
                if let Some(failure) = failure.filter(|_| bound.is_none()) {
                    return Err(Failure {
                        errno: Some(failure.errno),
                        detail: format!("{}: {}", failure.errno, failure.message),
                    });
                }
                if late {
                    let why = match bound {
                        Some(_) => "",
                        None => {
                            ": if its probe was called, it returned ENODEV or ENXIO, which the \
                             kernel does not log"
                        }
                    };
                    let (bound, wanted) = (shown(bound.as_ref()), shown(wanted));
                    return Err(Failure::new(format_args!(
                        "{device} is bound to {bound}, not to {wanted}{why}"
                    )));
                }
            }
            Err(failure) if late => return Err(failure),
            Err(_) => {}
        }
        thread::sleep(LOOK);
    }
}

/// The time that a device may stay without a driver, because its probe is deferred or asynchronous.
const SETTLE: Duration = Duration::from_secs(3);

/// Checks that each PCI device of the machine is bound.
fn devices_bound(leaves: &[Device], world: &World, deadline: Instant) -> Result {
    let latest = deadline.min(Instant::now() + SETTLE);
    let bus = Path::new("/sys/bus/pci/devices");
    loop {
        let spared = leaves.iter().map(found).collect::<Result<Vec<_>>>()?;
        // The slots in which QEMU's chipsets have their other functions.
        let is_pc = read(&bus.join("0000:00:00.0/device")).is_ok_and(|id| id == "0x1237");
        let chipset = [
            "0000:00:00.",
            if is_pc { "0000:00:01." } else { "0000:00:1f." },
        ];
        let folders = those(bus, |folder| {
            let is_bridge =
                read(&folder.join("class")).is_ok_and(|class| class.starts_with("0x06"));
            let of_chipset = chipset.iter().any(|slot| name(folder).starts_with(slot));
            !is_bridge && !of_chipset && !spared.iter().any(|spared| spared == folder)
        })?;
        let unbound: Vec<&PathBuf> = folders
            .iter()
            .filter(|folder| driver_of(folder).is_none())
            .collect();
        if unbound.is_empty() {
            let bound = folders.iter().map(|folder| {
                let driver = driver_of(folder).unwrap_or_default();
                format!("{}: {driver}", name(folder))
            });
            return Ok(bound.collect::<Vec<_>>().join(", "));
        }
        if Instant::now() >= latest {
            let unbound = unbound.iter().map(|folder| {
                let id = |file: &str| read(&folder.join(file)).unwrap_or_default().replace("0x", "");
                let why = match world.probe_failure(&name(folder), None) {
                    Some(failure) => failure.message,
                    None => "no alias of the module matches it, or its probe returned ENODEV or ENXIO, which the kernel does not log".to_owned(),
                };
                format!("{} (pci:{}:{}) is bound to no driver: {why}", name(folder), id("vendor"), id("device"))
            });
            return Err(Failure::new(unbound.collect::<Vec<_>>().join("; ")));
        }
        thread::sleep(LOOK);
    }
}

/// Waits until any running probe of the device has ended. The driver core shows the driver before
/// its `probe` starts, and holds the device's lock until `probe` has returned. A write to
/// `power/control` takes the same lock (`control_store`) and changes nothing here.
fn wait_for_probe(device: &Device) -> Result<()> {
    let control = found(device)?.join("power/control");
    if !control.exists() {
        return Ok(());
    }
    write(&control, &read(&control)?)
}

fn wait_gone(device: &Device, deadline: Instant) -> Result<()> {
    loop {
        match found(device) {
            Err(failure)
                if failure
                    .errno
                    .is_some_and(|errno| [libc::ENODEV, libc::ENOENT].contains(&errno.0)) =>
            {
                return Ok(());
            }
            Err(failure) => return Err(failure),
            Ok(folder) if Instant::now() >= deadline => {
                return Err(Failure::new(format_args!(
                    "{device} is still there: {}",
                    folder.display()
                )));
            }
            Ok(_) => thread::sleep(LOOK),
        }
    }
}

/// Loads every module that an alias names for the device, as udev does through modprobe.
fn load_by_alias(folder: &Path, aliases: &[Alias]) -> Result {
    let modalias = read(&folder.join("modalias"))?;
    let mut loaded: Vec<&str> = Vec::new();
    for Alias { pattern, module } in aliases {
        if !sys::matches(pattern, &modalias) || loaded.contains(&module.as_str()) {
            continue;
        }
        match sys::load_module(module, "") {
            // modprobe also treats a module that is already loaded as a success.
            Err(e) if e.raw_os_error() == Some(libc::EEXIST) => {}
            result => result.map_err(failed(format_args!(
                "finit_module({module}) for {modalias}"
            )))?,
        }
        loaded.push(module);
    }
    if loaded.is_empty() {
        return Err(Failure::new(format_args!(
            "none of the {} aliases matches {modalias}",
            aliases.len()
        )));
    }
    Ok(format!("{modalias}: {}", loaded.join(", ")))
}

/// Writes with a single write(2), as files of sysfs require.
pub(crate) fn write(path: &Path, data: &str) -> Result<()> {
    let what = || path.display();
    let mut file = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(failed(what()))?;
    let written = file.write(data.as_bytes()).map_err(failed(what()))?;
    if written != data.len() {
        return Err(Failure::new(format_args!(
            "{}: took {written} of {} bytes",
            what(),
            data.len()
        )));
    }
    Ok(())
}

pub(crate) fn read(path: &Path) -> Result {
    let mut bytes = Vec::new();
    let result = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    result.map_err(failed(path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
