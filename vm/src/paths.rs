// SPDX-License-Identifier: GPL-2.0-only
//! The paths of files in the guest.

/// The path of the tool's program in the guest.
pub const INIT_PATH: &str = "/init";
/// The path of the program's job in the guest.
pub const JOB_PATH: &str = "/job.json";
/// The path of the file that tells the program to wait for its job, in a machine whose boot is
/// saved.
pub const WAIT_PATH: &str = "/wait.json";
/// The path of the program that `exec` and `spawn` run: one of the plan's files.
pub const GUEST_PATH: &str = "/guest";
