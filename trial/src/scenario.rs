// SPDX-License-Identifier: GPL-2.0-only
//! A scenario: a named variant of a driver's trial.

use linux_driver_vm::Step;
use serde::Deserialize;

/// A scenario: a machine, and steps with the driver in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// The subject of the scenario, for people and for `--scenario`.
    pub name: String,
    /// The devices of the machine. Like the other settings of the machine, this one is inherited
    /// from the driver if it is missing. An empty list means no devices.
    pub devices: Option<Vec<String>>,
    /// PCIe ports with hot plug. Inherited from the driver if missing.
    pub ports: Option<Vec<String>>,
    /// Further arguments for QEMU. Inherited from the driver if missing.
    pub qemu_args: Option<Vec<String>>,
    /// Further parameters for the kernel's command line. Inherited from the driver if missing.
    pub append: Option<Vec<String>>,
    /// Options that the scenario needs. In a kernel that lacks one, it is not tried.
    #[serde(default)]
    pub needs_config: Vec<String>,
    /// Options with which the scenario does not work. In a kernel that has one, it is not tried.
    #[serde(default)]
    pub without_config: Vec<String>,
    /// A regular expression for a kernel message that reports a problem, and with which the
    /// scenario must end.
    pub expect_problem: Option<String>,
    /// A regular expression for a kernel message that must come after the expected problem, and
    /// before any other problem.
    pub expect_after: Option<String>,
    /// The steps. The module is `/MODULE.ko` in the machine, and is not loaded at the start.
    pub steps: Vec<Step>,
}
