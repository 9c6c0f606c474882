// SPDX-License-Identifier: GPL-2.0-only
//! A kernel's ABI: its data model, its readers, and the meaning of a difference between two
//! kernels.
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
pub mod btf;
pub mod btf_file;
pub mod compare;
pub mod dwarf;
pub mod emit;
pub mod explain;
pub mod history;
pub mod kallsyms;
pub mod model;
pub mod needed;
pub mod report;

pub mod symvers;
pub mod usage;

pub use model::Abi;
pub use needed::Needed;
pub use usage::Usage;
