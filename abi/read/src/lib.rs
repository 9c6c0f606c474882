// SPDX-License-Identifier: GPL-2.0-only
//! Readers of a kernel's files. `linux-driver-abi` re-exports these modules. This crate is optimised
//! in each build, because such a file has many megabytes.
//!
//! - [`btf`] reads BTF into the model of `linux-driver-drift`. [`btf_file`] finds the BTF in a
//!   kernel's file.
//! - [`kallsyms`] reads the kernel's symbols, and [`symvers`] those that it exports.

// The functions of `linux_driver_host::output` do not panic when the reader has closed the pipe.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod btf;
pub mod btf_file;
pub mod kallsyms;
pub mod symvers;
