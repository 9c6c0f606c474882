// SPDX-License-Identifier: GPL-2.0-only
//! The checks of a built module, before anything loads it.
//!
//! [`check`] holds a `.ko` against the rules of the kernel that it was built for. [`module_abi`]
//! holds it against another kernel: whether it loads there as it is.

// `linux_driver_host::output` does not panic where nobody reads.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod checks;
pub mod module_abi;

pub use checks::{
    Expectations, Finding, LoadedSection, LoadedSize, ModInfo, Part, Ran, Report, Rules, check,
    check_against, loaded_size, modinfo, rust_object, undefined,
};
