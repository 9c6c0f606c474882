// SPDX-License-Identifier: GPL-2.0-only
//! A kernel build tree: its configuration, the flags that follow from it, the sysroot of `core`, driving Kbuild,
//! and checking the module that comes out.

pub mod config;
pub mod tree;
