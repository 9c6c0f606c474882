// SPDX-License-Identifier: GPL-2.0-only
//! What a kernel's ABI is, where it can be read from, and what a difference between two of them
//! means.
//!
//! [`model`] is the data. Its readers: [`btf`], which [`source`] finds in a kernel, [`dwarf`], and
//! [`symvers`]. [`usage`] says what code uses of it. [`compare`] holds two kernels against each
//! other, [`agree`] several truths about one; [`report`] is what they find, and [`accept`] what of
//! it is known already. [`history`] remembers many kernels, [`explain`] looks one name up in it,
//! and [`emit`] writes an ABI as C.

// `linux_driver_host::output` does not panic where nobody reads.
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
pub mod model;
pub mod needed;
pub mod report;

pub mod symvers;
pub mod usage;

pub use model::Abi;
pub use needed::Needed;
pub use usage::Usage;
