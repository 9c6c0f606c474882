// SPDX-License-Identifier: GPL-2.0-only
//! What a step does, and what can be wrong with it before a machine is started.

use std::collections::BTreeSet;

use linux_driver_host::Result;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::Device;
use crate::protocol::GUEST_PATH;
use crate::wrong::{among, regex, wrong};

/// What a step does. `keys` has how it is written: each variant's first field is called as the
/// variant is, since that key names the action and holds what it is done to.
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
        /// The module, one of the plan's files by its path in the guest. Written `edu`, it is
        /// `/edu.ko`.
        #[serde(rename = "load", deserialize_with = "module_file")]
        module: String,
        /// Its parameters: `NAME=VALUE NAME=VALUE`.
        #[serde(default)]
        params: String,
    },
    /// Loads what the plan's aliases name for the device's modalias, as udev and modprobe do.
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
    /// Waits until the device is bound to the driver and its `probe` has ended, whichever thread
    /// probes (hot plug, an asynchronous probe). It fails at once if the kernel has said, in this
    /// step or the one before, that the probe failed.
    WaitBound {
        /// The device.
        #[serde(rename = "wait-bound")]
        device: Device,
        /// The driver, by its name under `/sys/bus/BUS/drivers`. A `trial.toml` may leave out that of
        /// the driver that is tried.
        #[serde(default)]
        driver: String,
    },
    /// Fails unless each PCI device that the machine was given is bound to a driver: those of its
    /// chipset (`00:00.0` and what a q35 has in slot 1f, a pc in slot 1) and bridges aside.
    DevicesBound {
        /// Devices that no driver of the guest binds, and that need none.
        #[serde(rename = "devices-bound")]
        leaves: Vec<Device>,
    },
    /// Waits until the device is bound to no driver.
    WaitUnbound {
        /// The device.
        #[serde(rename = "wait-unbound")]
        device: Device,
    },
    /// Waits until there is no such device on its bus.
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
        /// The driver, by its name under `/sys/bus/BUS/drivers`. A `trial.toml` may leave out that of
        /// the driver that is tried.
        #[serde(default)]
        driver: String,
    },
    /// Takes the device away through its `remove` in sysfs: the kernel forgets it, in good order;
    /// the hardware stays.
    Remove {
        /// The device.
        #[serde(rename = "remove")]
        device: Device,
    },
    /// Has the PCI bus scanned again, so that devices that were removed through sysfs come back.
    /// Written `rescan = true`.
    Rescan {},
    /// Writes to an existing file with one write(2).
    Write {
        /// The file.
        #[serde(rename = "write")]
        path: String,
        /// What is written; no line end is added.
        data: String,
    },
    /// Reads a file; the step's detail shows what it held.
    Read {
        /// The file.
        #[serde(rename = "read")]
        path: String,
        /// What it has to hold, white space at both ends aside.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        equals: Option<String>,
        /// What it has to hold somewhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holds: Option<String>,
        /// What it may hold nowhere.
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
    /// Nothing: the step is for its messages.
    Expect {},
    /// Waits for this long.
    #[serde(rename = "sleep-ms")]
    Sleep {
        /// How long, in milliseconds.
        #[serde(rename = "sleep-ms")]
        ms: u64,
    },

    /// Does these actions one after the other, again and again. It takes no line of the console.
    Repeat {
        /// How many times.
        #[serde(rename = "repeat")]
        times: u32,
        /// How many times with `--torture`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        torture: Option<u32>,
        /// What is done each time.
        actions: Vec<Action>,
        /// Keeps messages that are no warnings off the console meanwhile: a serial port under
        /// emulation is slow. Messages that the step expects are still seen; those of the step's
        /// report are then only what was shown.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        quiet: bool,
    },

    /// The host takes a device out of the machine in good order, by `device_del` on QEMU's monitor.
    /// On one of the trial's `ports` that is a press of the attention
    /// button: the guest's pciehp blinks for 5 s, unbinds the driver and switches the slot off; on
    /// the root bus it is an eject request that ACPI answers. It ends when QEMU says that the
    /// device is deleted.
    Unplug {
        /// The device's `id=` on QEMU's command line or in `plug`.
        #[serde(rename = "unplug")]
        id: String,
    },
    /// Pulls the PCIe device out of its port with no word before: the hardware is gone, and the
    /// port's interrupt (link down, card not present) tells the kernel afterwards. The driver's
    /// `remove` then runs with the device marked as disconnected. Configuration space reads as all
    /// ones then, but BARs as zeroes: QEMU answers so where nobody is. It does not wait for
    /// `remove`; it does wait for pciehp to be through with a device that was plugged in just
    /// before.
    ///
    /// QEMU has no such command. It detaches what sits in a slot the moment that the slot's power
    /// goes off, so the power control of the port's Slot Control register is switched off, with the
    /// port's interrupts held back, and on again: what the kernel sees is a link that went down by
    /// itself. The device has to be directly behind one of
    /// the trial's `ports`.
    SurpriseUnplug {
        /// The device.
        #[serde(rename = "surprise-unplug")]
        device: Device,
    },
    /// The host puts a device into the machine. The kernel switches a port's slot off a second
    /// after a device was pulled out of it, which is waited for first.
    Plug {
        /// The device as an argument of QEMU's `-device`: `edu,bus=port1,id=edu1`.
        #[serde(rename = "plug")]
        device: String,
    },
    /// The host gives a command to QEMU's monitor (QMP); the step's detail shows the answer.
    Monitor {
        /// The command: `system_wakeup`.
        #[serde(rename = "monitor")]
        execute: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        arguments: Map<String, Value>,
    },
    /// The host gives a line to QEMU's monitor for persons, for what QMP has not:
    /// `pcie_aer_inject_error edu1 COMP_TIMEOUT`. That monitor has no errors, only text.
    MonitorLine {
        /// The line.
        #[serde(rename = "monitor-line")]
        line: String,
        /// A regular expression that what it prints has to match; without it, it has to print
        /// nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prints: Option<String>,
    },

    /// Runs a program in the guest to its end, one of the commands of the package
    /// `linux-driver-guest`. What it says on its standard output is the step's detail, or its
    /// standard error where it fails. Exit codes 1 to 133 are error numbers.
    Exec {
        /// The command and its arguments.
        #[serde(rename = "exec")]
        args: Vec<String>,
    },
    /// Starts a program in the guest, as `exec` does, and goes on once it says that it is ready.
    Spawn {
        /// What `join` calls it.
        #[serde(rename = "as")]
        name: String,
        /// The command and its arguments.
        #[serde(rename = "spawn")]
        args: Vec<String>,
    },
    /// Tells a program that was spawned to come to its end (its standard input ends), and waits for
    /// it.
    Join {
        /// Which.
        #[serde(rename = "join")]
        name: String,
    },

    /// Has kmemleak search for memory that nothing refers to any more. Needs `DEBUG_KMEMLEAK`.
    Kmemleak {
        /// `search`, which fails with what kmemleak reports, or `clear`, which forgets all that was
        /// found or could be found so far.
        #[serde(rename = "kmemleak")]
        task: LeakSearch,
    },
    /// Does the action again and again, and has its 1st, 2nd, 3rd … allocation fail, until it comes
    /// through without a failure having struck. After each failure the device is unbound (the
    /// module is not loaded), and the next try starts anew. Meanwhile the kernel may say that it
    /// has no memory ([`crate::problems::WITHOUT_MEMORY`]), and nothing else. What the detectors
    /// allocate does not fail, nor what makes the kernel itself go wrong. Needs `FAILSLAB` and
    /// `FAULT_INJECTION_DEBUG_FS`.
    FailAllocations {
        /// A `bind` of a device that is unbound, or a `load` of a module that is not loaded. It is
        /// undone afterwards.
        #[serde(rename = "fail-allocations")]
        action: Box<Action>,
        /// At least as many allocations must have failed, for the step to show something.
        #[serde(default = "one")]
        at_least: u32,
        /// A function of the kernel's that goes wrong without memory: nothing fails that is
        /// allocated in it. (The kernel has room for one. Without this it is `add_dma_entry`, in
        /// which DMA-API debugging would turn itself off.)
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spares: Option<String>,
    },
    /// Counts the allocations of slab memory (`kmem:kmalloc` and its kin) that a module's code
    /// makes while the action is done, through tracefs.
    CountAllocations {
        /// The module's name; it has to be loaded when the action has ended.
        module: String,
        /// What is done.
        #[serde(rename = "count-allocations")]
        action: Box<Action>,
        /// As many there must be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<u64>,
        /// More there must not be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<u64>,
    },

    /// Suspends the machine and has it wake up.
    Suspend {
        /// How deeply: as in `/sys/power/state`.
        #[serde(rename = "suspend")]
        state: SuspendState,
        /// Goes only as far as this, as in `/sys/power/pm_test` (needs `PM_DEBUG`), and stays there
        /// for the kernel's `pm_test_delay` instead of sleeping.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<SuspendTest>,
    },
    /// Ends the machine, as the last step: the drivers' `shutdown` callbacks run, and what they say
    /// is still expected.
    Shutdown {
        /// How.
        #[serde(rename = "shutdown")]
        how: Shutdown,
    },
}

/// Reads a module's name, which stands for the file in the guest's root, or the file's path.
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

/// What kmemleak is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakSearch {
    /// Searches, and fails with what is reported.
    Search,
    /// Forgets all that was found or could be found so far, so that only later leaks are reported.
    Clear,
}

/// How deeply the machine sleeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuspendState {
    /// Suspend-to-idle: devices are suspended, the processors idle. Only with a test: QEMU's clock
    /// does not wake a machine that is merely idle.
    #[default]
    Freeze,
    /// Suspend-to-RAM, ACPI's S3: only memory is kept up, QEMU resets the devices, and the clock's
    /// alarm wakes the machine. Once in a run: the firmware of QEMU's q35 leaves the machine
    /// without its power management registers. (For the same reason the run then ends in a reboot.)
    Mem,
    /// Hibernation, as far as that goes without a disk: devices are frozen, an image is made,
    /// devices are thawed, and there is nowhere to write the image to. With a test no image is
    /// made, and devices are restored. Needs `HIBERNATION`.
    Disk,
}

/// How far a suspend goes that is only a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuspendTest {
    /// Tasks are frozen.
    Freezer,
    /// And devices are suspended: `suspend`, `suspend_late`, `suspend_noirq`, less those of the
    /// platform.
    Devices,
    /// And the platform's part is done.
    Platform,
}

impl SuspendTest {
    /// As the kernel calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Freezer => "freezer",
            Self::Devices => "devices",
            Self::Platform => "platform",
        }
    }
}

/// How the machine ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shutdown {
    /// It powers off.
    #[default]
    PowerOff,
    /// It reboots, which ends it too.
    Reboot,
}

impl Action {
    /// Whether this is so for the action itself or for one inside it.
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

    /// Sets the driver of every `bind` and `wait-bound` that names none.
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

    /// Has it be done as often as its `torture` says. How many times as long it may then take.
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

    /// Whether it runs a program in the guest.
    pub fn runs_program(&self) -> bool {
        matches!(
            self,
            Self::Exec { .. } | Self::Spawn { .. } | Self::Join { .. }
        )
    }

    /// Whether the host has to do it.
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

/// What is known while a plan's actions are gone through in their order.
pub(crate) struct Check<'a> {
    paths: &'a BTreeSet<&'a str>,
    /// The programs that are spawned and not joined yet.
    spawned: BTreeSet<String>,
}

impl<'a> Check<'a> {
    /// `paths` are the plan's files.
    pub(crate) fn new(paths: &'a BTreeSet<&'a str>) -> Self {
        Self {
            paths,
            spawned: BTreeSet::new(),
        }
    }

    /// Checks the next step's action. `fails`: it is to fail, so that what it would leave behind is
    /// not there.
    pub(crate) fn step(
        &mut self,
        place: &str,
        action: &Action,
        last: bool,
        fails: bool,
    ) -> Result<()> {
        if let Action::Shutdown { .. } = action {
            return if last {
                // Who is at work then is what the step is about.
                self.spawned.clear();
                Ok(())
            } else {
                Err(wrong(
                    place,
                    "`shutdown` as the last step",
                    "steps after it",
                    "move it to the end",
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

    /// Checks what is left when all steps are through.
    pub(crate) fn end(&self) -> Result<()> {
        match self.spawned.first() {
            None => Ok(()),
            Some(name) => Err(wrong(
                format_args!("program {name:?}"),
                "a `join` for what is spawned",
                "none",
                "add a step that joins it: otherwise nobody sees what came of it",
            )),
        }
    }

    fn action(&mut self, place: &str, action: &Action) -> Result<()> {
        match action {
            Action::Load { module, .. } => among(place, module, self.paths),
            Action::Shutdown { .. } => Err(wrong(
                place,
                "`shutdown` as a step of its own",
                "one inside another action",
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
                    "a name that no other program has meanwhile",
                    format_args!("a second {name:?}"),
                    "join the first one before, or choose another name",
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
                    "only those can be told to have been undone",
                )),
            },
            Action::CountAllocations { action, .. } => self.action(place, action),
            Action::Suspend {
                state: SuspendState::Freeze,
                test: None,
            } => Err(wrong(
                place,
                "`test` beside the state `freeze`",
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
                "actions to repeat, and at least one time",
                format_args!("{} actions, {times} times", actions.len()),
                "mend it: as it is, it does nothing",
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
            "to join each time what is spawned each time",
            "another number of programs at its end than at its start",
            "put `spawn` and `join` both inside, or both outside",
        ))
    }

    fn program(&self, place: &str, args: &[String]) -> Result<()> {
        match args.first() {
            Some(command) => given(place, command)?,
            None => given(place, "")?,
        }
        among(place, GUEST_PATH, self.paths)
    }
}

fn given(place: &str, word: &str) -> Result<()> {
    if word.trim().is_empty() || word.contains('\n') {
        return Err(wrong(
            place,
            "a word for what is to be done",
            format_args!("{word:?}"),
            "write it",
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
                "second \"x\"",
            ),
            (r#"exec = []"#, "a word"),
            (
                r#"repeat = 2, actions = [{ spawn = ["a"], as = "x" }]; join = "x""#,
                "join each time",
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
        assert!(plan.runs_programs());
        let error = plan.check().unwrap_err().to_string();
        assert!(error.contains("/guest"), "{error}");
    }

    #[test]
    fn what_cannot_be_repeated_or_undone_is_refused() {
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
    fn what_is_inside_an_action_counts() {
        let plan: Plan =
            toml::from_str(r#"steps = [{ name = "s", repeat = 2, actions = [{ unplug = "a" }] }]"#)
                .unwrap();
        assert!(plan.asks_host() && !plan.runs_programs());
    }
}
