// SPDX-License-Identifier: GPL-2.0-only
//! How a driver is tried in a virtual machine: what its manifest says, and what came of it.
//!
//! A *trial* is one run of a module in a machine of its own. It is the driver's life, or one of its
//! scenarios. A *scenario* is a named variant of the trial, with devices, parameters and steps of
//! its own. A *step* is one action with what is expected of it.
//!
//! One idea a module: [`settings`] is what a driver's `trial.toml` says, [`manifest`] reads it,
//! [`scenario`] is one of its scenarios, `steps` has the steps of a life, [`trial`] runs them with
//! the [`programs`] in the machine, `shown` looks for what the driver had to show, and [`life`] is
//! the report.

// `linux_driver_host::output` does not panic where nobody reads.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod life;
pub mod manifest;
pub mod programs;
pub mod scenario;
pub mod settings;
mod shown;
mod steps;
pub mod trial;

pub use life::{Life, Row};
pub use programs::Programs;
pub use scenario::Scenario;
pub use settings::Settings;
pub use trial::Trial;
