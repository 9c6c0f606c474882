// SPDX-License-Identifier: GPL-2.0-only
//! A virtual machine that boots a kernel with modules and devices, runs a plan of steps in it, and
//! reports each step and every kernel message that means trouble.
//!
//! One idea a module: [`plan`] is what is to happen (with [`Action`] for what a step does,
//! [`device`] for how a device is named and [`errno`] for expected failures), [`machine`] is what
//! it happens on, [`mod@run`] boots the one with the other and [`report`] is what came of it.
//! Inside, `outside` is what the host does in the middle of a plan (through `monitor`, QEMU's QMP),
//! `keys` is how a step is written, `wrong` the errors for a plan that cannot be run,
//! `initramfs` packs the guest's first file system, `protocol` is what the program in the guest
//! says on the console, `mailbox` is how a job reaches a machine
//! whose boot is [`saved`], `probe` reads what the kernel says of a failed probe, `watch` waits for a
//! step's messages, `transcript` makes steps and problems out of the console's lines, [`problems`]
//! and [`taint`] know which messages and marks mean trouble.
//!
//! The program inside the machine is this crate's binary, `linux-driver-init`;
//! [`init_program::build`] builds it.

// `linux_driver_host::output` does not panic where nobody reads.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod action;
pub mod device;
pub mod errno;
pub mod init_program;
pub mod initramfs;
mod keys;
pub mod machine;
pub mod mailbox;
mod monitor;
mod outside;
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
