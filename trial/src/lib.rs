// SPDX-License-Identifier: GPL-2.0-only
//! Tries a driver in a virtual machine: reads its manifest, runs its steps, and reports the
//! results.
//!
//! A *trial* is one run of a module in its own machine. It is the driver's life, or one of its
//! scenarios. A *scenario* is a named variant of the trial, with its own devices, parameters and
//! steps. A *step* is one action with the result and messages that are expected.
//!
//! Each module has one subject:
//!
//! - [`settings`] holds the contents of a driver's `trial.toml`, and [`manifest`] reads that file.
//! - [`scenario`] is one of the driver's scenarios.
//! - `steps` makes the steps of a life.
//! - [`trial`] runs the steps, with the [`programs`] in the machine.
//! - `shown` checks the messages and symbols that the manifest asks for.
//! - [`sources`] finds the source lines of the places in the code that kernel messages name.
//! - [`debugger`] prepares a trial for gdb.
//! - [`life`] is the report.

// `linux_driver_host::output` does not panic when the reader is gone.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod debugger;
pub mod life;
pub mod manifest;
pub mod programs;
pub mod scenario;
pub mod settings;
mod shown;
pub mod sources;
mod steps;
pub mod trial;

pub use life::{Life, Row};
pub use programs::Programs;
pub use scenario::Scenario;
pub use settings::{Settings, machine};
pub use trial::Trial;
