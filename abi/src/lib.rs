// SPDX-License-Identifier: GPL-2.0-only
//! A kernel's ABI: its data model, its readers, and the meaning of a difference between two
//! kernels. This crate re-exports two others, which are optimised in each build:
//! `linux-driver-drift` (the model, the comparison, the reports and the history) and
//! `linux-driver-read` (the readers of a kernel's files).
//!
//! - [`model`] is the data.
//! - [`btf`], [`dwarf`] and [`symvers`] read it. [`btf_file`] finds the BTF in a kernel's file.
//!   [`kallsyms`] reads the kernel's symbols.
//! - [`needed`] lists what the bindings need of a kernel, [`usage`] what code uses of it.
//! - [`compare`] compares two kernels, and [`agree`] several descriptions of one kernel. Both
//!   return the findings of [`report`]. [`accept`] marks the findings that are known.
//! - [`history`] records many kernels, [`explain`] looks one name up in it, and [`emit`] writes an
//!   ABI as C.

// The functions of `linux_driver_host::output` do not panic when the reader has closed the pipe.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod accept;
pub mod agree;
pub mod dwarf;
pub mod emit;
pub mod explain;
pub mod history;
pub mod needed;

pub use linux_driver_drift::{compare, model, report, usage};
pub use linux_driver_read::{btf, btf_file, kallsyms, symvers};

pub use model::Abi;
pub use needed::Needed;
pub use usage::Usage;
