// SPDX-License-Identifier: GPL-2.0-only
//! The list of known kernels, and the code that fetches or builds one.
//!
//! Data goes one way. A [`KernelSpec`] of the [`Catalogue`] names a kernel. [`acquire`] fetches or
//! builds it, and describes the result in a [`Record`]. Modules are built for a [`Kernel`]: a
//! [`BuildTree`] with its [`Config`], an image to boot, and a [`BuildHost`] on which its tools run.
//! Each origin of a kernel is one file in `source`. Only [`acquire`] knows all of them, and only it
//! downloads.

// `linux_driver_host::output` does not panic where nobody reads.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod acquire;
mod build_host;
mod build_tree;
mod catalogue;
mod compiler;
mod config;
mod kernel;
pub mod needs;
mod obstacles;
mod record;
mod source;
mod spec;
mod unpacked;
mod user_settings;

pub use acquire::archive;
pub use build_host::{BuildHost, BuildRoot};
pub use build_tree::BuildTree;
pub use catalogue::{Catalogue, RUNNING};
pub use compiler::Compiler;
pub use config::Config;
pub use kernel::Kernel;
pub use record::{Package, Record};
pub use spec::{Edit, Fragment, KernelSpec};
pub use user_settings::forget_the_users_settings;
