// SPDX-License-Identifier: GPL-2.0-only
//! The actions of steps, and the checks of them before a machine starts.

use std::collections::BTreeSet;

use linux_driver_host::Result;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::Device;
use crate::paths::GUEST_PATH;
use crate::wrong::{among, regex, wrong};

/// The action of a step. `keys` reads and writes it.
///
/// The first field of each variant has the name of the variant: that key names the action, and its
/// value is the object of the action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    remote = "Self",
    tag = "do",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Action {
    /// Loads a module with finit_module(2).
    Load {
        /// The module: a file of the plan, by its path in the guest. `edu` is short for `/edu.ko`.
        #[serde(rename = "load", deserialize_with = "module_file")]
        module: String,
        /// The module's parameters: `NAME=VALUE NAME=VALUE`.
        #[serde(default)]
        params: String,
    },
    /// Loads the module that the plan's aliases name for the device's modalias, as udev and
    /// modprobe do.
    LoadByAlias {
        /// The device.
        #[serde(rename = "load-by-alias")]
        device: Device,
    },
    /// Unloads a module with delete_module(2).
    Unload {
        /// The module's name, as in `/proc/modules`.
        #[serde(rename = "unload")]
        module: String,
    },
    /// Waits until the device is bound to the driver and the driver's `probe` has returned, in any
    /// thread (hot plug, asynchronous probe). Fails at once if the kernel has logged that the probe
    /// failed, in this step or the one before. Gives up after a sixth of the time limit if neither
    /// hot plug nor a deferred probe can still bind the device, and after 3 s if the driver has
    /// another name.
    WaitBound {
        /// The device.
        #[serde(rename = "wait-bound")]
        device: Device,
        /// The driver, by its name under `/sys/bus/BUS/drivers`. In a `trial.toml`, the driver
        /// under test is the default.
        #[serde(default)]
        driver: String,
    },
    /// Fails unless each PCI device of the machine is bound to a driver. Bridges and the devices of
    /// the chipset do not count: `00:00.0`, slot 1f of a q35 and slot 1 of a pc.
    DevicesBound {
        /// Devices that need no driver in the guest.
        #[serde(rename = "devices-bound")]
        leaves: Vec<Device>,
    },
    /// Waits until the device is bound to no driver.
    WaitUnbound {
        /// The device.
        #[serde(rename = "wait-unbound")]
        device: Device,
    },
    /// Waits until the device is not on its bus any more.
    WaitGone {
        /// The device.
        #[serde(rename = "wait-gone")]
        device: Device,
    },
    /// Unbinds the device from its driver through sysfs.
    Unbind {
        /// The device.
        #[serde(rename = "unbind")]
        device: Device,
    },
    /// Binds the device to the driver through sysfs.
    Bind {
        /// The device.
        #[serde(rename = "bind")]
        device: Device,
        /// The driver, by its name under `/sys/bus/BUS/drivers`. In a `trial.toml`, the driver
        /// under test is the default.
        #[serde(default)]
        driver: String,
    },
    /// Removes the device through its `remove` file in sysfs. The kernel unbinds and forgets the
    /// device; the hardware remains.
    Remove {
        /// The device.
        #[serde(rename = "remove")]
        device: Device,
    },
    /// Rescans the PCI bus, so that devices that were removed through sysfs come back. Written
    /// `rescan = true`.
    Rescan {},
    /// Writes to an existing file with a single write(2).
    Write {
        /// The file.
        #[serde(rename = "write")]
        path: String,
        /// The text to write. No line end is added.
        data: String,
    },
    /// Reads a file. The step's detail shows its contents.
    Read {
        /// The file.
        #[serde(rename = "read")]
        path: String,
        /// The contents that the file must have, apart from white space at both ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        equals: Option<String>,
        /// The contents, apart from white space at both ends, that the file must have within the
        /// step's time limit. The action reads the file again until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// A text that the file must contain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holds: Option<String>,
        /// A text that the file must not contain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lacks: Option<String>,
    },
    /// Fails unless the path exists now.
    Exists {
        /// The path.
        #[serde(rename = "exists")]
        path: String,
    },
    /// Fails if the path exists now.
    Absent {
        /// The path.
        #[serde(rename = "absent")]
        path: String,
    },
    /// Does nothing: the step only expects messages.
    Expect {},
    /// Waits for a fixed time.
    #[serde(rename = "sleep-ms")]
    Sleep {
        /// The time, in milliseconds.
        #[serde(rename = "sleep-ms")]
        ms: u64,
    },

    /// Repeats some actions, in their order. The single actions print nothing on the console.
    Repeat {
        /// The number of rounds.
        #[serde(rename = "repeat")]
        times: u32,
        /// The number of rounds with `--torture`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        torture: Option<u32>,
        /// The actions of each round.
        actions: Vec<Action>,
        /// Keeps messages below the level of a warning off the console in each round, because an
        /// emulated serial port is slow. The step's `expect` still sees them. The step's report
        /// then lists only the messages that the console showed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        quiet: bool,
    },

    /// Unplugs a device from the machine in an orderly way, with `device_del` on QEMU's monitor.
    /// For a device on one of the trial's `ports`, this presses the attention button: the guest's
    /// pciehp blinks for 5 s, unbinds the driver and switches the slot off. For a device on the
    /// root bus, it is an eject request, which ACPI answers. The action ends when QEMU reports that
    /// the device is deleted.
    Unplug {
        /// The device's `id=` on QEMU's command line or in `plug`.
        #[serde(rename = "unplug")]
        id: String,
    },
    /// Pulls the PCIe device out of its port without notice. The port's interrupt (link down, card
    /// not present) tells the kernel only afterwards. The driver's `remove` then runs with the
    /// device marked as disconnected. From then on, configuration space reads as all ones, but BARs
    /// read as zeroes, because QEMU returns zeroes for addresses without a device. The action does
    /// not wait for `remove`. If the device was plugged in just before, the action first waits
    /// until pciehp has finished with it.
    ///
    /// QEMU has no command for this. But QEMU detaches the device in a slot as soon as the slot's
    /// power goes off. So the action holds the port's interrupts back, switches the power control
    /// in the port's Slot Control register off and on again, and lets the interrupts through. The
    /// kernel then sees a link that went down by itself. The device must be directly behind one of
    /// the trial's `ports`.
    SurpriseUnplug {
        /// The device.
        #[serde(rename = "surprise-unplug")]
        device: Device,
    },
    /// Plugs a device into the machine. The kernel switches a port's slot off one second after a
    /// device was pulled out of it; the action waits for that first.
    Plug {
        /// The device as an argument of QEMU's `-device`: `edu,bus=port1,id=edu1`.
        #[serde(rename = "plug")]
        device: String,
    },
    /// Sends a command to QEMU's monitor (QMP). The step's detail shows the answer.
    Monitor {
        /// The command: `system_wakeup`.
        #[serde(rename = "monitor")]
        execute: String,
        /// The command's arguments.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        arguments: Map<String, Value>,
    },
    /// Sends a line to QEMU's human monitor, which has commands that QMP lacks:
    /// `pcie_aer_inject_error edu1 COMP_TIMEOUT`. That monitor reports no errors, only text.
    MonitorLine {
        /// The line.
        #[serde(rename = "monitor-line")]
        line: String,
        /// A regular expression that the printed text must match. Without it, the monitor must
        /// print nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prints: Option<String>,
    },

    /// Runs a program in the guest and waits for its end. The program is one of the trial's
    /// `programs`, by its path: `exec = ["/poke", "5"]`. Without a path, it is a command of
    /// linux-driver's own tests. The step's detail is the program's standard output or, if the
    /// program fails, its standard error. Exit codes 1 to 133 are error numbers.
    Exec {
        /// The program and its arguments.
        #[serde(rename = "exec")]
        args: Vec<String>,
    },
    /// Starts a program in the guest, as `exec` does, and continues as soon as the program prints
    /// the line `ready`.
    Spawn {
        /// The name by which `join` refers to the program.
        #[serde(rename = "as")]
        name: String,
        /// The command and its arguments.
        #[serde(rename = "spawn")]
        args: Vec<String>,
    },
    /// Tells a program that `spawn` started to end, by closing its standard input, and waits for
    /// it.
    Join {
        /// The name that `spawn` gave the program.
        #[serde(rename = "join")]
        name: String,
    },

    /// Makes kmemleak search for memory without references. Needs `DEBUG_KMEMLEAK`.
    Kmemleak {
        /// `search` fails with kmemleak's report. `clear` makes kmemleak forget all leaks so far.
        #[serde(rename = "kmemleak")]
        task: LeakSearch,
    },
    /// Repeats the action and makes its 1st, 2nd, 3rd … allocation fail, until the action succeeds
    /// without a failed allocation. After each failure, the device is unbound or the module is not
    /// loaded, and the next round starts from there. Meanwhile the kernel may log that it has no
    /// memory ([`crate::problems::WITHOUT_MEMORY`]), and no other problem. Allocations of the
    /// kernel's detectors do not fail, nor those whose failure makes the kernel itself misbehave.
    /// Needs `FAILSLAB` and `FAULT_INJECTION_DEBUG_FS`.
    FailAllocations {
        /// A `bind` of a device that is unbound, or a `load` of a module that is not loaded. The
        /// step undoes it at the end.
        #[serde(rename = "fail-allocations")]
        action: Box<Action>,
        /// The number of allocations that must fail at least; otherwise the step fails.
        #[serde(default = "one")]
        at_least: u32,
        /// A kernel function that misbehaves without memory: no allocation inside it fails. The
        /// kernel has room for only one. Without this key it is `add_dma_entry`, because DMA-API
        /// debugging turns itself off when an allocation in that function fails.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spares: Option<String>,
    },
    /// Counts the slab allocations (`kmem:kmalloc` and related trace events) that a module's code
    /// makes during the action, through tracefs.
    CountAllocations {
        /// The module's name. The module must be loaded when the action has ended.
        module: String,
        /// The action.
        #[serde(rename = "count-allocations")]
        action: Box<Action>,
        /// The lowest number that passes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<u64>,
        /// The highest number that passes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<u64>,
    },

    /// Suspends the machine and wakes it up.
    Suspend {
        /// The state, as in `/sys/power/state`.
        #[serde(rename = "suspend")]
        state: SuspendState,
        /// Stops at this stage, as in `/sys/power/pm_test` (needs `PM_DEBUG`). The kernel then
        /// waits there for `pm_test_delay` instead of sleeping.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<SuspendTest>,
    },
    /// Ends the machine, or waits until something else resets it. This must be the last step. The
    /// drivers' `shutdown` callbacks run, and the step can still expect their messages.
    Shutdown {
        /// The kind of end.
        #[serde(rename = "shutdown")]
        how: Shutdown,
    },
}

/// Reads the name of a module, short for `/NAME.ko` in the guest, or the path of a file.
fn module_file<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<String, D::Error> {
    let word = String::deserialize(deserializer)?;
    Ok(if word.contains('/') {
        word
    } else {
        format!("/{word}.ko")
    })
}

fn one() -> u32 {
    1
}

/// A request to kmemleak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakSearch {
    /// Searches, and fails with kmemleak's report.
    Search,
    /// Forgets all leaks so far, so that kmemleak reports only later ones.
    Clear,
}

/// The sleep state of a suspend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuspendState {
    /// Suspend-to-idle: devices are suspended, the processors idle. Works only as a test, because
    /// QEMU's clock does not wake a machine that is merely idle.
    #[default]
    Freeze,
    /// Suspend-to-RAM, ACPI's S3: only memory keeps its contents, QEMU resets the devices, and the
    /// alarm of the real-time clock wakes the machine. Works once a run, because the firmware of
    /// QEMU's q35 does not restore the power management registers. For the same reason, such a run
    /// ends in a reboot instead of a power-off.
    Mem,
    /// Hibernation without a disk: the kernel freezes the devices, makes an image, thaws the
    /// devices, and then finds no disk to write the image to. As a test, the kernel makes no image
    /// and restores the devices. Needs `HIBERNATION`.
    Disk,
}

/// The stage at which a test of suspend stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuspendTest {
    /// Stops after tasks are frozen.
    Freezer,
    /// Stops after devices are suspended too (`suspend`, `suspend_late`, `suspend_noirq`), without
    /// those of the platform.
    Devices,
    /// Stops after the platform's part is done too.
    Platform,
}

impl SuspendTest {
    /// Returns the kernel's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Freezer => "freezer",
            Self::Devices => "devices",
            Self::Platform => "platform",
        }
    }
}

/// The way in which the machine ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shutdown {
    /// The machine powers off.
    #[default]
    PowerOff,
    /// The machine reboots. QEMU ends instead of starting it again.
    Reboot,
    /// Something else resets the machine: a watchdog, or a program that was spawned. The step waits
    /// for it, and fails if the machine is not reset within the time limit. No `shutdown` callback
    /// runs.
    Reset,
}

impl Action {
    /// Returns whether the predicate holds for this action or for one inside it.
    pub fn any(&self, is: &dyn Fn(&Self) -> bool) -> bool {
        is(self)
            || match self {
                Self::Repeat { actions, .. } => actions.iter().any(|action| action.any(is)),
                Self::FailAllocations { action, .. } | Self::CountAllocations { action, .. } => {
                    action.any(is)
                }
                _ => false,
            }
    }

    /// Sets the driver of each `bind` and `wait-bound` that names none.
    pub(crate) fn fill_driver(&mut self, name: &str) {
        match self {
            Self::Bind { driver, .. } | Self::WaitBound { driver, .. } if driver.is_empty() => {
                name.clone_into(driver);
            }
            Self::Repeat { actions, .. } => {
                actions
                    .iter_mut()
                    .for_each(|action| action.fill_driver(name));
            }
            Self::FailAllocations { action, .. } | Self::CountAllocations { action, .. } => {
                action.fill_driver(name);
            }
            _ => {}
        }
    }

    /// Sets the number of rounds to that of `torture`. Returns the factor by which the action may
    /// take longer.
    pub(crate) fn torture(&mut self) -> u32 {
        let Self::Repeat {
            times,
            torture: Some(torture),
            ..
        } = self
        else {
            return 1;
        };
        let usual = std::mem::replace(times, *torture);
        torture.div_ceil(usual.max(1)).max(1)
    }

    /// Returns whether the action runs a command of the package `linux-driver-guest`, and not a
    /// program that is named by its path.
    pub fn runs_command(&self) -> bool {
        match self {
            Self::Exec { args } | Self::Spawn { args, .. } => {
                !args.first().is_some_and(|first| first.starts_with('/'))
            }
            _ => false,
        }
    }

    /// Returns whether the kernel or a program still works on the action after its end, or whether
    /// the action only waits.
    pub(crate) fn leaves_under_way(&self) -> bool {
        self.asks_host()
            || matches!(
                self,
                Self::Expect {}
                    | Self::Sleep { .. }
                    | Self::SurpriseUnplug { .. }
                    | Self::Spawn { .. }
                    | Self::Suspend { .. }
            )
    }

    /// Returns whether the action suspends the machine to RAM.
    pub fn suspends_to_ram(&self) -> bool {
        match self {
            Self::Suspend { state, test } => *state == SuspendState::Mem && test.is_none(),
            // `Documentation/admin-guide/pm/sleep-states.rst`
            Self::Write { path, data } => path == "/sys/power/state" && data.trim() == "mem",
            _ => false,
        }
    }

    /// Returns whether the host does the action.
    pub(crate) fn asks_host(&self) -> bool {
        matches!(
            self,
            Self::Unplug { .. }
                | Self::Plug { .. }
                | Self::Monitor { .. }
                | Self::MonitorLine { .. }
        )
    }
}

/// The state of a check that goes through a plan's actions in their order.
pub(crate) struct Check<'a> {
    paths: &'a BTreeSet<&'a str>,
    /// The programs that were spawned and not joined yet.
    spawned: BTreeSet<String>,
}

impl<'a> Check<'a> {
    /// Starts a check. `paths` are the plan's files.
    pub(crate) fn new(paths: &'a BTreeSet<&'a str>) -> Self {
        Self {
            paths,
            spawned: BTreeSet::new(),
        }
    }

    /// Checks the action of the next step. If `fails` is set, the action is expected to fail, so
    /// the check does not count on its effects.
    pub(crate) fn step(
        &mut self,
        place: &str,
        action: &Action,
        last: bool,
        fails: bool,
    ) -> Result<()> {
        if let Action::Shutdown { .. } = action {
            return if last {
                // A shutdown may be tested while programs still run.
                self.spawned.clear();
                Ok(())
            } else {
                Err(wrong(
                    place,
                    "`shutdown` as the last step",
                    "steps after it",
                    "move `shutdown` to the end",
                ))
            };
        }
        let before = self.spawned.clone();
        self.action(place, action)?;
        if fails && matches!(action, Action::Spawn { .. }) {
            self.spawned = before;
        }
        Ok(())
    }

    /// Checks what remains after the last step: each spawned program must have been joined.
    pub(crate) fn end(&self) -> Result<()> {
        match self.spawned.first() {
            None => Ok(()),
            Some(name) => Err(wrong(
                format_args!("program {name:?}"),
                "a `join` for each spawned program",
                "none",
                "add a step that joins it: otherwise its result is lost",
            )),
        }
    }

    fn action(&mut self, place: &str, action: &Action) -> Result<()> {
        match action {
            Action::Load { module, .. } => among(place, module, self.paths),
            Action::Shutdown { .. } => Err(wrong(
                place,
                "`shutdown` as a step of its own",
                "`shutdown` inside another action",
                "make it the last step",
            )),
            Action::Bind { driver: word, .. }
            | Action::WaitBound { driver: word, .. }
            | Action::Unplug { id: word }
            | Action::Plug { device: word }
            | Action::Monitor { execute: word, .. } => given(place, word),
            Action::MonitorLine { line, prints } => {
                given(place, line)?;
                match prints {
                    Some(pattern) => regex(&format!("{place}, `prints`"), pattern).map(drop),
                    None => Ok(()),
                }
            }
            Action::Exec { args } => self.program(place, args),
            Action::Spawn { name, args } => {
                self.program(place, args)?;
                if self.spawned.insert(name.clone()) {
                    return Ok(());
                }
                Err(wrong(
                    place,
                    "a name that no running program has",
                    format_args!("a second program {name:?}"),
                    "join the first program before, or choose another name",
                ))
            }
            Action::Join { name } => {
                if self.spawned.remove(name) {
                    return Ok(());
                }
                Err(wrong(
                    place,
                    "the name of a program that was spawned and not joined yet",
                    format_args!("{name:?}"),
                    "correct the name",
                ))
            }
            Action::Repeat {
                times,
                torture,
                actions,
                ..
            } => self.repeat(
                place,
                torture.map_or(*times, |torture| torture.min(*times)),
                actions,
            ),
            Action::FailAllocations { action, .. } => match &**action {
                Action::Bind { .. } | Action::Load { .. } => self.action(place, action),
                _ => Err(wrong(
                    place,
                    "`bind` or `load` as the action whose allocations fail",
                    "another action",
                    "use `bind` or `load`: the tool can undo only these",
                )),
            },
            Action::CountAllocations { action, .. } => self.action(place, action),
            Action::Suspend {
                state: SuspendState::Freeze,
                test: None,
            } => Err(wrong(
                place,
                "`test` with the state `freeze`",
                "none",
                "add `test = \"devices\"`, or choose the state `mem`: nothing in QEMU's machine wakes it from suspend-to-idle by itself",
            )),
            _ => Ok(()),
        }
    }

    fn repeat(&mut self, place: &str, times: u32, actions: &[Action]) -> Result<()> {
        if times == 0 || actions.is_empty() {
            return Err(wrong(
                place,
                "actions, and at least one time",
                format_args!("{} actions, {times} times", actions.len()),
                "add actions, and repeat them at least one time",
            ));
        }
        let before = self.spawned.clone();
        for action in actions {
            self.action(place, action)?;
        }
        if self.spawned == before {
            return Ok(());
        }
        Err(wrong(
            place,
            "a `join` in each round for each program that the round spawns",
            "different programs at the end of a round than at its start",
            "put `spawn` and `join` both inside, or both outside",
        ))
    }

    fn program(&self, place: &str, args: &[String]) -> Result<()> {
        let first = args.first().map_or("", String::as_str);
        given(place, first)?;
        let path = if first.starts_with('/') {
            first
        } else {
            GUEST_PATH
        };
        among(place, path, self.paths)
    }
}

fn given(place: &str, word: &str) -> Result<()> {
    if word.trim().is_empty() || word.contains('\n') {
        return Err(wrong(
            place,
            "a word, on one line",
            format_args!("{word:?}"),
            "write the word",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Plan;

    fn check(actions: &str) -> Result<(), String> {
        let steps: Vec<String> = actions
            .split(';')
            .map(|action| format!("{{ name = \"s\", {} }}", action.trim()))
            .collect();
        let text = format!(
            "files = [{{ path = \"/a.ko\", source = \"a\" }}, {{ path = \"/guest\", source = \"g\" }}]\nsteps = [{}]",
            steps.join(", ")
        );
        let plan: Plan = toml::from_str(&text).map_err(|e| e.to_string())?;
        plan.check().map_err(|e| e.to_string())
    }

    #[test]
    fn programs_are_joined_once() {
        check(r#"spawn = ["hold", "/dev/null"], as = "x"; join = "x""#).unwrap();
        for (actions, part) in [
            (r#"spawn = ["hold"], as = "x""#, "a `join`"),
            (r#"join = "x""#, "spawned and not joined"),
            (
                r#"spawn = ["a"], as = "x"; spawn = ["a"], as = "x""#,
                "second program \"x\"",
            ),
            (r#"exec = []"#, "a word"),
            (
                r#"repeat = 2, actions = [{ spawn = ["a"], as = "x" }]; join = "x""#,
                "`join` in each round",
            ),
        ] {
            let error = check(actions).unwrap_err();
            assert!(error.contains(part), "{actions}: {error}");
        }
        check(r#"repeat = 2, actions = [{ spawn = ["a"], as = "x" }, { join = "x" }]"#).unwrap();
    }

    #[test]
    fn a_program_needs_its_file() {
        let plan: Plan = toml::from_str(r#"steps = [{ name = "s", exec = ["a"] }]"#).unwrap();
        assert!(plan.runs_commands());
        let error = plan.check().unwrap_err().to_string();
        assert!(error.contains("/guest"), "{error}");
        // One that is named by its path is another file.
        let plan: Plan = toml::from_str(r#"steps = [{ name = "s", exec = ["/poke"] }]"#).unwrap();
        assert!(!plan.runs_commands());
        let error = plan.check().unwrap_err().to_string();
        assert!(error.contains("/poke"), "{error}");
    }

    #[test]
    fn an_action_that_cannot_be_repeated_or_undone_is_refused() {
        for (actions, part) in [
            (
                r#"repeat = 0, actions = [{ exists = "/" }]"#,
                "at least one time",
            ),
            (r#"repeat = 1, actions = []"#, "at least one time"),
            (r#"shutdown = "power-off"; exists = "/""#, "last step"),
            (
                r#"repeat = 1, actions = [{ shutdown = "power-off" }]"#,
                "a step of its own",
            ),
            (r#"fail-allocations = { exists = "/" }"#, "`bind` or `load`"),
            (r#"fail-allocations = { load = "b" }"#, "/b.ko"),
            (
                r#"monitor-line = "info pci", prints = "(""#,
                "regular expression",
            ),
            (r#"plug = " ""#, "a word"),
            (r#"suspend = "freeze""#, "`test`"),
            (r#"bind = "platform/a""#, "a word"),
        ] {
            let error = check(actions).unwrap_err();
            assert!(error.contains(part), "{actions}: {error}");
        }
        check(r#"shutdown = "reboot""#).unwrap();
        check(r#"spawn = ["a"], as = "x"; shutdown = "power-off""#).unwrap();
    }

    #[test]
    fn the_actions_inside_an_action_count() {
        let plan: Plan =
            toml::from_str(r#"steps = [{ name = "s", repeat = 2, actions = [{ unplug = "a" }] }]"#)
                .unwrap();
        assert!(plan.asks_host() && !plan.runs_commands());
    }
}
