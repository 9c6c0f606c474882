// SPDX-License-Identifier: GPL-2.0-only
//! A virtual machine that boots a kernel with modules and devices, runs a plan of steps in it, and
//! reports each step and every kernel message that reports a problem.
//!
//! Each module has one subject:
//!
//! - [`plan`] says what the machine does. [`Action`] is the action of a step, [`device`] names a
//!   device, and [`errno`] an expected failure. `keys` defines how a step is written. `wrong` makes
//!   the errors for a plan that cannot be run.
//! - [`machine`] is the machine, and [`mod@run`] boots it and runs the plan.
//! - `initramfs` packs the guest's first file system. `mailbox` carries a job into a machine whose
//!   boot is [`saved`].
//! - `protocol` defines the records that the program in the guest writes to the console.
//! - `outside` does the actions of the host during a plan, through `monitor`, which is QEMU's QMP.
//! - `transcript` turns the console's lines into steps and problems, `watch` waits for a step's
//!   messages, and `probe` reads the kernel's messages about a failed probe. [`instead`] names what
//!   is in the machine, for a step whose name matches nothing there.
//! - [`problems`] and [`taint`] list the messages and taint flags that report a problem.
//! - [`report`] holds the results of a run.
//!
//! The program inside the machine is this crate's binary, `linux-driver-init`;
//! [`init_program::build`] builds it.

// `linux_driver_host::output` does not panic when the reader is gone.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod action;
pub mod device;
pub mod errno;
pub mod init_program;
pub mod initramfs;
pub mod instead;
mod keys;
pub mod machine;
pub mod mailbox;
mod monitor;
mod outside;
pub mod paths;
pub mod plan;
mod probe;
pub mod problems;
pub mod protocol;
pub mod report;
pub mod run;
pub mod saved;
pub mod taint;
pub mod text;
mod transcript;
mod watch;
mod wrong;

pub use action::{Action, LeakSearch, Shutdown, SuspendState, SuspendTest};
pub use device::Device;
pub use errno::Errno;
pub use machine::{Machine, needs};
pub use plan::{Alias, GuestFile, LeftOut, Plan, Step};
pub use probe::ProbeFailure;
pub use report::{Accel, Ending, Outcome, Problem, Report, StepResult};
pub use run::run;
pub use saved::{Boot, Boots, Readiness};
pub use watch::Watch;
