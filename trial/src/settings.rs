// SPDX-License-Identifier: GPL-2.0-only
//! The settings of a driver's trial: the contents of its `trial.toml`.

use linux_driver_host::{Error, Result};
use linux_driver_kernels::{Config, Kernel};
use linux_driver_vm::{Boot, Machine, Plan, Step};
use serde::Deserialize;

use crate::scenario::Scenario;

/// The settings of a driver's trial.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Settings {
    /// The devices of the machine, each in the syntax of QEMU's `-device`.
    pub devices: Vec<String>,
    /// PCIe ports of the machine with hot plug, by name. A device with `bus=NAME` is behind that
    /// port.
    pub ports: Vec<String>,
    /// QEMU's `-machine`. The default is `q35`.
    pub machine: Option<String>,
    /// The number of processors. The default is two.
    pub smp: Option<u32>,
    /// The machine's memory in MiB. The default is 512.
    pub memory: Option<u32>,
    /// Further arguments for QEMU.
    pub qemu_args: Vec<String>,
    /// Further parameters for the kernel's command line.
    pub append: Vec<String>,
    /// Programs for `exec` and `spawn`. Each is a C file, as a path from the driver's folder, or a
    /// package of the driver's workspace with a program of the same name. They are linked
    /// statically. The file `poke.c` and the package `poke` are both `/poke` in the machine.
    pub programs: Vec<String>,
    /// Further files for the machine, as paths from the driver's folder. The machine has each in
    /// its root folder.
    pub files: Vec<String>,
    /// The IDs of the device with which the driver's life is tried: VENDOR:DEVICE, in hexadecimal
    /// digits. Without this key, it is the first device that an alias of the module matches.
    pub pci_id: Option<String>,
    /// Those of `devices` that need no driver, as VENDOR:DEVICE. Every other device must be bound
    /// once the driver is loaded.
    pub leaves: Vec<String>,
    /// The driver's name in `/sys/bus/BUS/drivers`. The default is the name of the module. The name
    /// replaces `{driver}` in the file, and is the default for the `driver` of `bind` and
    /// `wait-bound`.
    pub driver: Option<String>,
    /// Messages that the driver must log when it is probed, or before the expected problem. Each is
    /// a step without an action.
    pub logs: Vec<Step>,
    /// Source lines that the report of the expected problem must name, each as `FILE:LINE:
    /// FUNCTION`. Each is a step without an action.
    pub sources: Vec<Step>,
    /// Messages that the driver must log each time that its device is removed. Each is a step
    /// without an action.
    pub removed: Vec<Step>,
    /// Parts of the names of symbols with which the module must not be linked. A kernel with KASAN
    /// skips this check: a module registers its globals with KASAN, which keeps every symbol that
    /// these refer to.
    pub without: Vec<String>,
    /// Options that the trial needs, such as a detector of the driver's error.
    /// "KASAN" is CONFIG_KASAN. In a kernel that lacks one, the driver is not tried.
    pub needs_config: Vec<String>,
    /// Options with which the trial does not work. In a kernel that has one, the driver is not
    /// tried.
    pub without_config: Vec<String>,
    /// Steps with the bound device, before it is removed for the first time.
    pub used: Vec<Step>,
    /// The steps of the driver's life, instead of the usual ones. The module is `/MODULE.ko` in the
    /// machine.
    pub steps: Vec<Step>,
    /// Further trials, each in its own machine.
    pub scenarios: Vec<Scenario>,
    /// The folder of another driver that is tried in the same way, relative to this driver's
    /// folder. All settings except `driver` then come from that folder.
    pub twin_of: Option<String>,
    /// A regular expression for a kernel message that reports a problem, and with which the run
    /// must end. For drivers that misbehave on purpose. Scenarios have their own.
    pub expect_problem: Option<String>,
    /// A regular expression for a kernel message that must come after the expected problem, and
    /// before any other problem.
    pub expect_after: Option<String>,
}

/// The name of an optional file in the driver's folder. It lists messages that the driver must log,
/// one a line, in this order.
pub const EXPECTED: &str = "expected.txt";

/// Returns a machine with this kernel, which boots the unpacked kernel if there is one.
///
/// # Errors
///
/// Fails if the kernel has no image.
pub fn machine(kernel: &Kernel) -> Result<Machine> {
    let mut machine = Machine::new(kernel.bootable()?);
    machine.unpacked.clone_from(&kernel.unpacked);
    Ok(machine)
}

impl Settings {
    /// Applies the settings to the machine.
    pub fn apply(&self, machine: &mut Machine) {
        machine.devices.clone_from(&self.devices);
        machine.ports.clone_from(&self.ports);
        machine.qemu_args.clone_from(&self.qemu_args);
        machine.append.clone_from(&self.append);
        if let Some(kind) = &self.machine {
            machine.kind.clone_from(kind);
        }
        machine.cpus = self.smp.unwrap_or(machine.cpus);
        machine.memory_mib = self.memory.unwrap_or(machine.memory_mib);
    }

    /// Returns the boot of a trial with these settings in this kernel.
    ///
    /// # Errors
    ///
    /// Fails if the kernel has no image.
    pub fn boot(&self, kernel: &Kernel) -> Result<Boot> {
        let mut machine = machine(kernel)?;
        self.apply(&mut machine);
        let steps = self.steps.iter().chain(&self.used).cloned().collect();
        let plan = Plan {
            steps,
            ..Plan::default()
        };
        Ok(Boot::of(&machine, &plan))
    }

    /// Returns the sum of the steps' time limits, in seconds. It is a rough measure of how long
    /// they take.
    pub fn seconds(&self) -> u64 {
        let steps = self.steps.iter().chain(&self.used);
        steps.map(|step| step.timeout_s).sum()
    }

    /// Returns whether a step runs a command of linux-driver's own tests.
    pub fn runs_commands(&self) -> bool {
        let lives = [&self.used, &self.steps];
        let scenarios = self.scenarios.iter().map(|scenario| &scenario.steps);
        let steps = lives
            .into_iter()
            .chain(scenarios)
            .flatten()
            .cloned()
            .collect();
        Plan {
            steps,
            ..Plan::default()
        }
        .runs_commands()
    }

    /// Returns the settings for one of the scenarios: its steps and its machine. The scenario
    /// inherits the driver's machine, except for the keys that it sets itself.
    #[must_use]
    pub fn in_scenario(&self, scenario: &Scenario) -> Self {
        let scenario = scenario.clone();
        Self {
            devices: scenario.devices.unwrap_or_else(|| self.devices.clone()),
            ports: scenario.ports.unwrap_or_else(|| self.ports.clone()),
            machine: self.machine.clone(),
            smp: self.smp,
            memory: self.memory,
            qemu_args: scenario.qemu_args.unwrap_or_else(|| self.qemu_args.clone()),
            append: scenario.append.unwrap_or_else(|| self.append.clone()),
            driver: self.driver.clone(),
            programs: self.programs.clone(),
            files: self.files.clone(),
            needs_config: [self.needs_config.as_slice(), &scenario.needs_config].concat(),
            without_config: [self.without_config.as_slice(), &scenario.without_config].concat(),
            expect_problem: scenario.expect_problem,
            expect_after: scenario.expect_after,
            steps: scenario.steps,
            ..Self::default()
        }
    }

    /// Sets the number of rounds of each `repeat` to that of its `torture`.
    pub fn torture(&mut self) {
        let mut plan = Plan {
            steps: std::mem::take(&mut self.steps),
            ..Plan::default()
        };
        plan.torture();
        self.steps = plan.steps;
    }

    /// Returns the scenario of this name.
    pub fn scenario(&self, name: &str) -> Result<&Scenario> {
        let found = self.scenarios.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self
                .scenarios
                .iter()
                .map(|scenario| scenario.name.as_str())
                .collect();
            Error::new(
                "--scenario",
                "one of the driver's scenarios",
                format_args!("{name:?}"),
                if names.is_empty() {
                    "omit the option: the driver has no scenarios".to_owned()
                } else {
                    format!("name one of: {}", names.join(", "))
                },
            )
        })
    }

    /// Adapts the settings to a kernel with this configuration.
    #[must_use]
    pub fn on(mut self, config: &Config) -> Self {
        if config.is_set("CONFIG_KASAN_GENERIC") {
            self.without.clear();
        }
        self
    }

    /// Returns the reason why the driver is not tried in a kernel with this configuration, if there
    /// is one.
    pub fn not_for(&self, config: &Config) -> Option<String> {
        let those = |names: &[String], is: bool| -> Vec<String> {
            let options = names.iter().map(|name| format!("CONFIG_{name}"));
            options
                .filter(|option| config.is_set(option) == is)
                .collect()
        };
        let why = |options: &[String], how: &str| match options {
            [] => None,
            [option] => Some(format!("{option} is {how}")),
            options => Some(format!("{} are {how}", options.join(", "))),
        };
        why(&those(&self.needs_config, false), "off")
            .or_else(|| why(&those(&self.without_config, true), "on"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_not_for_a_kernel_without_its_detector() {
        let settings = Settings {
            needs_config: vec!["KASAN".to_owned(), "PROVE_LOCKING".to_owned()],
            without_config: vec!["DEBUG_TEST_DRIVER_REMOVE".to_owned()],
            ..Settings::default()
        };
        let not_for = |config: &str| settings.not_for(&Config::parse(config));
        assert_eq!(not_for("CONFIG_KASAN=y\nCONFIG_PROVE_LOCKING=y\n"), None);
        assert_eq!(
            not_for("CONFIG_KASAN=y\n").as_deref(),
            Some("CONFIG_PROVE_LOCKING is off")
        );
        assert_eq!(
            not_for("").as_deref(),
            Some("CONFIG_KASAN, CONFIG_PROVE_LOCKING are off")
        );
        assert_eq!(
            not_for("CONFIG_KASAN=y\nCONFIG_PROVE_LOCKING=y\nCONFIG_DEBUG_TEST_DRIVER_REMOVE=y\n")
                .as_deref(),
            Some("CONFIG_DEBUG_TEST_DRIVER_REMOVE is on")
        );
        assert_eq!(Settings::default().not_for(&Config::parse("")), None);
    }

    #[test]
    fn a_scenario_inherits_the_machine_but_for_what_it_says() {
        let all = |word: &str| vec![word.to_owned()];
        let settings = Settings {
            devices: all("edu"),
            ports: all("port1"),
            qemu_args: all("-nodefaults"),
            append: all("quiet"),
            smp: Some(4),
            ..Settings::default()
        };
        let machine = |scenario: &str| {
            let text = format!("name = \"a\"\nsteps = []\n{scenario}");
            let of = settings.in_scenario(&toml::from_str(&text).unwrap());
            (of.devices, of.ports, of.qemu_args, of.append)
        };
        let inherited = (all("edu"), all("port1"), all("-nodefaults"), all("quiet"));
        assert_eq!(machine(""), inherited);
        let none = "devices = []\nports = []\nqemu-args = []\nappend = []";
        assert_eq!(machine(none), (vec![], vec![], vec![], vec![]));
        assert_eq!(machine("append = [\"debug\"]").3, all("debug"));
        assert_eq!(machine("append = [\"debug\"]").1, inherited.1);
    }

    #[test]
    fn strings_that_kasan_keeps_are_not_searched_for() {
        let settings = Settings {
            without: vec!["4core3fmt".to_owned()],
            ..Settings::default()
        };
        let kept = settings.clone().on(&Config::parse("CONFIG_KASAN=n\n"));
        assert_eq!(kept.without, settings.without);
        let kasan = Config::parse("CONFIG_KASAN=y\nCONFIG_KASAN_GENERIC=y\n");
        assert!(settings.on(&kasan).without.is_empty());
    }
}
