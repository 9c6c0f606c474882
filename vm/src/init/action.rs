// SPDX-License-Identifier: GPL-2.0-only
//! The actions of the steps.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use linux_driver_vm::instead::{self, Present};
use linux_driver_vm::{Action, Alias, Device, Errno, Shutdown};

use crate::programs::Program;
use crate::world::World;
use crate::{allocations, kmemleak, port, power, quiet, sys, tracing};

/// The time between two looks at a file that has to change.
const AGAIN: Duration = Duration::from_millis(20);

/// The interval between checks of a state that is awaited.
const LOOK: Duration = Duration::from_millis(10);
/// The part of a step's time limit after which a wait gives up if nothing is under way that could
/// still make it succeed. The rest is for hot plug and deferred probes.
const PART: u32 = 6;
/// The remedy for a device that is not the driver's.
const ANOTHER: &str = "name another device in trial.toml (`pci-id` or the step)";
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

    /// Adds the names that are there, if the failure is that something is not there.
    fn instead(mut self, what: &str, names: impl FnOnce() -> Vec<String>) -> Self {
        if self.errno == Some(Errno(libc::ENOENT)) {
            let names =
                instead::listed(names()).unwrap_or_else(|| "none with a similar name".into());
            self.detail.push_str(&format!("\n{what}: {names}"));
        }
        self
    }

    /// Adds the module's ID table below the first line, if `device` does not name it.
    fn of_table(mut self, device: &Device, world: &World) -> Self {
        if !matches!(device, Device::Matching { .. }) {
            let end = self.detail.find('\n').unwrap_or(self.detail.len());
            self.detail.insert_str(end, &format!("\n{}", world.table()));
        }
        self
    }

    /// Adds the names in the folder of this path, if the failure is that the path does not exist.
    pub(crate) fn at(self, path: &Path) -> Self {
        let above = path.ancestors().zip(path.ancestors().skip(1));
        let Some((missing, folder)) = above.into_iter().find(|(_, folder)| folder.is_dir()) else {
            return self;
        };
        self.instead(&format!("{} has", folder.display()), || {
            instead::similar(&name(missing), names_in(folder))
        })
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
        Action::LoadByAlias { device } => {
            let folder = found(device).map_err(|failure| failure.of_table(device, world))?;
            return load_by_alias(&folder, device.bus(), world);
        }
        Action::Unload { module } => {
            let unloaded = sys::unload_module(module);
            unloaded
                .map_err(failed(format_args!("delete_module({module})")))
                .map_err(|failure| failure.instead("loaded modules", modules))?;
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
            let file = bind_file(device, driver);
            let drivers = || names_in(&Path::new("/sys/bus").join(device.bus()).join("drivers"));
            if !file.exists() {
                let what = format!("drivers of the bus {}", device.bus());
                let missing = failed(file.display())(io::Error::from_raw_os_error(libc::ENOENT));
                return Err(missing.instead(&what, || instead::similar(driver, drivers())));
            }
            write(&file, &name(&found(device)?))?
        }
        Action::Remove { device } => write(&found(device)?.join("remove"), "1")?,
        Action::Rescan {} => write(Path::new("/sys/bus/pci/rescan"), "1")?,
        Action::Write { path, data } => {
            let path = Path::new(path);
            write(path, data).map_err(|failure| failure.at(path))?;
        }
        Action::Read {
            path,
            equals,
            until,
            holds,
            lacks,
        } => {
            let path = Path::new(path);
            let held = loop {
                let held = read(path).map_err(|failure| failure.at(path))?;
                match until.as_deref().map(str::trim) {
                    Some(wanted) if wanted != held && Instant::now() < deadline => {
                        thread::sleep(AGAIN);
                    }
                    _ => break held,
                }
            };
            let path = path.display();
            let wrong = [
                (
                    "not",
                    equals.as_deref().filter(|wanted| wanted.trim() != held),
                ),
                (
                    "and did not become",
                    until.as_deref().filter(|wanted| wanted.trim() != held),
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
            let there = fs::symlink_metadata(path).map_err(failed(path));
            there.map_err(|failure| failure.at(Path::new(path)))?;
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
        Action::Shutdown {
            how: Shutdown::Reset,
        } => {
            let left = deadline.saturating_duration_since(Instant::now());
            thread::sleep(left);
            return Err(Failure::new("the machine was not reset in time"));
        }
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
            fs::metadata(&folder)
                .map_err(failed(folder.display()))
                .map_err(|failure| failure.at(&folder))?;
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
            same.into_iter().nth(*nth).ok_or_else(|| Failure {
                errno: Some(Errno(libc::ENODEV)),
                detail: format!(
                    "ENODEV: no device {device}\n{}\ncorrect the IDs (`pci-id` or the step, in \
                     trial.toml), or add the device to `devices`",
                    present("pci", ""),
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
                        "ENODEV: the module matches no device of the bus {bus}\n{}\n{}\nadd the \
                         device's ID to the driver's ID table, or another device to `devices` in \
                         trial.toml",
                        instead::table(patterns.iter().map(String::as_str)),
                        present(bus, patterns.first().map_or("", |pattern| named(pattern))),
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
    let limits = Limits::new(world.is_hot(), Instant::now(), deadline);
    loop {
        let now = Instant::now();
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
                let (limit, why) = match (&bound, wanted) {
                    (_, None) => (limits.last, String::new()),
                    (Some(_), Some(_)) => (
                        limits.impossible,
                        "\nthe name of the driver (`driver` in trial.toml, or else the module's \
                         name) and the driver's NAME must be equal: correct one"
                            .to_owned(),
                    ),
                    (None, Some(driver)) => limits.unbound(device, &folder, driver, world),
                };
                if now >= limit {
                    let shown = |driver: Option<&String>| {
                        driver.map_or("no driver", String::as_str).to_owned()
                    };
                    let (bound, wanted) = (shown(bound.as_ref()), shown(wanted));
                    let device = match device {
                        Device::Matching { .. } => name(&folder),
                        _ => device.to_string(),
                    };
                    return Err(Failure::new(format_args!(
                        "{device} is bound to {bound}, not to {wanted}{why}"
                    )));
                }
            }
            // The device may appear later, if it can be plugged in.
            Err(failure) if now >= limits.absent => return Err(failure),
            Err(_) => {}
        }
        thread::sleep(LOOK);
    }
}

/// The times at which a wait for a driver gives up.
struct Limits {
    /// The time if the wait cannot succeed.
    impossible: Instant,
    /// The time if nothing is known to be under way.
    idle: Instant,
    /// The time if the device is not there.
    absent: Instant,
    /// The latest time.
    last: Instant,
}

impl Limits {
    /// Makes the limits of a wait that starts now. `hot` says whether the host can plug devices.
    fn new(hot: bool, now: Instant, deadline: Instant) -> Self {
        let impossible = deadline.min(now + SETTLE);
        let idle = impossible.max(now + deadline.saturating_duration_since(now) / PART);
        Self {
            impossible,
            idle,
            absent: if hot { deadline } else { idle },
            last: deadline,
        }
    }

    /// Returns the time at which to give up waiting for a driver of a device that has none, and the
    /// likely reason.
    fn unbound(
        &self,
        device: &Device,
        folder: &Path,
        driver: &String,
        world: &World,
    ) -> (Instant, String) {
        let bus = device.bus();
        let drivers = Path::new("/sys/bus").join(bus).join("drivers");
        if !drivers.join(driver).exists() {
            let of_modules = those(&drivers, |driver| driver.join("module").exists());
            let registered =
                instead::listed(of_modules.unwrap_or_default().iter().map(|d| name(d)));
            let registered = registered.unwrap_or_else(|| "none".to_owned());
            let why = format!(
                "\nno driver {driver} is registered with the bus {bus}; those of loaded modules: \
                 {registered}\nthe name of the driver (`driver` in trial.toml, or else the \
                 module's name) and the driver's NAME must be equal: correct one"
            );
            return (self.impossible, why);
        }
        let deferred = read(Path::new("/sys/kernel/debug/devices_deferred"));
        if let Ok(line) = deferred
            .as_deref()
            .map(|text| deferral(text, &name(folder)))
            && let Some(line) = line
        {
            return (self.last, format!("\nits probe is deferred: {line}"));
        }
        // A device that is being added can be in sysfs before the bus looks for its driver.
        let limit = if world.is_hot() { self.last } else { self.idle };
        (limit, format!("\n{}", why_unbound(folder, world, ANOTHER)))
    }
}

/// Returns the line of `devices_deferred` for this device.
fn deferral<'a>(text: &'a str, device: &str) -> Option<&'a str> {
    text.lines()
        .find(|line| line.split_whitespace().next() == Some(device))
}

/// Returns the likely reason why a device has no driver, if no failed probe was logged. `remedy` is
/// one for a device that is not the driver's.
fn why_unbound(folder: &Path, world: &World, remedy: &str) -> String {
    let modalias = read(&folder.join("modalias")).unwrap_or_default();
    let fits = |alias: &Alias| sys::matches(&alias.pattern, &modalias);
    if world.aliases.is_empty() || world.aliases.iter().any(fits) {
        return "if its probe was called, it returned ENODEV or ENXIO, which the kernel does not log"
            .to_owned();
    }
    format!(
        "{}, and the device is {modalias}\nadd its ID to the driver's ID table, or {remedy}",
        world.table()
    )
}

/// Returns the devices of the bus as a text, without bridges and the devices of the chipset. Of a
/// bus with many devices, these are the ones with a name that is similar to `wanted`.
fn present(bus: &str, wanted: &str) -> String {
    let folders = endpoints(bus).unwrap_or_default();
    let names = folders.iter().map(|folder| name(folder));
    let names = if bus == "pci" {
        names.collect()
    } else {
        instead::similar(wanted, names)
    };
    let devices = names.into_iter().map(|name| {
        let folder = Path::new("/sys/bus").join(bus).join("devices").join(&name);
        Present {
            name,
            modalias: read(&folder.join("modalias")).unwrap_or_default(),
            driver: driver_of(&folder),
        }
    });
    let none = if bus == "pci" {
        "none"
    } else {
        "none with a similar name"
    };
    let devices = instead::listed(devices).unwrap_or_else(|| none.to_owned());
    format!("devices of the bus {bus}: {devices}")
}

/// Returns the name in an alias: `lamp` of `platform:lamp`.
fn named(alias: &str) -> &str {
    alias.split_once(':').map_or(alias, |(_, name)| name)
}

/// Returns the names of the entries of a folder.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = those(folder, |_| true).unwrap_or_default();
    entries.iter().map(|entry| name(entry)).collect()
}

/// Returns the names of the loaded modules.
fn modules() -> Vec<String> {
    let text = fs::read_to_string("/proc/modules").unwrap_or_default();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

/// Returns the folders of the devices of the bus, without bridges and the devices of the chipset.
fn endpoints(bus: &str) -> Result<Vec<PathBuf>> {
    let devices = Path::new("/sys/bus").join(bus).join("devices");
    // The slots in which QEMU's chipsets have their other functions.
    let is_pc = read(&devices.join("0000:00:00.0/device")).is_ok_and(|id| id == "0x1237");
    let chipset = [
        "0000:00:00.",
        if is_pc { "0000:00:01." } else { "0000:00:1f." },
    ];
    those(&devices, |folder| {
        let is_bridge = read(&folder.join("class")).is_ok_and(|class| class.starts_with("0x06"));
        !is_bridge && !chipset.iter().any(|slot| name(folder).starts_with(slot))
    })
}

/// The time that a device may stay without a driver, because its probe is deferred or asynchronous.
const SETTLE: Duration = Duration::from_secs(3);

/// Checks that each PCI device of the machine is bound.
fn devices_bound(leaves: &[Device], world: &World, deadline: Instant) -> Result {
    let latest = deadline.min(Instant::now() + SETTLE);
    loop {
        let spared = leaves.iter().map(found).collect::<Result<Vec<_>>>()?;
        let mut folders = endpoints("pci")?;
        folders.retain(|folder| !spared.contains(folder));
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
                let id = |file: &str| {
                    read(&folder.join(file))
                        .unwrap_or_default()
                        .replace("0x", "")
                };
                let why = match world.probe_failure(&name(folder), None) {
                    Some(failure) => failure.message,
                    None => why_unbound(folder, world, "list the device in `leaves` in trial.toml"),
                };
                format!(
                    "{} (pci:{}:{}) is bound to no driver: {why}",
                    name(folder),
                    id("vendor"),
                    id("device")
                )
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
fn load_by_alias(folder: &Path, bus: &str, world: &World) -> Result {
    let modalias = read(&folder.join("modalias"))?;
    let mut loaded: Vec<&str> = Vec::new();
    for Alias { pattern, module } in &world.aliases {
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
            "the module does not match {modalias}\n{}\n{}\nadd the device's ID to the driver's ID \
             table, or {ANOTHER}",
            world.table(),
            present(bus, &name(folder)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_gives_up_as_soon_as_nothing_can_end_it() {
        let start = Instant::now();
        let limits = |hot: bool, seconds: u64| {
            let deadline = start + Duration::from_secs(seconds);
            let limits = Limits::new(hot, start, deadline);
            [limits.impossible, limits.idle, limits.absent, limits.last]
                .map(|limit| (limit - start).as_secs())
        };
        assert_eq!(limits(false, 60), [3, 10, 10, 60]);
        assert_eq!(limits(true, 60), [3, 10, 60, 60]);
        assert_eq!(limits(false, 240), [3, 40, 40, 240]);
        assert_eq!(limits(false, 12), [3, 3, 3, 12]);
        assert_eq!(limits(false, 0), [0; 4]);
    }

    #[test]
    fn a_deferred_probe_is_known_by_the_name_of_its_device() {
        let text = "0000:00:04.1\n0000:00:04.0\tedu: no clock yet\n";
        assert_eq!(
            deferral(text, "0000:00:04.0"),
            Some("0000:00:04.0\tedu: no clock yet")
        );
        assert_eq!(deferral(text, "0000:00:04"), None);
        assert_eq!(deferral("", "0000:00:04.0"), None);
    }

    #[test]
    fn a_missing_path_is_shown_with_similar_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("edu_first-8"), "").unwrap();
        let detail = |path: &Path| {
            let missing = read(path).map_err(|failure| failure.at(path));
            missing.unwrap_err().detail
        };
        for missing in ["edu_forst-8", "edu_forst/bind"] {
            let has = format!("{} has: edu_first-8", dir.path().display());
            let detail = detail(&path(missing));
            assert_eq!(detail.lines().last(), Some(has.as_str()), "{detail}");
        }
        // This one exists.
        let detail = detail(dir.path());
        assert_eq!(detail.lines().count(), 1, "{detail}");
    }
}
