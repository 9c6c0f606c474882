// SPDX-License-Identifier: GPL-2.0-only
//! The history: every known kernel, with each distinct layout stored once.
//!
//! The docs of [`linux_driver_drift::history`], in `abi/drift/src/history.rs`, describe its files.
//! [`Watched`] says which names it records.

mod watched;

pub use linux_driver_drift::history::*;

pub use self::watched::Watched;
