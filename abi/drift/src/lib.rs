// SPDX-License-Identifier: GPL-2.0-only
//! The drift of a kernel's ABI, from facts that are in memory already. `linux-driver-abi` reads
//! them from a kernel, and re-exports these modules. This crate is optimised in each build, because
//! `cargo xtask check-abi --history` compares all known kernels.
//!
//! - [`model`] is the data: a kernel's ABI.
//! - [`usage`] lists what code uses of it.
//! - [`compare`] compares two kernels. It returns the findings of [`report`].
//! - [`history`] records many kernels.

#![forbid(unsafe_code)]
// The functions of `linux_driver_host::output` do not panic when the reader has closed the pipe.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod compare;
pub mod history;
pub mod model;
pub mod report;
pub mod usage;
